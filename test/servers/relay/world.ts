/**
 * What the relay lives among: a database of its own in PostgreSQL, a NATS server of its own, a Broker that writes down
 * what it is sent, and as many relays as a test wants, in this process or in one that can be killed.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import { Events, type JetStreamManager, type NatsConnection } from 'nats'
import postgres, { type Sql } from 'postgres'
import { inject, test as base } from 'vitest'
import { openNats } from '../../../shared/nats/connect.ts'
import type { StreamName } from '../../../shared/nats/streams.ts'
import { agenteseSubject, eventSubject } from '../../../shared/nats/subjects.ts'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { startNats, type NatsOptions, type NatsServer } from '../../../knative/local/servers/nats.ts'
import { cacheFolder } from '../../../knative/local/servers/wheels.ts'
import { relay as contract } from '../../../knative/relay/component.ts'
import { createMetrics, type Metrics } from '../../../knative/relay/metrics.ts'
import { runRelay } from '../../../knative/relay/relay.ts'
import { readConfig } from '../../../shared/config.ts'
import { createEvent, deriveResultKey, type KgentsEvent } from '../../../shared/events/event.ts'
import type { JobMessage } from '../../../shared/inference/messages.ts'
import { newId } from '../../../shared/new-id.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { createDatabase, natsLogins } from '../servers.ts'

export const SIGNING_KEY = Buffer.alloc(32, 7).toString('base64url')
export const EVENT_TYPE = 'io.kgents.entropy.sipped'
export const PATH = 'void.entropy.sip'

const NODE = join(process.cwd(), 'node_modules', '.bin', 'node')
const MAIN = join(process.cwd(), 'knative', 'relay', 'main.ts')

/** A job as its caller wants it; of the world's own tenant unless another is named. */
export interface QueuedJob {
  tenant?: string
  estimate?: number
  priority?: number
  deadline?: Date
}

export interface RunningRelay {
  metrics: Metrics
  /** Value of a series as `/metrics` shows it; 0 where it is not there yet. */
  value(series: string): Promise<number>
  stop(): Promise<void>
}

export interface Delivery {
  headers: IncomingHttpHeaders
  body: string
}

/** A Broker that answers what it is told and keeps what it was sent. */
export interface FakeBroker {
  url: string
  deliveries: Delivery[]
  /** Status of the next answers. */
  answer: (delivery: Delivery) => number
  close(): Promise<void>
  /** Listens again where it listened before. */
  open(): Promise<void>
}

export class World {
  readonly tenant = newId()
  readonly #cleanups: (() => Promise<unknown>)[] = []
  readonly #natsOptions: NatsOptions
  readonly owner: Sql
  readonly ownerUrl: string
  readonly relayUrl: string
  readonly broker: FakeBroker
  nats: NatsServer
  /** As the relay's user: it may look into every stream. */
  nc: NatsConnection
  jsm: JetStreamManager

  private constructor(parts: WorldParts) {
    this.owner = parts.owner
    this.ownerUrl = parts.ownerUrl
    this.relayUrl = parts.relayUrl
    this.broker = parts.broker
    this.nats = parts.nats
    this.nc = parts.nc
    this.jsm = parts.jsm
    this.#natsOptions = parts.natsOptions
  }

  static async open(postgresUrls: PostgresUrls): Promise<World> {
    const { ownerUrl, relayUrl } = await createOwnDatabase(postgresUrls)
    const state = mkdtempSync(join(tmpdir(), 'kgents-relay-'))
    const [port, monitoringPort] = await findFreePorts(2)
    const cache = cacheFolder(process.env)
    const natsOptions = {
      state,
      port: port ?? 0,
      monitoringPort: monitoringPort ?? 0,
      ...natsLogins(),
      cache,
      env: process.env,
    }
    const nats = await startNats(natsOptions)
    const nc = await openNats(nats.urlOf('relay'), 'test', { inboxPrefix: '_INBOX_relay.test' })
    const world = new World({
      owner: postgres(ownerUrl, { max: 4, onnotice: () => {} }),
      ownerUrl,
      relayUrl,
      broker: await openBroker(),
      natsOptions,
      nats,
      nc,
      jsm: await nc.jetstreamManager(),
    })
    world.#cleanups.push(async () => rmSync(state, { recursive: true, force: true }))
    return world
  }

  /** Puts events into the outbox, each in a transaction of its own; resolves with their ids in that order. */
  async emits(count: number, sql: Pick<Sql, 'unsafe'> = this.owner): Promise<string[]> {
    const ids: string[] = []
    for (let n = 0; n < count; n += 1) ids.push(await this.emit(n, sql))
    return ids
  }

