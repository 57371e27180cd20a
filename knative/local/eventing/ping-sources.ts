/** PingSources: a CloudEvent to each sink, every minute. Other schedules are refused, since no manifest has one. */
import { randomUUID } from 'node:crypto'
import { Agent, request } from 'undici'
import type { Log } from '../../../shared/telemetry/log.ts'
import type { PingSource } from '../../objects.ts'
import { resolveDestination } from './destination.ts'

const EVERY_MINUTE = '* * * * *'

export interface PingOptions {
  sources: readonly PingSource[]
  /** `host:port` at which cluster names are answered, once that is known. */
  ingress: () => string
  /** Seconds that pass in one of Knative's. */
  timeScale: number
  log: Log
}

export interface PingSources {
  begin(): void
  close(): Promise<void>
}

/** @throws TypeError where a source needs what the stand-in cannot do */
export function createPingSources({ sources, ingress, timeScale, log }: PingOptions): PingSources {
  for (const { metadata, spec } of sources) {
    if (spec.schedule !== EVERY_MINUTE)
      throw new TypeError(
        `Cannot run PingSource "${metadata.name}": only "${EVERY_MINUTE}" is supported locally`,
      )
  }
  const agent = new Agent()
  let timer: NodeJS.Timeout | undefined

  const ping = async ({ metadata, spec }: PingSource): Promise<void> => {
    const url = resolveDestination(spec.sink, metadata.namespace)
    const answer = await request(`http://${ingress()}${url.pathname}`, {
      method: 'POST',
      headers: { ...headersOf(metadata), host: url.host },
      dispatcher: agent,
    })
    await answer.body.dump()
    if (answer.statusCode >= 300)
      log.warn({ source: metadata.name, status: answer.statusCode }, 'a ping failed')
  }
  const pingAll = () => {
    for (const source of sources)
      ping(source).catch((error: unknown) =>
        log.warn({ err: error, source: source.metadata.name }, 'a ping failed'),
      )
  }

  return {
    begin() {
      timer = setInterval(pingAll, 60_000 * timeScale)
    },
    async close() {
      clearInterval(timer)
      await agent.destroy()
    },
  }
}

function headersOf({ name, namespace }: PingSource['metadata']): Record<string, string> {
  return {
    'ce-specversion': '1.0',
    'ce-id': randomUUID(),
    'ce-type': 'dev.knative.sources.ping',
    'ce-source': `/apis/v1/namespaces/${namespace}/pingsources/${name}`,
    'ce-time': new Date().toISOString(),
  }
}
