/**
 * Stream hubs on a real NATS, with one HTTP server that plays the functions, and the worker and the relay in the
 * hands of the test.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { NatsConnection } from 'nats'
import { inject, test as base } from 'vitest'
import { inboxPrefixOf, openNats } from '../../../shared/nats/connect.ts'
import { ensureStreams } from '../../../shared/nats/ensure-streams.ts'
import { toNats } from '../../../shared/nats/event-message.ts'
import { tokensSubject } from '../../../shared/nats/subjects.ts'
import type { RoutedFunction } from '../../../gateway/kong/routes.ts'
import { createCallerReader } from '../../../gateway/stream-hub/callers.ts'
import { createFunctions } from '../../../gateway/stream-hub/functions.ts'
import { createHub, type Hub } from '../../../gateway/stream-hub/hub.ts'
import { openNatsLink } from '../../../shared/nats/link.ts'
import { createTokenLogs } from '../../../gateway/stream-hub/token-logs.ts'
import { createResolver } from '../../../gateway/upstream/addresses.ts'
import { createEvent } from '../../../shared/events/event.ts'
import { createVerifier } from '../../../shared/identity/tokens.ts'
import type { TokenMessage } from '../../../shared/inference/messages.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { readMessages } from '../../read-messages.ts'
import { listen, makeToken, publicKeys } from './local-world.ts'

export const DIALOGUE = '/v1/agentese/self/soul/dialogue'
const PATH = 'self.soul.dialogue'
const EVENT_KEY = Buffer.from('a platform key of thirty-2 bytes').toString('base64url')

const catalog: RoutedFunction[] = [
  {
    name: 'self-soul',
    scale: { timeoutSeconds: 60 },
    node: 'self.soul',
    endpoints: [{ name: PATH, method: 'POST', path: DIALOGUE, auth: 'required', streams: true }],
  },
  {
    name: 'jobs',
    scale: { timeoutSeconds: 60 },
    endpoints: [{ name: 'jobs.get', method: 'GET', path: '/v1/jobs/:id', auth: 'required', streams: false }],
  },
]

interface Row {
  tenant: string
  job: Record<string, unknown>
}

export interface Tenant {
  id: string
  token: string
  apiKey: string
}

/** One running hub. */
export interface RunningHub {
  url: string
  hub: Hub
  logs: { connected: boolean }
}

export class HubWorld {
  /** As the relay, which may publish anything. */
  readonly nc: NatsConnection
  readonly #hubUrl: string
  readonly rows = new Map<string, Row>()
  readonly tenants: Tenant[] = []
  /** Requests to functions: host and path. */
  readonly calls: string[] = []
  /** The last request to a function. */
  lastHeaders: IncomingMessage['headers'] = {}
  /** What the dialogue answers instead of a job. */
  instead: { status: number; headers: Record<string, string>; body: string } | undefined
  #ingress = ''
  readonly #functions = createServer((request, response) => this.#answer(request, response))
  readonly #closers: (() => Promise<unknown>)[] = []

  constructor(nc: NatsConnection, hubUrl: string) {
    this.nc = nc
    this.#hubUrl = hubUrl
  }

  async start(): Promise<void> {
    this.#ingress = await listen(this.#functions)
    await ensureStreams(this.nc)
  }

  async tenant(): Promise<Tenant> {
    const id = randomUUID()
    const tenant = {
      id,
      token: await makeToken({ tenant_id: id, org_id: id }),
      apiKey: `kg_abcde_${randomUUID()}`,
    }
    this.tenants.push(tenant)
    return tenant
  }

