/** The worker loop on a real NATS server; the engine says fixed words, at the pace of the test. */
import { afterEach, expect, vi } from 'vitest'
import { JOB_ATTEMPTS } from '../../../shared/nats/streams.ts'
import { tokensSubject } from '../../../shared/nats/subjects.ts'
import { EngineFailure } from '../../../gpu-workers/engines/engine.ts'
import { createOpenAiCompatible } from '../../../gpu-workers/engines/openai-compatible.ts'
import {
  Completion,
  InferenceFailure,
  type JobMessage,
  type TokenMessage,
} from '../../../shared/inference/messages.ts'
import { decodeVector } from '../../../shared/inference/vectors.ts'
import { readProgress } from '../../../gpu-workers/progress.ts'
import { until } from '../../eventually.ts'
import { createScriptedEngine } from './scripted-engine.ts'
import { ACK_WAIT_SECONDS, test, type World } from './world.ts'

const WORDS = ['The', ' quick', ' brown', ' fox', ' sleeps']
const TEXT = WORDS.join('')
const LONGER_THAN_ACK_WAIT_MS = 2.5 * ACK_WAIT_SECONDS * 1000

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
})

async function openWorker(world: World, ...args: Parameters<World['openWorker']>) {
  const worker = await world.openWorker(...args)
  closers.push(worker.close)
  return worker
}

const indices = (log: TokenMessage[]) => log.map(({ index }) => index)
const kinds = (log: TokenMessage[]) => log.map(({ kind }) => kind)

test('a worker that is there before the queue waits for it', async ({ world }) => {
  await openWorker(world, createScriptedEngine({ words: WORDS }))
  await world.prepare()
  const job = await world.queue()
  await expect.poll(() => world.resultOf(job)).toBeDefined()
})

test('a worker streams the tokens of a job, then stores the result, then acknowledges', async ({ world }) => {
  await world.prepare()
  const { metrics } = await openWorker(world, createScriptedEngine({ words: WORDS }))
  const job = await world.queue()
  const event = await until(() => world.resultOf(job))
  expect(event).toMatchObject({
    source: '/gpu-workers',
    type: 'io.kgents.inference.completed',
    tenantid: job.tenant,
    subject: job.job,
    function: 'self-soul',
    traceparent: expect.stringMatching(new RegExp(`^00-${'a'.repeat(32)}-`)),
    data: {
      job: job.job,
      text: TEXT,
      tokens: { prompt: 5, completion: 5 },
      finishReason: 'stop',
      engine: 'scripted',
      attempt: 1,
    },
  })
  const log = await world.tokensOf(job)
  expect(log[0]).toEqual({ kind: 'started', index: 0, attempt: 1 })
  expect(log[2]).toEqual({ kind: 'chunk', index: 2, attempt: 1, text: ' quick', tokens: 2 })
  expect(indices(log)).toEqual([0, 1, 2, 3, 4, 5])
  expect(await world.countResults(job, 'started')).toBe(1)
  await expect.poll(() => world.countQueued()).toBe(0)
  expect(await metrics.render()).toContain('kgents_worker_jobs_total{outcome="completed"} 1')
})

test('a worker runs as many jobs at once as its engine can, and no more', async ({ world }) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: WORDS, concurrency: 2, allowed: 0 })
  const { metrics } = await openWorker(world, engine)
  const jobs = await Promise.all([world.queue(), world.queue(), world.queue()])
  await expect.poll(() => engine.calls.length).toBe(2)
  expect(metrics.running).toBe(2)
  engine.allow(Infinity)
  for (const job of jobs) await expect.poll(() => world.resultOf(job)).toBeDefined()
})

test('a worker keeps a job that takes longer than the ack wait', async ({ world }) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: WORDS, allowed: 1 })
  await openWorker(world, engine)
  const idle = createScriptedEngine({ words: WORDS })
  const job = await world.queue()
  await expect.poll(() => engine.calls.length).toBe(1)
  await openWorker(world, idle)
  const begun = Date.now()
  await vi.waitUntil(() => Date.now() - begun > LONGER_THAN_ACK_WAIT_MS, { timeout: 30_000 })
  engine.allow(Infinity)
  await expect.poll(() => world.resultOf(job)).toMatchObject({ data: { attempt: 1 } })
  expect(idle.calls).toEqual([])
})

/** What was generated of a job that was cancelled. */
async function reportedOf(world: World, job: JobMessage): Promise<unknown> {
  return InferenceFailure.parse((await until(() => world.resultOf(job, 'failed'))).data).tokens
}

