/** A worker with several slots, and what it reports besides text; on a real NATS server, with an engine of fixed words. */
import { afterEach, expect } from 'vitest'
import { Completion, InferenceFailure } from '../../../shared/inference/messages.ts'
import { newId } from '../../../shared/new-id.ts'
import { readProgress } from '../../../gpu-workers/progress.ts'
import { until } from '../../eventually.ts'
import { createScriptedEngine } from './scripted-engine.ts'
import { test, type World } from './world.ts'

const WORDS = ['The', ' quick', ' brown', ' fox', ' sleeps']
const TEXT = WORDS.join('')
const SLOTS = 3

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
})

async function openWorker(world: World, ...args: Parameters<World['openWorker']>) {
  const worker = await world.openWorker(...args)
  closers.push(worker.close)
  return worker
}

test('a worker that has to go hands over all that runs, each with its text so far, and each is finished once', async ({
  world,
}) => {
  await world.prepare()
  const first = createScriptedEngine({ words: WORDS, concurrency: SLOTS, allowed: 2 * SLOTS })
  const { close } = await openWorker(world, first)
  const jobs = await Promise.all(Array.from({ length: SLOTS }, () => world.queue()))
  await expect
    .poll(async () => (await Promise.all(jobs.map((job) => world.tokensOf(job)))).flat().length)
    .toBe(3 * SLOTS)
  await close()
  const before = await Promise.all(jobs.map((job) => world.tokensOf(job)))
  const second = createScriptedEngine({ words: WORDS, concurrency: SLOTS })
  await openWorker(world, second)
  for (const [at, job] of jobs.entries()) {
    const { text, attempt, tokens } = Completion.parse((await until(() => world.resultOf(job))).data)
    expect({ text, attempt, tokens }).toEqual({
      text: TEXT,
      attempt: 2,
      tokens: { prompt: 5, completion: 5 },
    })
    const log = await world.tokensOf(job)
    expect(readProgress(log)).toMatchObject({ text: TEXT, whole: true })
    expect(log.slice(0, before[at]?.length)).toEqual(before[at])
    expect(await world.countResults(job, 'completed')).toBe(1)
  }
  const continued = second.calls.map((prefix) => prefix?.text ?? '').toSorted()
  const begun = before.map((log) => readProgress(log).text).toSorted()
  expect(continued).toEqual(begun)
  await expect.poll(() => world.countQueued()).toBe(0)
})

test('a worker that has time to go finishes all that runs, and takes nothing new', async ({ world }) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: WORDS, concurrency: SLOTS, allowed: SLOTS })
  const { close, metrics } = await openWorker(world, engine, { drainSeconds: 20 })
  const jobs = await Promise.all(Array.from({ length: SLOTS }, () => world.queue()))
  await expect.poll(() => metrics.running).toBe(SLOTS)
  const closed = close()
  const late = await world.queue()
  engine.allow(Infinity)
  await closed
  for (const job of jobs)
    expect(await world.resultOf(job)).toMatchObject({ data: { text: TEXT, attempt: 1 } })
  expect(await world.tokensOf(late)).toEqual([])
  await openWorker(world, createScriptedEngine({ words: WORDS }))
  await expect.poll(() => world.resultOf(late)).toBeDefined()
})

test('a result has what the engine knows, and the metrics have how long and how much', async ({ world }) => {
  await world.prepare()
  const toolCalls = [{ id: 'call_1', name: 'weather', arguments: '{}' }]
  const end = {
    reason: 'tool_calls',
    toolCalls,
    messageTokens: [3],
    computeSeconds: 0.5,
    reusedTokens: 4,
  } as const
  const engine = createScriptedEngine({
    words: WORDS,
    concurrency: SLOTS,
    end: { ...end, messageTokens: [3] },
  })
  const tenants: (string | undefined)[] = []
  const { generate } = engine
  engine.generate = (request, options) => {
    tenants.push(options.tenant)
    return generate.call(engine, request, options)
  }
  const { metrics } = await openWorker(world, engine)
  const queued = await world.queue()
  await until(() => world.resultOf(queued))
  const job = { ...queued, job: newId() }
  await world.publishJob(job)
  const completion = Completion.parse((await until(() => world.resultOf(job))).data)
  expect(completion).toMatchObject({
    finishReason: 'tool_calls',
    toolCalls,
    messageTokens: [3],
    computeSeconds: 0.5,
  })
  expect(tenants).toEqual([job.tenant, job.tenant])
  const labels = '{gen_ai_operation_name="chat",gen_ai_provider_name="scripted",gen_ai_request_model="words"}'
  const text = await metrics.render()
  // The first job has an id that does not say when it was made.
  for (const line of [
    'kgents_worker_queue_wait_seconds_count 1',
    `kgents_worker_reused_input_tokens_total${labels} 8`,
  ])
    expect(text).toContain(line)
  expect(text).toContain('kgents_worker_output_tokens_per_second_count')
})

test('an answer that does not meet its schema fails the job, with the place and without the words', async ({
  world,
}) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: ['{"age":', ' 7}'] })
  await openWorker(world, engine)
  const responseSchema = { type: 'object', properties: { age: { type: 'integer', minimum: 18 } } }
  const job = await world.queue({ responseSchema })
  const { reason } = InferenceFailure.parse((await until(() => world.resultOf(job, 'failed'))).data)
  expect(reason).toBe('Cannot finish the answer: it does not meet the JSON schema: "/age" must be >= 18')
  expect(engine.calls).toHaveLength(1)
})
