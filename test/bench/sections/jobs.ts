/** Jobs that do nothing, through our queue and through others, on the same PostgreSQL and Valkey. */
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { PgBoss } from 'pg-boss'
import postgres from 'postgres'
import type { Engine } from '../../../gpu-workers/engines/engine.ts'
import { createMetrics as createWorkerMetrics } from '../../../gpu-workers/metrics.ts'
import { openWorker } from '../../../gpu-workers/worker.ts'
import { relay as contract } from '../../../knative/relay/component.ts'
import { createMetrics } from '../../../knative/relay/metrics.ts'
import { runRelay } from '../../../knative/relay/relay.ts'
import { readConfig } from '../../../shared/config.ts'
import { deriveResultKey } from '../../../shared/events/event.ts'
import { openNatsLink } from '../../../shared/nats/link.ts'
import { newId } from '../../../shared/new-id.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import {
  makeStateFolder,
  startMigratedPostgres,
  startTestNats,
  startTestRedis,
} from '../../servers/servers.ts'
import { inTurn, ratio, show, type Bench, type Findings, type Section } from '../section.ts'
import { median, medianRatio } from '../statistics.ts'

/** Jobs at once in a worker, and callers that queue one job after the other. */
const SLOTS = 32
const CALLERS = 32
/** So that neither a cold process nor the first poll of a queue counts. */
const WARM_UP = 300
const OURS = 'kgents'
const NAMES = [OURS, 'pg-boss', 'bullmq'] as const
type Name = (typeof NAMES)[number]

/** Queues one job, which `done` is called for when it has ended. */
interface Candidate {
  queue(): Promise<unknown>
  close(): Promise<void>
}
type Open = (done: () => void) => Promise<Candidate>

export const jobs: Section = { name: 'jobs', title: 'Jobs that do nothing', run }

async function run({ quick, say }: Bench): Promise<Findings> {
  const { state, remove } = await makeStateFolder()
  say('starting PostgreSQL, NATS and Valkey')
  const database = await startMigratedPostgres(state)
  const [nats, redis] = [await startTestNats(state), await startTestRedis(state)]
  const open: Record<Name, Open> = {
    kgents: (done) => openOurs({ database: database.urls, nats, done }),
    'pg-boss': (done) => openPgBoss(database.urls.owner, done),
    bullmq: (done) => openBullMq(redis.url, done),
  }
  try {
    const count = quick ? 2000 : 10_000
    const results = await inTurn(NAMES, quick ? 1 : 5, (name, round) => {
      say(`${name}, round ${round + 1}`)
      return measure(open[name as Name], count) // reason: of NAMES
    })
    return toFindings(results, count)
  } finally {
    for (const server of [nats, redis, database]) await server.stop()
    await remove()
  }
}

/** Jobs in a second, from the first that is queued to the end of the last; the first hundreds are not counted. */
async function measure(open: Open, count: number): Promise<number> {
  let left = WARM_UP
  let ended = Promise.withResolvers<void>()
  const candidate = await open(() => {
    left -= 1
    if (left === 0) ended.resolve()
  })
  const queueAll = async (total: number) => {
    let unqueued = total
    const caller = async () => {
      while ((unqueued -= 1) >= 0) await candidate.queue()
    }
    await Promise.all(Array.from({ length: CALLERS }, caller))
  }
  await queueAll(WARM_UP)
  await ended.promise
  left = count
  ended = Promise.withResolvers()
  const began = performance.now()
  await queueAll(count)
  await ended.promise
  const seconds = (performance.now() - began) / 1000
  await candidate.close()
  return count / seconds
}

interface Ours {
  database: { owner: string; relay: string }
  nats: { urlOf(user: string): string }
  done: () => void
}

