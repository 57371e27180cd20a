/**
 * Streams whose hub and worker are killed in the middle of a sentence: both are processes as they are deployed, and the model is the
 * real one. `STREAM_KILLS` says how often.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterAll, expect } from 'vitest'
import { LAST_EVENT_ID } from '../../../shared/http/event-message.ts'
import { Completion, type JobMessage } from '../../../shared/inference/messages.ts'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { eventually, until } from '../../eventually.ts'
import { readMessages } from '../../read-messages.ts'
import { listen, makeToken, publicKeys } from '../gateway/local-world.ts'
import { findModel } from './model.ts'
import { ACK_WAIT_SECONDS, test, type World } from './world.ts'

const KILLS = Number(process.env['STREAM_KILLS'] ?? 1)
const HUB = fileURLToPath(new URL('../../../gateway/stream-hub/main.ts', import.meta.url))
const WORKER = fileURLToPath(new URL('../../../gpu-workers/main.ts', import.meta.url))

const children = new Set<ChildProcess>()
afterAll(() => Promise.all([...children].map(kill)))

function start(program: string, env: Record<string, string>): ChildProcess {
  const { PATH, NODE_COMPILE_CACHE } = process.env
  const child = spawn(process.execPath, [program], {
    env: { PATH, NODE_COMPILE_CACHE, ...env },
    stdio: 'ignore',
  })
  children.add(child)
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  children.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function startWorker(world: World): Promise<ChildProcess> {
  return start(WORKER, {
    NATS_URL: world.nats.urlOf('gpu-worker'),
    MODEL_PATH: await findModel(),
    ACK_WAIT_SECONDS: String(ACK_WAIT_SECONDS),
    PORT: '0',
  })
}

interface HubProcess {
  child: ChildProcess
  url: string
}

/** @param functions where the function is that says that everybody may follow everything */
async function startHub(world: World, functions: string): Promise<HubProcess> {
  const [port = 0] = await findFreePorts(1)
  const child = start(HUB, {
    NATS_URL: world.nats.urlOf('stream-hub'),
    CLUSTER_INGRESS: functions,
    PLATFORM_JWKS: JSON.stringify(publicKeys),
    PLATFORM_ISSUER: 'https://issuer.test',
    PLATFORM_AUDIENCE: 'https://api.test',
    PORT: String(port),
    HOST: '127.0.0.1',
  })
  const url = `http://127.0.0.1:${port}`
  await eventually(async () => expect((await fetch(`${url}/health/live`)).status).toBe(200))
  return { child, url }
}

/** What a client has of a stream: it keeps what it was sent, and begins anew only where it is told to. */
class Reader {
  text = ''
  chunks = 0
  /** Events that came although the client had them. */
  repeated = 0
  last = ''

  /** Reads until `enough`, or to the end; false where the connection broke before. */
  async read(url: string, job: JobMessage, enough: () => boolean): Promise<boolean> {
    const token = await makeToken({ tenant_id: job.tenant, org_id: job.tenant })
    const headers = {
      authorization: `Bearer ${token}`,
      ...(this.last === '' ? {} : { 'last-event-id': this.last }),
    }
    const response = await fetch(`${url}/v1/jobs/${job.job}/stream`, { headers })
    expect(response.status).toBe(200)
    for await (const { event, id = '', data } of readMessages(response)) {
      if (event === 'comment') continue
      if (id !== LAST_EVENT_ID && this.last !== '' && Number(id) <= Number(this.last)) this.repeated++
      this.last = id
      if (event === 'restart') this.text = ''
      if (event === 'chunk') {
        this.text += (JSON.parse(data) as { text: string }).text
        this.chunks++
      }
      if (event === 'complete') return true
      if (enough()) return false
    }
    return false
  }
}

test(`a stream survives the death of its hub and of its worker in the middle of a sentence`, async ({
  world,
}) => {
  await world.prepare()
  const functions = createServer((request, response) => {
    request.resume()
    const id = /jobs\/([^/?]+)/.exec(request.url ?? '')?.[1]
    const job = { id, status: 'running', path: 'self.soul.dialogue' }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ job, links: {} }))
  })
  const ingress = await listen(functions)
  let [worker, hub] = [await startWorker(world), await startHub(world, ingress)]
  const counts = { kills: 0, gaps: 0, repeated: 0, results: 0 }
  for (let round = 0; round < KILLS; round++) {
    const job = await world.queue({
      messages: [{ role: 'user', content: `Tell the story of ${round + 3} ships` }],
      maxTokens: 64,
    })
    const reader = new Reader()
    const doneBefore = await reader.read(hub.url, job, () => reader.chunks >= 2 + (round % 5))
    await Promise.all([kill(worker), kill(hub.child)])
    if (!doneBefore) counts.kills++
    ;[worker, hub] = [await startWorker(world), await startHub(world, ingress)]
    const rest = reader.read(hub.url, job, () => false)
    const result = await until(() => world.resultOf(job))
    await world.close(job, 'completed')
    expect(await rest).toBe(true)
    if (reader.text !== Completion.parse(result.data).text) counts.gaps++
    counts.repeated += reader.repeated
    counts.results += await world.countResults(job, 'completed')
  }
  functions.close()
  process.stdout.write(`streams by kills of hub and worker: ${JSON.stringify(counts)}\n`)
  expect(counts).toEqual({ kills: KILLS, gaps: 0, repeated: 0, results: KILLS })
})