test('a cancelled job stops at once, is not delivered again, and what was generated is reported', async ({
  world,
}) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: WORDS, allowed: 2 })
  const { metrics } = await openWorker(world, engine)
  const job = await world.queue()
  await expect.poll(() => world.tokensOf(job)).toHaveLength(3)
  await world.cancel(job)
  // The token log does not tell of it.
  await expect.poll(() => metrics.running).toBe(0)
  await expect.poll(() => world.countQueued()).toBe(0)
  expect(await world.resultOf(job)).toBeUndefined()
  expect(await reportedOf(world, job)).toEqual({ prompt: 1, completion: 2, estimated: true })
  expect(await world.countResults(job, 'failed')).toBe(1)
})

test('of a cancelled job counts what was generated before the end of its log, and nothing that came later', async ({
  world,
}) => {
  await world.prepare()
  const job = await world.queue()
  const write = (message: TokenMessage) =>
    world.nc.jetstream().publish(tokensSubject(job.tenant, job.job), JSON.stringify(message))
  await write({ kind: 'started', index: 0, attempt: 1 })
  await write({ kind: 'chunk', index: 1, attempt: 1, text: 'The', tokens: 7 })
  await world.close(job, 'cancelled')
  await write({ kind: 'chunk', index: 2, attempt: 1, text: ' quick', tokens: 8 })
  const engine = createScriptedEngine({ words: WORDS })
  await openWorker(world, engine)
  expect(await reportedOf(world, job)).toMatchObject({ completion: 7 })
  await expect.poll(() => world.countQueued()).toBe(0)
  expect(engine.calls).toEqual([])
})

test('a cancelled job whose worker has died is reported by the next one, from the text that was sent', async ({
  world,
}) => {
  await world.prepare()
  const first = createScriptedEngine({ words: WORDS, allowed: 3 })
  const dead = await openWorker(world, first)
  const job = await world.queue()
  await expect.poll(() => world.tokensOf(job)).toHaveLength(4)
  await dead.close()
  await world.close(job, 'cancelled')
  const second = createScriptedEngine({ words: WORDS })
  await openWorker(world, second)
  expect(await reportedOf(world, job)).toMatchObject({ completion: 3 })
  await expect.poll(() => world.countQueued()).toBe(0)
  expect(second.calls).toEqual([])
})

test('a cancellation that was not heard is found in the token log, also below text that came later', async ({
  world,
}) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: WORDS, allowed: 2 })
  const { metrics } = await openWorker(world, engine)
  const job = await world.queue()
  await expect.poll(() => world.tokensOf(job)).toHaveLength(3)
  await world.close(job, 'cancelled')
  engine.allow(1)
  await expect.poll(() => metrics.running).toBe(0)
  await expect.poll(() => world.countQueued()).toBe(0)
})

test('a cancellation that was not heard is found in the token log', async ({ world }) => {
  await world.prepare()
  const { metrics } = await openWorker(world, createScriptedEngine({ words: WORDS, allowed: 2 }))
  const job = await world.queue()
  await expect.poll(() => world.tokensOf(job)).toHaveLength(3)
  await world.close(job, 'cancelled')
  await expect.poll(() => metrics.running).toBe(0)
  await expect.poll(() => world.countQueued()).toBe(0)
})

test.for(['completed', 'cancelled'] as const)(
  'a job that is %s already is dropped',
  async (status, { world }) => {
    await world.prepare()
    const engine = createScriptedEngine({ words: WORDS })
    const job = await world.queue()
    await world.close(job, status)
    await openWorker(world, engine)
    await expect.poll(() => world.countQueued()).toBe(0)
    expect(engine.calls).toEqual([])
    expect(await world.countResults(job, 'completed')).toBe(0)
    expect(await world.countResults(job, 'failed')).toBe(status === 'cancelled' ? 1 : 0)
    if (status === 'cancelled') expect(await reportedOf(world, job)).toEqual({ prompt: 0, completion: 0 })
  },
)

test('a failed attempt is continued, and the client sees no seam', async ({ world }) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: WORDS, allowed: 2 })
  engine.failWith(new EngineFailure('Cannot go on: out of memory', { retry: true }))
  await openWorker(world, engine)
  const job = await world.queue()
  await expect.poll(() => engine.calls).toEqual([undefined, { text: 'The quick', tokens: 2 }])
  engine.allow(Infinity)
  await expect.poll(() => world.resultOf(job)).toMatchObject({ data: { text: TEXT, attempt: 2 } })
  const log = await world.tokensOf(job)
  expect(kinds(log)).toEqual(['started', 'chunk', 'chunk', 'started', 'chunk', 'chunk', 'chunk'])
  expect(indices(log)).toEqual([0, 1, 2, 3, 4, 5, 6])
  expect(readProgress(log).text).toBe(TEXT)
})

