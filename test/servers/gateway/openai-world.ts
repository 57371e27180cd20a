/**
 * A stream hub in front of all functions, on a real NATS and a real database. The relay is played, and so is the worker: the
 * test says what the model answers, and when it goes on.
 */
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { NatsConnection } from 'nats'
import OpenAI from 'openai'
import postgres from 'postgres'
import { inject, test as base } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { createCallerReader } from '../../../gateway/stream-hub/callers.ts'
import { createFunctions } from '../../../gateway/stream-hub/functions.ts'
import { createHub } from '../../../gateway/stream-hub/hub.ts'
import { createTokenLogs } from '../../../gateway/stream-hub/token-logs.ts'
import { createResolver } from '../../../gateway/upstream/addresses.ts'
import { createEvent, deriveResultKey, type KgentsEvent } from '../../../shared/events/event.ts'
import type { ChatRequest, Completion, JobMessage, TokenMessage } from '../../../shared/inference/messages.ts'
import { inboxPrefixOf, openNats } from '../../../shared/nats/connect.ts'
import { ensureStreams } from '../../../shared/nats/ensure-streams.ts'
import { toNats } from '../../../shared/nats/event-message.ts'
import { openNatsLink } from '../../../shared/nats/link.ts'
import { tokensSubject } from '../../../shared/nats/subjects.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { until } from '../../eventually.ts'
import { insertTenant, openFunctions, type OpenFunctions } from '../functions/in-process.ts'
import { listen } from './local-world.ts'

/** What the model does about a job: says pieces, waits for what the test wants, and ends. */
export type Model = (
  message: JobMessage,
  say: (...pieces: string[]) => void,
) => Promise<Partial<Completion> | Error> | Partial<Completion> | Error

export interface Caller {
  id: string
  user: string
  key: string
  /** The official client of this tenant. */
  client: OpenAI
}

/** What a chat model was sent. */
export function requestOf({ request }: JobMessage): ChatRequest {
  if ('texts' in request) throw new TypeError('This is a request for vectors')
  return request
}

export class OpenAiWorld {
  readonly #owner = postgres(inject('servers').postgres.owner, { max: 2, onnotice: () => {} })
  readonly #eventKey = Buffer.alloc(32, 5).toString('base64url')
  readonly #closers: (() => Promise<unknown>)[] = []
  readonly #tenants: string[] = []
  #functions: OpenFunctions | undefined
  #nc: NatsConnection | undefined
  #running = true
  url = ''
  model: Model = () => ({ text: 'Hello' })
  /** Jobs that the model was asked, in their order. */
  readonly asked: JobMessage[] = []

  /** The last of them. */
  get last(): JobMessage {
    const last = this.asked.at(-1)
    if (last === undefined) throw new Error('The model was not asked')
    return last
  }

  get owner(): postgres.Sql {
    return this.#owner
  }

  async start(): Promise<void> {
    const { nats, postgres: urls } = inject('servers')
    const opened = await openFunctions({
      functions: catalog,
      databaseUrl: urls.app,
      eventKey: this.#eventKey,
    })
    this.#functions = opened
    const server = createServer(getRequestListener(opened.app.fetch))
    const ingress = await listen(server)
    this.#nc = await openNats(nats.relay, 'test', { inboxPrefix: inboxPrefixOf('relay') })
    await ensureStreams(this.#nc)
    const log = createLog('hub', process.env['HUB_TEST_LOG'] ?? 'silent')
    const link = openNatsLink(nats.hub, 'stream-hub')
    const functions = createFunctions(createResolver({ CLUSTER_INGRESS: ingress }))
    const logs = createTokenLogs(link, log)
    const readCaller = createCallerReader((token) => opened.runtime.verifyToken(token), functions)
    const hub = createHub({ catalog, functions, logs, readCaller, link, log })
    this.url = `http://${await listen(hub.server)}`
    const relayed = this.#relay()
    this.#closers.push(
      async () => {
        this.#running = false
        await relayed
      },
      () => hub.drain(),
      () => functions.close(),
      () => link.close(),
      async () => server.close(),
      () => opened.close(),
      () => this.#owner.end(),
      async () => this.#nc?.close(),
    )
  }