  async emit(
    n: number,
    sql: Pick<Sql, 'unsafe'> = this.owner,
    subjects = [eventSubject(this.tenant, EVENT_TYPE)],
  ): Promise<string> {
    const event = this.createEvent({ n })
    await this.insert(event.id, subjects, JSON.stringify(event), sql)
    return event.id
  }

  /** One statement, and so one transaction, for many events. */
  async emitsAtOnce(count: number): Promise<string[]> {
    const events = Array.from({ length: count }, (_, n) => this.createEvent({ n }))
    const subjects = (n: number) =>
      n % 2 === 0 ? agenteseSubject(this.tenant, PATH) : eventSubject(this.tenant, EVENT_TYPE)
    const rows = events.map((event, n) => ({
      id: event.id,
      tenant_id: this.tenant,
      subjects: [subjects(n)],
      event: JSON.stringify(event),
    }))
    await this.owner`insert into outbox ${this.owner(rows)}`
    return events.map((event) => event.id)
  }

  async insert(
    id: string,
    subjects: string[],
    event: string,
    sql: Pick<Sql, 'unsafe'> = this.owner,
  ): Promise<void> {
    await sql.unsafe('insert into outbox (id, tenant_id, subjects, event) values ($1, $2, $3, $4)', [
      id,
      this.tenant,
      subjects,
      event,
    ])
  }

  createEvent(data: unknown): KgentsEvent {
    const trace = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    return createEvent(
      {
        source: '/functions/void-entropy',
        type: EVENT_TYPE,
        tenant: this.tenant,
        subject: PATH,
        traceparent: trace,
        data,
      },
      SIGNING_KEY,
    )
  }

  /** Queues a job as a function does; resolves with its id. */
  async queuesJob(sql: Pick<Sql, 'unsafe'> = this.owner, options: QueuedJob = {}): Promise<string> {
    const [job = ''] = await this.queuesJobs(1, options, sql)
    return job
  }

  /** Queues jobs of a tenant in one statement; resolves with their ids in their order. */
  async queuesJobs(
    count: number,
    options: QueuedJob = {},
    sql: Pick<Sql, 'unsafe'> = this.owner,
  ): Promise<string[]> {
    const { tenant = this.tenant, estimate = 0, priority = 0, deadline } = options
    const rows = Array.from({ length: count }, () => {
      const job = newId()
      const message: JobMessage = {
        job,
        tenant,
        function: 'self-soul',
        path: 'self.soul.dialogue',
        request: { messages: [{ role: 'user', content: 'hi' }], maxTokens: 8, temperature: 0 },
        resultKey: deriveResultKey(SIGNING_KEY, tenant, job),
      }
      return { id: job, message: JSON.stringify(message) }
    })
    await sql.unsafe(
      `insert into jobs (id, tenant_id, function, path, call, message, estimate, priority, deadline)
       select (j->>'id')::uuid, $2, 'self-soul', 'self.soul.dialogue', '{}', j->>'message', $3, $4, $5
       from jsonb_array_elements($1::text::jsonb) with ordinality as rows (j, place) order by place`,
      [JSON.stringify(rows), tenant, estimate, priority, deadline?.toISOString() ?? null],
    )
    return rows.map(({ id }) => id)
  }

  /** Starts a relay in this process. */
  startRelay(settings: NodeJS.ProcessEnv = {}): RunningRelay {
    const metrics = createMetrics()
    const stopping = new AbortController()
    const config = readConfig(contract.env, { ...this.relaySettings(), ...settings })
    const log = createLog('relay', process.env['RELAY_TEST_LOG'] ?? 'silent')
    const running = runRelay(config, log, metrics, stopping.signal)
    const stop = async () => {
      stopping.abort()
      await running
    }
    this.#cleanups.push(stop)
    return { metrics, stop, value: async (series) => readValue(await metrics.render(), series) }
  }