test('an engine that cannot continue begins anew, and says that the text so far is void', async ({
  world,
}) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: WORDS, allowed: 2, canContinue: false })
  engine.failWith(new Error('a bug'))
  await openWorker(world, engine)
  const job = await world.queue()
  await expect.poll(() => engine.calls).toHaveLength(2)
  engine.allow(Infinity)
  await expect.poll(() => world.resultOf(job)).toMatchObject({ data: { text: TEXT, attempt: 2 } })
  const log = await world.tokensOf(job)
  expect(kinds(log)).toEqual([
    'started',
    'chunk',
    'chunk',
    'started',
    'restart',
    'chunk',
    'chunk',
    'chunk',
    'chunk',
    'chunk',
  ])
  expect(readProgress(log).text).toBe(TEXT)
})

test('an engine that falls silent has failed', async ({ world }) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: WORDS, allowed: 1 })
  const silentAtFirst: typeof engine = {
    ...engine,
    generate(...asked) {
      if (engine.calls.length > 0) engine.allow(Infinity)
      return engine.generate(...asked)
    },
  }
  await openWorker(world, silentAtFirst, { stallSeconds: 0.3 })
  const job = await world.queue()
  await expect.poll(() => world.resultOf(job)).toMatchObject({ data: { text: TEXT } })
  expect(engine.calls.length).toBeGreaterThanOrEqual(2)
})

test('after the last attempt a job is given up, with a reason and without a fifth try', async ({ world }) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: WORDS })
  const failures = Array.from({ length: JOB_ATTEMPTS + 1 }, () => {
    return new EngineFailure('Cannot go on: out of memory', { retry: true })
  })
  engine.failWith(...failures)
  await openWorker(world, engine)
  const job = await world.queue()
  await expect
    .poll(() => world.resultOf(job, 'failed'))
    .toMatchObject({
      data: { job: job.job, reason: 'Cannot go on: out of memory', attempt: JOB_ATTEMPTS },
    })
  await expect.poll(() => world.countQueued()).toBe(0)
  expect(engine.calls).toHaveLength(JOB_ATTEMPTS)
  expect(await world.resultOf(job)).toBeUndefined()
})

test('a request that can never succeed fails at the first attempt', async ({ world }) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: [] })
  engine.failWith(new EngineFailure('Cannot answer: the prompt is too long', { retry: false, refused: true }))
  await openWorker(world, engine)
  const job = await world.queue()
  await expect
    .poll(() => world.resultOf(job, 'failed'))
    .toMatchObject({ data: { attempt: 1, code: 'INFERENCE_REFUSED' } })
  await expect.poll(() => world.countQueued()).toBe(0)
})

test('the message of an unknown error stays inside', async ({ world }) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: WORDS })
  engine.failWith(...Array.from({ length: JOB_ATTEMPTS }, () => new Error('secret of the prompt')))
  await openWorker(world, engine)
  const job = await world.queue()
  await expect.poll(() => world.resultOf(job, 'failed')).toBeDefined()
  expect(JSON.stringify(await world.resultOf(job, 'failed'))).not.toContain('secret')
})

test('a message that is not a job is dropped, and the next one is served', async ({ world }) => {
  await world.prepare()
  await openWorker(world, createScriptedEngine({ words: WORDS }))
  await world.nc.jetstream().publish('inference.x.y', 'not json')
  await world.nc.jetstream().publish('inference.x.z', '{"job":"1"}')
  const job = await world.queue()
  await expect.poll(() => world.resultOf(job)).toBeDefined()
  await expect.poll(() => world.countQueued()).toBe(0)
})

test('close() lets a running job finish, and takes no other', async ({ world }) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: WORDS, allowed: 2 })
  const worker = await openWorker(world, engine, { drainSeconds: 10 })
  const job = await world.queue()
  await expect.poll(() => world.tokensOf(job)).toHaveLength(3)
  const closed = worker.close()
  const later = await world.queue()
  engine.allow(Infinity)
  await closed
  expect(await world.resultOf(job)).toMatchObject({ data: { text: TEXT, attempt: 1 } })
  expect(engine.calls).toHaveLength(1)
  await openWorker(world, engine)
  await expect.poll(() => world.resultOf(later)).toMatchObject({ data: { attempt: 1 } })
})