  async caller(tier = 'enterprise'): Promise<Caller> {
    const { id, user, key } = await insertTenant(this.#owner, tier, ['developer'])
    this.#tenants.push(id)
    const client = new OpenAI({ apiKey: key, baseURL: `${this.url}/v1`, maxRetries: 0 })
    return { id, user, key, client }
  }

  /** The row of a job, as soon as it has that status. */
  async jobWith(status: string, job: string) {
    return until(async () => {
      const [row] = await this.#owner<
        { id: string; status: string; charges: Record<string, number> | null }[]
      >`
        select id, status, charges from jobs where id = ${job} and status = ${status}`
      return row
    })
  }

  /** Deletes the log of a job, as time does. */
  async loseLog({ id }: Pick<Caller, 'id'>, job: string): Promise<void> {
    const manager = await this.#nc?.jetstreamManager()
    await manager?.streams.purge('TOKENS', { filter: tokensSubject(id, job) })
  }

  async stop(): Promise<void> {
    for (const close of this.#closers) await close()
  }

  /** Publishes and delivers what calls have written. */
  async #relay(): Promise<void> {
    while (this.#running) {
      const rows = await this.#owner<{ subjects: string[]; event: string }[]>`
        with next as (
          update outbox set published_at = now() where tenant_id = any (${this.#tenants}) and published_at is null
          returning seq, subjects, event
        ) select subjects, event from next order by seq`
      for (const { subjects, event } of rows) {
        const read = JSON.parse(event) as KgentsEvent
        await this.#publish(subjects, read)
        if (read.type === 'io.kgents.inference.requested') void this.#ask(read)
        else await this.#deliver(read)
      }
      if (rows.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async #publish(subjects: readonly string[], event: KgentsEvent): Promise<void> {
    const { headers, payload } = toNats(event)
    for (const subject of subjects.filter((each) => each.startsWith('tokens.')))
      await this.#nc?.jetstream().publish(subject, payload, { headers })
  }

  async #deliver(event: KgentsEvent): Promise<void> {
    const headers = { 'content-type': 'application/cloudevents+json' }
    await this.#functions?.app.request('/events', { method: 'POST', headers, body: JSON.stringify(event) })
  }

  /** As a worker does: the tokens first, then the result. */
  async #ask({ tenantid, data }: KgentsEvent): Promise<void> {
    const { job } = data as { job: string }
    const [row] = await this.#owner<{ message: string | null }[]>`select message from jobs where id = ${job}`
    if (row?.message == null) return
    const message = JSON.parse(row.message) as JobMessage
    this.asked.push(message)
    let index = 0
    const write = (token: TokenMessage) =>
      this.#nc?.publish(tokensSubject(tenantid, job), JSON.stringify(token))
    write({ kind: 'started', index: index++, attempt: 1 })
    let text = ''
    const say = (...pieces: string[]) => {
      for (const piece of pieces) {
        text += piece
        write({ kind: 'chunk', index, attempt: 1, text: piece, tokens: index++ })
      }
    }
    const answer = await this.model(message, say)
    await this.#nc?.flush()
    const facts = {
      text,
      tokens: { prompt: 5, completion: 7 },
      engine: 'test',
      model: 'test',
      durationSeconds: 0,
    }
    const failed = answer instanceof Error
    const result = failed ? { reason: answer.message, code: 'INFERENCE_REFUSED' } : { ...facts, ...answer }
    const source = '/gpu-workers'
    const type = `io.kgents.inference.${failed ? 'failed' : 'completed'}` as const
    const event = {
      source,
      type,
      tenant: tenantid,
      subject: job,
      function: message.function,
      data: { job, attempt: 1, ...result },
    }
    await this.#deliver(createEvent(event, deriveResultKey(this.#eventKey, tenantid, job)))
  }
}

export const test = base.extend<{ world: OpenAiWorld; acme: Caller }>({
  world: [
    // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
    async ({}, use) => {
      const world = new OpenAiWorld()
      await world.start()
      await use(world)
      await world.stop()
    },
    { scope: 'file' },
  ],
  acme: async ({ world }, use) => use(await world.caller()),
})
