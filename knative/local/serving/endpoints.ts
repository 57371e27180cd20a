/**
 * Reports to callers in other processes which pods they may go to without the activator, and takes back how busy they made
 * them: what Knative's ingress knows from Endpoints, and its queue-proxies report.
 *
 * `GET /endpoints` is a stream of server-sent events, each the whole truth: `{"reportMilliseconds": 250, "functions":
 * {"void-entropy": ["127.0.0.1:20001"]}}`. A function that is not in it is reached through the activator. A caller
 * that goes straight to pods posts to `/concurrency`, every `reportMilliseconds`, the requests that it had in flight
 * on average since: `{"void-entropy": 3.5}`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { Failure } from '../../../shared/failures.ts'
import { answerFailure } from '../answer.ts'
import type { Revision } from './revision.ts'

export interface Endpoints {
  /** Sends what changed, if anything did. */
  publish(): void
  stream(request: IncomingMessage, response: ServerResponse): void
  takeConcurrency(request: IncomingMessage, response: ServerResponse): Promise<void>
  close(): void
}

const Concurrency = z.record(z.string(), z.number().min(0))

export function createEndpoints(
  revisions: ReadonlyMap<string, Revision>,
  reportMilliseconds: number,
): Endpoints {
  const listeners = new Set<ServerResponse>()
  let latest = describe()

  function describe(): string {
    const functions: Record<string, string[]> = {}
    for (const [name, { endpoints }] of revisions) if (endpoints.length > 0) functions[name] = endpoints
    return `data: ${JSON.stringify({ reportMilliseconds, functions })}\n\n`
  }

  return {
    publish() {
      const now = describe()
      if (now === latest) return
      latest = now
      for (const listener of listeners) listener.write(latest)
    },
    stream(_request, response) {
      response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
      response.write(latest)
      listeners.add(response)
      response.once('close', () => listeners.delete(response))
    },
    async takeConcurrency(request, response) {
      try {
        const report = Concurrency.parse(JSON.parse(await readText(request)))
        for (const [name, concurrency] of Object.entries(report))
          revisions.get(name)?.addConcurrency(concurrency)
        response.writeHead(204).end()
      } catch {
        answerFailure(request, response, new Failure('BODY_SYNTAX', 'Cannot read the concurrency report'))
      }
    },
    close() {
      for (const listener of listeners) listener.end()
    },
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk)
  return text
}