  /** Starts a relay that can be killed; resolves when it listens. */
  async spawnRelay(settings: NodeJS.ProcessEnv = {}): Promise<ChildProcess & { port: number }> {
    const [port] = await findFreePorts(1)
    const env = { ...process.env, ...this.relaySettings(), PORT: String(port), ...settings }
    const child = spawn(NODE, [MAIN], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    this.#cleanups.push(() => endProcess(child, 'SIGKILL'))
    await once(child.stdout, 'data')
    child.stdout.resume()
    return Object.assign(child, { port: port ?? 0 })
  }

  relaySettings(): Record<string, string> {
    return {
      LOG_LEVEL: 'info',
      RELAY_DATABASE_URLS: this.relayUrl,
      NATS_URL: this.nats.urlOf('relay'),
      BROKER_URL: this.broker.url,
    }
  }

  /** Ids of the events that a stream holds, in its order. */
  async stored(stream: StreamName): Promise<string[]> {
    const ids: string[] = []
    const info = await this.jsm.streams.info(stream).catch(() => undefined)
    if (info === undefined || info.state.messages === 0) return ids
    const consumer = await this.nc.jetstream().consumers.get(stream, {})
    const messages = await consumer.fetch({ max_messages: info.state.messages, expires: 5000 })
    for await (const message of messages) {
      ids.push(message.headers?.get('ce-id') || message.headers?.get('Nats-Msg-Id') || '')
    }
    await consumer.delete()
    return ids
  }

  /** Messages in a stream; 0 while there is no stream. */
  async count(stream: StreamName): Promise<number> {
    const info = await this.jsm.streams.info(stream).catch(() => undefined)
    return info?.state.messages ?? 0
  }

  async unpublished(): Promise<number> {
    const [row] = await this.owner<{ count: number }[]>`
      select count(*)::int as count from outbox where published_at is null`
    return row?.count ?? 0
  }

  async killNats(): Promise<void> {
    await this.nats.kill()
  }

  /** Starts NATS where it was; `empty` forgets everything that it kept. */
  async startNatsAgain({ empty = false } = {}): Promise<void> {
    if (empty) rmSync(join(this.#natsOptions.state, 'nats', 'store'), { recursive: true, force: true })
    const reconnected = this.#untilReconnected()
    this.nats = await startNats(this.#natsOptions)
    await reconnected
  }

  async #untilReconnected(): Promise<void> {
    for await (const status of this.nc.status()) if (status.type === Events.Reconnect) return
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.slice(1).toReversed()) await cleanup()
    await this.nc.close()
    await this.nats.stop()
    await this.broker.close()
    await this.owner.end({ timeout: 5 }) // a test that failed may have left a transaction open
    await this.#cleanups[0]?.()
  }
}

/** How to reach one server, as its owner and as the relay. */
export interface PostgresUrls {
  owner: string
  relay: string
}

interface WorldParts {
  owner: Sql
  ownerUrl: string
  relayUrl: string
  broker: FakeBroker
  natsOptions: NatsOptions
  nats: NatsServer
  nc: NatsConnection
  jsm: JetStreamManager
}

/** A migrated database with a name that nobody else uses. */
async function createOwnDatabase({
  owner,
  relay,
}: PostgresUrls): Promise<{ ownerUrl: string; relayUrl: string }> {
  const name = `relay_${newId().replaceAll('-', '')}`
  await createDatabase(owner, name)
  const inDatabase = (url: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href
  return { ownerUrl: inDatabase(owner), relayUrl: inDatabase(relay) }
}

async function openBroker(): Promise<FakeBroker> {
  const deliveries: Delivery[] = []
  let server: Server | undefined
  let port = 0
  const broker: FakeBroker = {
    url: '',
    deliveries,
    answer: () => 202,
    async open() {
      server = createServer((request, response) => {
        const chunks: Buffer[] = []
        request.on('data', (chunk: Buffer) => chunks.push(chunk))
        request.on('end', () => {
          const delivery = { headers: request.headers, body: Buffer.concat(chunks).toString() }
          deliveries.push(delivery)
          response.writeHead(broker.answer(delivery)).end()
        })
      })
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
      port = (server.address() as AddressInfo).port
      broker.url = `http://127.0.0.1:${port}/`
    },
    async close() {
      server?.closeAllConnections()
      await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)))
      server = undefined
    },
  }
  await broker.open()
  return broker
}

export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}

/** `name` or `name{label="value"}`. */
function readValue(rendered: string, series: string): number {
  const line = rendered
    .split('\n')
    .find((line) => line.startsWith(`${series} `) || line.startsWith(`${series}{`))
  return Number(line?.split(' ').at(-1) ?? 0)
}

/** One database, one NATS and one Broker for each test, on the PostgreSQL that all tests share. */
export const test = base
  .extend('postgres', () => inject('servers').postgres)
  .extend('world', async ({ postgres }, { onCleanup }) => {
    const world = await World.open(postgres)
    onCleanup(() => world.close())
    return world
  })
