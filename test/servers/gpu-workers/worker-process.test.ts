/** The worker as it is deployed: its own process, started from the environment, with the real model. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, expect } from 'vitest'
import { tokensSubject } from '../../../shared/nats/subjects.ts'
import { readProgress } from '../../../gpu-workers/progress.ts'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { decodeVector } from '../../../shared/inference/vectors.ts'
import { Completion, type JobMessage } from '../../../shared/inference/messages.ts'
import { until } from '../../eventually.ts'
import { findEmbeddingModel, findModel } from './model.ts'
import { openOpenAiServer } from './openai-server.ts'
import { createScriptedEngine } from './scripted-engine.ts'
import { ACK_WAIT_SECONDS, test, type World } from './world.ts'

const MAIN = fileURLToPath(new URL('../../../gpu-workers/main.ts', import.meta.url))

interface WorkerProcess {
  readonly output: string
  readonly exited: Promise<Exit>
  kill(signal: NodeJS.Signals): Promise<Exit>
}

interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const processes: WorkerProcess[] = []
afterEach(async () => {
  await Promise.all(processes.splice(0).map((process) => process.kill('SIGKILL')))
})

/** Starts `main.ts`; returns at once. */
function start(env: Record<string, string>): WorkerProcess {
  const { PATH, NODE_COMPILE_CACHE } = process.env
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH, NODE_COMPILE_CACHE, ACK_WAIT_SECONDS: String(ACK_WAIT_SECONDS), PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = exitOf(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)))
  const worker: WorkerProcess = {
    get output() {
      return output
    },
    exited,
    kill(signal) {
      child.kill(signal)
      return exited
    },
  }
  processes.push(worker)
  return worker
}

/** Of a child whose output has been read to its end. */
async function exitOf(child: ChildProcess): Promise<Exit> {
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { code, signal }
}

async function startLlama(world: World, env: Record<string, string> = {}): Promise<WorkerProcess> {
  return start({ NATS_URL: world.nats.urlOf('gpu-worker'), MODEL_PATH: await findModel(), ...env })
}

async function completionOf(world: World, job: JobMessage): Promise<Completion> {
  const event = await until(() => world.resultOf(job))
  return Completion.parse(event.data)
}

const STORY = {
  messages: [{ role: 'user' as const, content: 'Tell a story about a fox.' }],
  maxTokens: 120,
  seed: 7,
}

test('a worker process answers a job with the real model, shows its metrics, and ends on SIGTERM', async ({
  world,
}) => {
  await world.prepare()
  const [port] = await findFreePorts(1)
  const worker = await startLlama(world, { PORT: String(port) })
  const job = await world.queue({ ...STORY, maxTokens: 20, temperature: 0.8 })
  const { text, tokens, model } = await completionOf(world, job)
  expect(model).toMatch(/smollm2/i)
  expect(tokens.completion).toBeLessThanOrEqual(20)
  expect(tokens.prompt).toBeGreaterThan(10)
  expect(readProgress(await world.tokensOf(job)).text).toBe(text)
  await expect.poll(() => worker.output).toContain('job completed')

  for (const path of ['live', 'ready'])
    expect((await fetch(`http://127.0.0.1:${port}/health/${path}`)).status).toBe(200)
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  expect(metrics).toMatch(
    new RegExp(`^gen_ai_client_inference_usage_output_tokens_total\\{.*\\} ${tokens.completion}$`, 'm'),
  )

  expect(await worker.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  expect(worker.output).not.toContain('fox')
  for (const line of worker.output.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ level: 30 })
})

test('a worker process lives without NATS, and says that it is not ready', async () => {
  const [port, closed] = await findFreePorts(2)
  start({
    PORT: String(port),
    NATS_URL: `nats://127.0.0.1:${closed}`,
    INFERENCE_BASE_URL: 'http://127.0.0.1:1',
    INFERENCE_MODEL: 'any',
  })
  const url = `http://127.0.0.1:${port}/health`
  await expect.poll(() => fetch(`${url}/live`).then(({ status }) => status, String)).toBe(200)
  await expect
    .poll(async () => (await fetch(`${url}/ready`)).json())
    .toEqual({ status: 'unavailable', dependencies: { nats: 'unavailable', engine: 'ok' } })
  expect((await fetch(`${url}/ready`)).status).toBe(503)
})