test('close() hands over a job that takes too long, and the next worker continues it at once', async ({
  world,
}) => {
  await world.prepare(60) // longer than the test waits: nobody finds out by himself
  const first = createScriptedEngine({ words: WORDS, allowed: 2 })
  const worker = await openWorker(world, first)
  const job = await world.queue()
  await expect.poll(() => world.tokensOf(job)).toHaveLength(3)
  const second = createScriptedEngine({ words: WORDS })
  await openWorker(world, second)
  await worker.close()
  await expect.poll(() => world.resultOf(job)).toMatchObject({ data: { text: TEXT, attempt: 2 } })
  expect(second.calls).toEqual([{ text: 'The quick', tokens: 2 }])
})

test('a worker that was taken for dead stops when it sees that another runs its job', async ({ world }) => {
  await world.prepare()
  const first = createScriptedEngine({ words: WORDS, allowed: 2 })
  // It beats so rarely that JetStream gives its job away; it looks at the token log as rarely.
  const { metrics } = await openWorker(world, first, { ackWaitSeconds: 12 })
  const job = await world.queue()
  await expect.poll(() => world.tokensOf(job)).toHaveLength(3)
  const second = createScriptedEngine({ words: WORDS, allowed: 1 })
  await openWorker(world, second)
  await expect.poll(() => second.calls).toHaveLength(1)
  await expect.poll(() => world.tokensOf(job)).toHaveLength(5)
  first.allow(1)
  await expect.poll(() => world.tokensOf(job)).toHaveLength(6)
  second.allow(1)
  await expect.poll(() => metrics.running).toBe(0)
  second.allow(Infinity)
  await expect.poll(() => world.resultOf(job)).toMatchObject({ data: { text: TEXT, attempt: 2 } })
  expect(readProgress(await world.tokensOf(job)).text).toBe(TEXT)
  expect(await world.countResults(job, 'completed')).toBe(1)
})

test('a result is not lost while NATS is away, and the token log is whole again afterwards', async ({
  world,
}) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: WORDS, allowed: 2 })
  const { metrics } = await openWorker(world, engine)
  const job = await world.queue()
  await expect.poll(() => world.tokensOf(job)).toHaveLength(3)
  await world.restartNats({ meanwhile: () => engine.allow(Infinity) })
  await expect.poll(() => world.resultOf(job)).toMatchObject({ data: { text: TEXT, attempt: 1 } })
  const log = await world.tokensOf(job)
  expect(log[0]?.kind).toBe('restart') // the log is kept in memory and was lost with the server
  expect(readProgress(log).text).toBe(TEXT)
  await expect.poll(() => world.countQueued()).toBe(0)
  await expect.poll(() => metrics.running).toBe(0)
})

test('a worker takes jobs again after NATS was away', async ({ world }) => {
  await world.prepare()
  await openWorker(world, createScriptedEngine({ words: WORDS }))
  await world.restartNats()
  const job = await world.queue()
  await expect.poll(() => world.resultOf(job)).toBeDefined()
})

test('a job waits for a token log that NATS has lost, without using up its attempts', async ({ world }) => {
  await world.prepare()
  const job = await world.queue()
  await world.restartNats({ prepare: false })
  const { metrics } = await openWorker(world, createScriptedEngine({ words: WORDS }))
  await expect.poll(() => metrics.running).toBe(1)
  await world.prepare()
  await expect.poll(() => world.resultOf(job)).toMatchObject({ data: { attempt: 1 } })
})

const TEXTS = ['a', 'brown', 'fox']

test('a worker embeds texts: its result has a vector of length one for each, and its token log no text', async ({
  world,
}) => {
  await world.prepare()
  const { metrics } = await openWorker(world, createScriptedEngine({ words: [] }))
  const job = await world.queue({ texts: TEXTS })
  const event = await until(() => world.resultOf(job))
  expect(event).toMatchObject({
    type: 'io.kgents.inference.completed',
    function: 'self-soul',
    data: {
      text: '',
      tokens: { prompt: 9, completion: 0 },
      engine: 'scripted',
      model: 'lengths',
      attempt: 1,
    },
  })
  const { vectors = [] } = Completion.parse(event.data)
  expect(vectors).toHaveLength(TEXTS.length)
  for (const vector of vectors) expect(Math.hypot(...decodeVector(vector))).toBeCloseTo(1, 5)
  expect(await world.tokensOf(job)).toEqual([{ kind: 'started', index: 0, attempt: 1 }])
  expect(await world.countResults(job, 'started')).toBe(1)
  await expect.poll(() => world.countQueued()).toBe(0)
  expect(await metrics.render()).toContain(
    'gen_ai_client_inference_usage_input_tokens_total{gen_ai_operation_name="embeddings",gen_ai_provider_name="scripted",gen_ai_request_model="lengths"} 9',
  )
})

