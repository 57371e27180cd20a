/**
 * What a worker costs over the engine alone: until the first token, and while several answers are generated at once. Both run
 * the same model in this process, in turn; the worker takes its jobs from a real NATS server.
 */
import { randomUUID } from 'node:crypto'
import type { NatsConnection } from 'nats'
import type { Engine } from '../../../gpu-workers/engines/engine.ts'
import { openLlamaCpp } from '../../../gpu-workers/engines/llama-cpp.ts'
import { createMetrics } from '../../../gpu-workers/metrics.ts'
import { openWorker } from '../../../gpu-workers/worker.ts'
import { findDefaultModel } from '../../../knative/local/servers/model.ts'
import { startNats } from '../../../knative/local/servers/nats.ts'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { cacheFolder } from '../../../knative/local/servers/wheels.ts'
import { deriveResultKey } from '../../../shared/events/event.ts'
import { TokenMessage, type JobMessage } from '../../../shared/inference/messages.ts'
import { inboxPrefixOf, openNats } from '../../../shared/nats/connect.ts'
import { ensureStreams } from '../../../shared/nats/ensure-streams.ts'
import { openNatsLink } from '../../../shared/nats/link.ts'
import { inferenceSubject, tokensSubject } from '../../../shared/nats/subjects.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { makeStateFolder, natsLogins } from '../../servers/servers.ts'
import { show, type Bench, type Findings, type Section } from '../section.ts'
import { median } from '../statistics.ts'

const AT_ONCE = [1, 8, 32]
const SLOTS = 32
const CONTEXT_TOKENS = 256
const KEY = Buffer.from('a platform key of thirty-2 bytes').toString('base64url')
const MAX_FIRST_TOKEN_MS = 5
const MIN_SHARE = 0.98

/** One answer: milliseconds until its first token, when it ended, and how many tokens it had. */
interface Answer {
  firstMs: number
  tokens: number
}

/** Several answers at once. */
interface Batch {
  firstMs: number
  tokensPerSecond: number
}

type Ask = (at: number) => Promise<Answer>

export const pool: Section = { name: 'pool', title: 'A worker over its engine', run }

async function run({ quick, say }: Bench): Promise<Findings> {
  const cache = cacheFolder(process.env)
  const model = await findDefaultModel({ cache, env: process.env, report: say })
  if (!('path' in model)) throw new Error(`Cannot measure workers: ${model.reason}`)
  const engine = await openLlamaCpp({
    modelPath: model.path,
    concurrency: SLOTS,
    contextTokens: CONTEXT_TOKENS,
  })
  const { state, remove } = await makeStateFolder()
  const [port = 0, monitoringPort = 0] = await findFreePorts(2)
  const nats = await startNats({ state, port, monitoringPort, ...natsLogins(), env: process.env, cache })
  const nc = await openNats(nats.urlOf('relay'), 'bench', { inboxPrefix: inboxPrefixOf('relay') })
  await ensureStreams(nc, { ackWaitSeconds: 15 })
  const hub = await openNats(nats.urlOf('stream-hub'), 'bench', { inboxPrefix: inboxPrefixOf('stream-hub') })
  const link = openNatsLink(nats.urlOf('gpu-worker'), 'gpu-worker')
  await link.ready()
  const worker = openWorker(
    { link, engine, log: createLog('bench', 'silent'), metrics: createMetrics() },
    { ackWaitSeconds: 15, drainSeconds: 0, stallSeconds: 120 },
  )
  try {
    const asks = { alone: alone(engine, quick), worker: throughWorker(nc, hub, quick) }
    await batchOf(asks.worker, 1)
    return await compare(asks, quick ? 2 : 7, say)
  } finally {
    await worker.close()
    await link.close()
    await Promise.all([nc.close(), hub.close()])
    await nats.stop()
    await engine.close()
    await remove()
  }
}

async function compare(
  asks: { alone: Ask; worker: Ask },
  rounds: number,
  say: Bench['say'],
): Promise<Findings> {
  const rows: { atOnce: number; alone: Batch; worker: Batch }[] = []
  for (const atOnce of AT_ONCE) {
    const batches = { alone: [] as Batch[], worker: [] as Batch[] }
    for (let round = 1; round <= rounds; round++) {
      say(`${atOnce} at once, round ${round} of ${rounds}`)
      for (const name of round % 2 === 0 ? (['alone', 'worker'] as const) : (['worker', 'alone'] as const))
        batches[name].push(await batchOf(asks[name], atOnce))
    }
    rows.push({ atOnce, alone: middle(batches.alone), worker: middle(batches.worker) })
  }
  return toFindings(rows, rounds)
}