test('a worker process embeds texts with the real model, and shows none of them', async ({ world }) => {
  await world.prepare()
  const worker = await startLlama(world, { EMBEDDING_MODEL_PATH: await findEmbeddingModel() })
  const job = await world.queue({ texts: ['A fox crossed the frozen lake', 'x'.repeat(2000)] })
  const { vectors = [], text, tokens, model } = await completionOf(world, job)
  expect({ text, model }).toEqual({ text: '', model: 'all-MiniLM-L6-v2' })
  expect(tokens.prompt).toBeGreaterThan(10)
  expect(vectors.map((vector) => decodeVector(vector).length)).toEqual([384, 384])
  await expect.poll(() => worker.output).toContain('job completed')
  expect(await worker.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  expect(worker.output).not.toContain('fox')
  for (const line of worker.output.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ level: 30 })
})

test('a worker process without an embedding model says which variable sets one', async ({ world }) => {
  await world.prepare()
  await startLlama(world)
  const job = await world.queue({ texts: ['Hi'] })
  await expect
    .poll(() => world.resultOf(job, 'failed'))
    .toMatchObject({ data: { reason: expect.stringContaining('EMBEDDING_MODEL_PATH'), attempt: 1 } })
})

test('a worker that is killed in the middle loses nothing: the next one goes on where it was', async ({
  world,
}) => {
  await world.prepare()
  const first = await startLlama(world)
  // Heard and not asked for: while one asks, the story may come to its end.
  const job = await world.queue(STORY)
  const log = await world.nc
    .jetstream()
    .consumers.get('TOKENS', { filterSubjects: tokensSubject(job.tenant, job.job) })
  let heard = 0
  for await (const _message of await log.consume()) if (++heard > 8) break
  await first.kill('SIGKILL')
  const before = readProgress(await world.tokensOf(job))
  expect(await world.resultOf(job)).toBeUndefined()

  await startLlama(world)
  const { text, attempt, tokens: used } = await completionOf(world, job)
  const tokens = await world.tokensOf(job)
  expect(attempt).toBe(2)
  expect(text.startsWith(before.text)).toBe(true)
  expect(text.length).toBeGreaterThan(before.text.length)
  expect(readProgress(tokens)).toMatchObject({ text, attempt: 2, whole: true })
  expect(tokens.map(({ index }) => index)).toEqual(tokens.map((_, index) => index))
  expect(tokens.filter(({ kind }) => kind === 'restart')).toEqual([])
  expect(used.completion).toBeLessThanOrEqual(120)
  await expect.poll(() => world.countQueued()).toBe(0)
})

test('SIGTERM hands over a job that does not end in time, to a worker with another kind of server', async ({
  world,
}) => {
  await world.prepare()
  const engine = createScriptedEngine({ words: ['The', ' fox', ' sleeps'], allowed: 1, concurrency: 2 })
  const server = await openOpenAiServer(engine)
  const env = {
    NATS_URL: world.nats.urlOf('gpu-worker'),
    INFERENCE_BASE_URL: `http://127.0.0.1:1/v1,${server.baseUrl}`,
    INFERENCE_MODEL: 'words',
    DRAIN_SECONDS: '0.2',
  }
  const first = start(env)
  const job = await world.queue()
  await expect.poll(() => world.tokensOf(job)).toHaveLength(2)
  const second = start(env)
  await expect.poll(() => second.output).toContain('worker started')
  expect(await first.kill('SIGTERM')).toEqual({ code: 0, signal: null })
  engine.allow(Infinity)
  const data = { text: 'The fox sleeps', attempt: 2, finishReason: 'stop', server: 'server-2' }
  await expect.poll(() => world.resultOf(job)).toMatchObject({ data })
  // These servers cannot continue, so the text begins anew.
  expect((await world.tokensOf(job)).map(({ kind }) => kind)).toContain('restart')
  await server.close()
})

test('a worker process names everything that is missing in its environment', async () => {
  const worker = start({})
  expect(await worker.exited).toEqual({ code: 1, signal: null })
  expect(worker.output).toContain('MODEL_PATH')
  expect(worker.output).toContain('NATS_URL')
})