test('a result of words has no vectors', async ({ world }) => {
  await world.prepare()
  await openWorker(world, createScriptedEngine({ words: WORDS }))
  const job = await world.queue()
  const event = await until(() => world.resultOf(job))
  expect(event.data).not.toHaveProperty('vectors')
})

test('texts fail at the first attempt where no embedding model is set, and the reason says what to set', async ({
  world,
}) => {
  await world.prepare()
  const servers = [{ baseUrl: 'http://127.0.0.1:1/v1', model: 'words' }] as const
  await openWorker(world, createOpenAiCompatible({ servers: [...servers] }))
  const job = await world.queue({ texts: TEXTS })
  await expect
    .poll(() => world.resultOf(job, 'failed'))
    .toMatchObject({ data: { reason: expect.stringContaining('INFERENCE_EMBEDDING_MODEL'), attempt: 1 } })
  await expect.poll(() => world.countQueued()).toBe(0)
})

test('texts that are cancelled are given up at once', async ({ world }) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: [], allowed: 0 })
  const { metrics } = await openWorker(world, engine)
  const job = await world.queue({ texts: TEXTS })
  await expect.poll(() => engine.calls.length).toBe(1)
  await world.cancel(job)
  await expect.poll(() => metrics.running).toBe(0)
  await expect.poll(() => world.countQueued()).toBe(0)
  expect(await world.resultOf(job)).toBeUndefined()
})

test('texts whose engine failed are embedded at the next attempt', async ({ world }) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: [] })
  engine.failWith(new EngineFailure('Cannot go on: out of memory', { retry: true }))
  await openWorker(world, engine)
  const job = await world.queue({ texts: TEXTS })
  await expect.poll(() => world.resultOf(job)).toMatchObject({ data: { attempt: 2 } })
  expect(kinds(await world.tokensOf(job))).toEqual(['started', 'started'])
  expect(await world.countResults(job, 'completed')).toBe(1)
})

test('close() hands over texts that take too long', async ({ world }) => {
  await world.prepare(60)
  const first = createScriptedEngine({ words: [], allowed: 0 })
  const worker = await openWorker(world, first)
  const job = await world.queue({ texts: TEXTS })
  await expect.poll(() => first.calls.length).toBe(1)
  await openWorker(world, createScriptedEngine({ words: [] }))
  await worker.close()
  await expect.poll(() => world.resultOf(job)).toMatchObject({ data: { attempt: 2 } })
})

test.for([Number.NaN, Infinity, 0])(
  'a vector full of %s has failed, and is never a result',
  async (value, { world }) => {
    await world.prepare()
    const vector = new Float32Array(3).fill(value)
    const embed = async () => ({ vectors: [vector], tokens: 1, model: 'broken' })
    await openWorker(world, { ...createScriptedEngine({ words: [] }), embed })
    const job = await world.queue({ texts: ['fox'] })
    await expect.poll(() => world.resultOf(job, 'failed')).toMatchObject({ data: { attempt: JOB_ATTEMPTS } })
    expect(await world.resultOf(job)).toBeUndefined()
  },
)

test('a result that is more than NATS takes fails for good, instead of being tried for ever', async ({
  world,
}) => {
  await world.prepare()
  const embed = async (texts: readonly string[]) => {
    return { vectors: texts.map(() => new Float32Array(100_000).fill(1)), tokens: 1, model: 'wide' }
  }
  await openWorker(world, { ...createScriptedEngine({ words: [] }), embed })
  const job = await world.queue({ texts: Array.from({ length: 20 }, () => 'fox') })
  await expect
    .poll(() => world.resultOf(job, 'failed'))
    .toMatchObject({ data: { reason: expect.stringContaining('max_payload'), attempt: 1 } })
  await expect.poll(() => world.countQueued()).toBe(0)
})

test('texts of the largest request reach the worker', async ({ world }) => {
  await world.prepare()
  await openWorker(world, createScriptedEngine({ words: [] }))
  const job = await world.queue({ texts: Array.from({ length: 64 }, () => '語'.repeat(20_000)) })
  const event = await until(() => world.resultOf(job))
  expect(Completion.parse(event.data).vectors).toHaveLength(64)
})