  /** Starts a hub; several share nothing but NATS. */
  async openHub(heartbeatMs = 15_000): Promise<RunningHub> {
    const log = createLog('hub', 'silent')
    const link = openNatsLink(this.#hubUrl, 'stream-hub')
    const functions = createFunctions(createResolver({ CLUSTER_INGRESS: this.#ingress }))
    const verify = createVerifier({
      keys: publicKeys,
      issuer: 'https://issuer.test',
      audience: 'https://api.test',
    })
    const logs = createTokenLogs(link, log)
    const readCaller = createCallerReader(verify, functions)
    const hub = createHub({ catalog, functions, logs, readCaller, link, log, heartbeatMs })
    const address = await listen(hub.server)
    this.#closers.push(async () => {
      await hub.drain()
      await functions.close()
      await link.close()
    })
    return { url: `http://${address}`, hub, logs }
  }

  /** A job of `tenant`, as its row says. */
  addJob(tenant: Tenant, job: string = randomUUID(), facts: Record<string, unknown> = {}): string {
    this.rows.set(job, { tenant: tenant.id, job: { id: job, status: 'queued', path: PATH, ...facts } })
    return job
  }

  /** As a worker writes. */
  write(tenant: Tenant, job: string, ...messages: TokenMessage[]): void {
    for (const message of messages) this.nc.publish(tokensSubject(tenant.id, job), JSON.stringify(message))
  }

  /** As the relay closes a log when the job has ended. */
  async close(
    tenant: Tenant,
    job: string,
    data: { status: string } & Record<string, unknown>,
  ): Promise<void> {
    const type = `io.kgents.job.${data.status}`
    const event = createEvent(
      {
        source: '/functions/self-soul',
        type,
        tenant: tenant.id,
        subject: job,
        data: { job, path: PATH, ...data },
      },
      EVENT_KEY,
    )
    const { headers, payload } = toNats(event)
    await this.nc.jetstream().publish(tokensSubject(tenant.id, job), payload, { headers })
  }

  /** Consumers that are open on logs of this tenant. */
  async consumers({ id }: Tenant): Promise<number> {
    const jsm = await this.nc.jetstreamManager()
    let count = 0
    for await (const { config } of jsm.consumers.list('TOKENS')) {
      if (config.filter_subject?.startsWith(`tokens.${id}.`)) count++
    }
    return count
  }

  /** Ends the server that plays the functions. */
  async stopFunctions(): Promise<void> {
    const closed = new Promise((resolve) => this.#functions.close(resolve))
    this.#functions.closeAllConnections()
    await closed
  }

  async stop(): Promise<void> {
    for (const close of this.#closers) await close()
    await this.stopFunctions()
    await this.nc.close()
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = '', headers } = request
    const name = headers.host?.split('.')[0] ?? ''
    this.calls.push(`${name} ${method} ${url}`)
    this.lastHeaders = headers
    request.resume()
    const json = (status: number, body: unknown, more: Record<string, string> = {}) =>
      void response
        .writeHead(status, { 'content-type': 'application/json', ...more })
        .end(JSON.stringify(body))
    const caller = this.tenants.find(
      ({ token, apiKey }) => headers.authorization === `Bearer ${token}` || headers['x-api-key'] === apiKey,
    )
    if (caller === undefined) return json(401, { code: 'CREDENTIALS_INVALID' })
    if (name === 'issue-token') {
      return json(200, { access_token: caller.token, token_type: 'Bearer', expires_in: 900 })
    }
    if (name === 'jobs') {
      const row = this.rows.get(/^\/v1\/jobs\/([^/?]+)/.exec(url)?.[1] ?? '')
      if (row?.tenant !== caller.id) return json(404, { code: 'NOT_FOUND' })
      return json(200, { job: row.job, links: {} })
    }
    if (this.instead !== undefined) {
      response.writeHead(this.instead.status, this.instead.headers).end(this.instead.body)
      return
    }
    const job = this.addJob(caller)
    const self = `/v1/jobs/${job}`
    json(
      202,
      { job: { id: job, status: 'queued' }, links: { self, stream: `${self}/stream` } },
      {
        location: self,
        'ratelimit-limit': '5',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      },
    )
  }
}

export const test = base.extend<{ world: HubWorld }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  world: async ({}, use) => {
    const { nats } = inject('servers')
    const world = new HubWorld(
      await openNats(nats.relay, 'test', { inboxPrefix: inboxPrefixOf('relay') }),
      nats.hub,
    )
    await world.start()
    await use(world)
    await world.stop()
  },
})

/** One server-sent event as a client reads it; comments are events named `comment`. */
export interface ReadEvent {
  event: string
  /** A number but for the last. */
  id?: number | string
  data: Record<string, unknown>
}

/** Reads a stream of events to its end, or until the caller stops. */
export async function* readEvents(response: Response): AsyncGenerator<ReadEvent> {
  for await (const { event = 'message', id, data } of readMessages(response)) {
    yield {
      event,
      ...(id === undefined ? {} : { id: /^\d+$/.test(id) ? Number(id) : id }),
      data: JSON.parse(data) as Record<string, unknown>,
    }
  }
}

/** All events to the end of the stream. */
export function allEvents(response: Response): Promise<ReadEvent[]> {
  return Array.fromAsync(readEvents(response))
}