function middle(batches: readonly Batch[]): Batch {
  return {
    firstMs: median(batches.map(({ firstMs }) => firstMs)),
    tokensPerSecond: median(batches.map(({ tokensPerSecond }) => tokensPerSecond)),
  }
}

async function batchOf(ask: Ask, atOnce: number): Promise<Batch> {
  const begunAt = performance.now()
  const answers = await Promise.all(Array.from({ length: atOnce }, (_, at) => ask(at)))
  const seconds = (performance.now() - begunAt) / 1000
  const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0)
  return { firstMs: median(answers.map(({ firstMs }) => firstMs)), tokensPerSecond: tokens / seconds }
}

/** Each of them reads the same number of tokens, and none of them what another has read. */
function requestOf(at: number, quick: boolean) {
  const content = `${at % 10}: tell a long story about a house by the sea`
  return {
    messages: [{ role: 'user' as const, content }],
    maxTokens: quick ? 12 : 48,
    // The same words each time: none of these answers ends before its limit.
    temperature: 0,
  }
}

function alone(engine: Engine, quick: boolean): Ask {
  return async (at) => {
    const begunAt = performance.now()
    let firstMs = Number.NaN
    for await (const output of engine.generate(requestOf(at, quick), {
      signal: new AbortController().signal,
    })) {
      if (output.kind === 'chunk' && Number.isNaN(firstMs)) firstMs = performance.now() - begunAt
      if (output.kind === 'end') return { firstMs, tokens: output.usage.completion }
    }
    throw new Error('Cannot measure: the engine ended without an end')
  }
}

/** Ends with the last token, as the engine alone does: what is stored afterwards holds up no other answer. */
function throughWorker(nc: NatsConnection, hub: NatsConnection, quick: boolean): Ask {
  return async (at) => {
    const message = jobOf(at, quick)
    const { maxTokens } = requestOf(at, quick)
    const filterSubjects = tokensSubject(message.tenant, message.job)
    const consumer = await hub.jetstream().consumers.get('TOKENS', { filterSubjects })
    const chunks = await consumer.consume()
    const begunAt = performance.now()
    await nc.jetstream().publish(inferenceSubject(message.tenant, message.job), JSON.stringify(message))
    let firstMs = Number.NaN
    for await (const each of chunks) {
      const chunk = TokenMessage.parse(each.json())
      if (chunk.kind !== 'chunk') continue
      if (Number.isNaN(firstMs)) firstMs = performance.now() - begunAt
      if (chunk.tokens < maxTokens) continue
      await chunks.close()
      return { firstMs, tokens: chunk.tokens }
    }
    throw new Error('Cannot measure: the tokens ended')
  }
}

function jobOf(at: number, quick: boolean): JobMessage {
  const [tenant, job] = [randomUUID(), randomUUID()]
  const resultKey = deriveResultKey(KEY, tenant, job)
  return {
    job,
    tenant,
    function: 'bench',
    path: 'world.model.complete',
    request: requestOf(at, quick),
    resultKey,
  }
}

function toFindings(rows: { atOnce: number; alone: Batch; worker: Batch }[], rounds: number): Findings {
  const [first] = rows
  const added = (first?.worker.firstMs ?? 0) - (first?.alone.firstMs ?? 0)
  return {
    method: `${rounds} rounds in turn, medians. Worker, engine, client and NATS share the machine; the engine is the same one, with ${SLOTS} slots.`,
    table: {
      columns: ['at once', 'first token alone, ms', 'by the worker, ms', 'tokens/s alone', 'by the worker'],
      rows: rows.map(({ atOnce, alone: own, worker }) => [
        atOnce,
        show(own.firstMs),
        show(worker.firstMs),
        show(own.tokensPerSecond),
        show(worker.tokensPerSecond),
      ]),
    },
    targets: [
      {
        what: 'first token over the engine alone',
        wanted: `< ${MAX_FIRST_TOKEN_MS} ms`,
        measured: `${show(added)} ms`,
        met: added < MAX_FIRST_TOKEN_MS,
      },
      ...rows.map(({ atOnce, alone: own, worker }) => {
        const share = worker.tokensPerSecond / own.tokensPerSecond
        return {
          what: `tokens/s over the engine alone, ${atOnce} at once`,
          wanted: `>= ${MIN_SHARE}x`,
          measured: `${share.toFixed(2)}x`,
          met: share >= MIN_SHARE,
        }
      }),
    ],
  }
}