/** Row, relay, NATS and worker with their guarantees: a job has ended when its result is stored and it is acknowledged. */
async function openOurs({ database, nats, done }: Ours): Promise<Candidate> {
  const sql = postgres(database.owner, { max: CALLERS, onnotice: () => {} })
  const stop = new AbortController()
  const config = readConfig(contract.env, {
    RELAY_DATABASE_URLS: database.relay,
    NATS_URL: nats.urlOf('relay'),
    BROKER_URL: 'http://127.0.0.1:9',
    BROKER_SUBJECTS: 'events.none',
  })
  const running = runRelay(config, createLog('relay', 'silent'), createMetrics(), stop.signal)
  const link = openNatsLink(nats.urlOf('gpu-worker'), 'gpu-worker')
  await link.ready()
  const log = createLog('gpu-worker', 'silent')
  const metrics = createWorkerMetrics()
  const settings = { ackWaitSeconds: 15, drainSeconds: 1, stallSeconds: 60 }
  const counted = { ...metrics, end: (outcome: string) => (metrics.end(outcome), done()) }
  const worker = openWorker({ link, engine: noWork, log, metrics: counted }, settings)
  const tenant = newId()
  return {
    async queue() {
      const job = newId()
      const message = {
        job,
        tenant,
        function: 'self-soul',
        path: 'self.soul.dialogue',
        request: { messages: [{ role: 'user', content: 'hi' }], maxTokens: 8, temperature: 0 },
        resultKey: deriveResultKey(Buffer.alloc(32, 7).toString('base64url'), tenant, job),
      }
      await sql`
        insert into jobs (id, tenant_id, function, path, call, message, estimate)
        values (${job}, ${tenant}, 'self-soul', 'self.soul.dialogue', '{}', ${JSON.stringify(message)}, 8)`
    },
    async close() {
      await worker.close()
      await link.close()
      stop.abort()
      await running
      await sql`delete from jobs`
      await sql.end()
    },
  }
}

const noWork: Engine = {
  name: 'none',
  model: 'none',
  concurrency: SLOTS,
  async *generate() {
    yield { kind: 'end', reason: 'stop', usage: { prompt: 0, completion: 0 }, model: 'none' }
  },
  embed: async () => ({ vectors: [], tokens: 0, model: 'none' }),
  close: async () => {},
}

/** As fast as its options make it: it fetches on while batches are full. With NOTIFY it is slower, as every commit waits for it. */
async function openPgBoss(connectionString: string, done: () => void): Promise<Candidate> {
  const boss = new PgBoss({ connectionString, max: CALLERS })
  await boss.start()
  await boss.createQueue('none')
  const settings = { batchSize: SLOTS, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true }
  await boss.work('none', settings, async (batch) => {
    for (const _job of batch) done()
  })
  return { queue: () => boss.send('none', {}), close: () => boss.stop({ graceful: true }) }
}

/** Valkey appends its jobs to a file, which it syncs each second; PostgreSQL syncs each commit, and NATS its files more seldom. */
async function openBullMq(url: string, done: () => void): Promise<Candidate> {
  const { hostname: host, port, password } = new URL(url)
  const connection = { host, port: Number(port), password: decodeURIComponent(password) }
  const queue = new Queue('none', { connection })
  const redis = new Redis(connection)
  await redis.config('SET', 'appendonly', 'yes')
  await redis.quit()
  const worker = new Worker('none', async () => {}, { connection, concurrency: SLOTS })
  worker.on('completed', done)
  await worker.waitUntilReady()
  return {
    queue: () => queue.add('none', {}),
    async close() {
      await worker.close()
      await queue.close()
    },
  }
}

function toFindings(results: Record<string, number[]>, count: number): Findings {
  const of = (name: Name) => results[name] ?? []
  const rate = median(of(OURS))
  const overPgBoss = medianRatio(of(OURS), of('pg-boss'))
  return {
    method: `${count} jobs a round, queued one by one by ${CALLERS} callers at once, ${SLOTS} slots in one worker; caller, queue and worker share a process. Ours ends with the result stored and acknowledged, and its function is not called. pg-boss takes batches of ${SLOTS} and fetches on while they are full; Valkey keeps an append-only file.`,
    table: {
      columns: ['queue', 'jobs/s', 'ours over it'],
      rows: NAMES.map((name) => [name, show(median(of(name))), ratio(medianRatio(of(OURS), of(name)))]),
    },
    targets: [
      { what: 'jobs/s', wanted: '>= 500', measured: show(rate), met: rate >= 500 },
      { what: 'jobs/s over pg-boss', wanted: '>= 1.5x', measured: ratio(overPgBoss), met: overPgBoss >= 1.5 },
    ],
  }
}
