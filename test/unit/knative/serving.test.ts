/** Functions as real processes: from the first request to the last pod. */
import { once } from 'node:events'
import { request } from 'node:http'
import { createParser } from 'eventsource-parser'
import { vi } from 'vitest'
import { eventually } from '../../eventually.ts'
import { test, type Running } from './local-knative.ts'

const pidOf = ({ body }: { body: string }) => (JSON.parse(body) as { pid: number }).pid

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('a request for a function without pods starts one and waits for it', async ({ world, expect }) => {
  const knative = await world.start()
  expect(knative.status().functions.hello).toMatchObject({ desired: 0, pods: [] })
  const answer = await knative.call({
    method: 'POST',
    path: '/echo?a=b',
    body: 'x',
    headers: { 'X-Own': 'y' },
  })
  expect(answer.status).toBe(200)
  expect(JSON.parse(answer.body)).toMatchObject({
    method: 'POST',
    url: '/echo?a=b',
    body: 'x',
    headers: { 'x-own': 'y' },
  })
  expect(knative.scalings).toEqual(['0->1'])
})

test('a pod is told what it is, and inherits nothing', async ({ world, expect }) => {
  const knative = await world.start({ environment: { OWN: '1' } })
  const { env } = JSON.parse((await knative.call()).body) as { env: Record<string, string> }
  expect(env).toMatchObject({ FUNCTION: 'hello', K_SERVICE: 'hello', K_CONFIGURATION: 'hello', OWN: '1' })
  expect(env.K_REVISION).toMatch(/^hello-/)
  expect(env).not.toHaveProperty('PATH')
})

test('all requests of a burst wait for the first pod', async ({ world, expect }) => {
  const knative = await world.start()
  const answers = await Promise.all(Array.from({ length: 50 }, () => knative.call()))
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200))
  expect(knative.scalings[0]).toBe('0->1')
})

test('an idle function is scaled to zero, and the next request wakes it again', async ({ world, expect }) => {
  const knative = await world.start()
  const first = pidOf(await knative.call())
  await eventually(() => expect(isAlive(first)).toBe(false))
  expect(knative.scalings).toEqual(['0->1', '1->0'])
  expect(pidOf(await knative.call())).not.toBe(first)
})

test('more requests than one pod is to take start more pods, up to max-scale', async ({ world, expect }) => {
  const knative = await world.start({ scale: { containerConcurrency: 2, maxScale: 3 } })
  const answers = await Promise.all(Array.from({ length: 24 }, () => knative.call({ path: '/wait?ms=400' })))
  expect(new Set(answers.map(pidOf)).size).toBe(3)
  expect(Math.max(...knative.scalings.map((each) => Number(each.split('->')[1])))).toBe(3)
})

test('podCapacity bounds the pods of a burst, but every function gets its first', async ({
  world,
  expect,
}) => {
  const knative = await world.start({ scale: { containerConcurrency: 1 }, podCapacity: 1 })
  const answers = await Promise.all(Array.from({ length: 8 }, () => knative.call({ path: '/wait?ms=20' })))
  expect(new Set(answers.map(pidOf)).size).toBe(1)
})

test('a pod takes no more requests at once than containerConcurrency', async ({ world, expect }) => {
  const knative = await world.start({
    scale: { containerConcurrency: 1, maxScale: 1, targetBurstCapacity: -1 },
  })
  await knative.call()
  const started = performance.now()
  await Promise.all(Array.from({ length: 4 }, () => knative.call({ path: '/wait?ms=100' })))
  expect(performance.now() - started).toBeGreaterThan(350) // two at once would take 200
})

test('without the activator in the path, a pod lets ten times its concurrency wait and refuses the rest', async ({
  world,
  expect,
}) => {
  const knative = await world.start({
    scale: { containerConcurrency: 1, maxScale: 1, targetBurstCapacity: 0 },
  })
  await knative.call()
  await eventually(() => expect(knative.status().functions.hello?.mode).toBe('Serve'))
  const first = knative.call({ path: '/wait?ms=2000' }) // long enough for the others to come meanwhile
  await eventually(() => expect(knative.status().functions.hello?.inFlight).toBe(1))
  const answers = await Promise.all(Array.from({ length: 12 }, () => knative.call()))
  expect((await first).status).toBe(200)
  const refused = answers.filter(({ status }) => status === 503)
  expect(refused).toHaveLength(2)
  expect(refused[0]?.body).toContain('pending request queue full')
  expect(refused[0]?.headers['retry-after']).toBe('1')
})

test('a request is cut after timeoutSeconds, the wait for a pod included', async ({ world, expect }) => {
  const knative = await world.start({ scale: { timeoutSeconds: 1 } })
  await untilAwake(knative)
  const answer = await knative.call({ path: '/wait?ms=5000' })
  expect(answer.status).toBe(504)
  expect(JSON.parse(answer.body)).toMatchObject({ category: 'TIMEOUT', code: 'DEADLINE_EXCEEDED' })
  expect(answer.body).toContain('activator request timeout')
  await eventually(() => expect(knative.status().functions.hello?.inFlight).toBe(0))
})

test('a stream is cut after timeoutSeconds too, with the words that Knative writes into it', async ({
  world,
  expect,
}) => {
  const knative = await world.start({ scale: { timeoutSeconds: 1 } })
  await untilAwake(knative)
  const { status, body } = await knative.call({ path: '/stream?chunks=100&ms=100' })
  expect(status).toBe(200)
  expect(body).toMatch(/^data: 0\n\n.*request timeout$/s)
})

test('an answer is passed on as it comes', async ({ world, expect }) => {
  const knative = await world.start()
  const outgoing = request({
    port: knative.port,
    path: '/stream?chunks=1000&ms=500',
    headers: { host: 'hello' },
  }).end()
  const [response] = await once(outgoing, 'response')
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk
    if (text.includes('data: 2\n')) break
  }
  // Held back until its end, it would come as a whole: cut off by the timeout, after 40 pieces.
  expect(text).not.toContain('data: 30\n')
})

test('a large body is passed on whole', async ({ world, expect }) => {
  const knative = await world.start()
  const body = Buffer.alloc(1_000_000, 'abc')
  const answer = await knative.call({ method: 'POST', body })
  expect((JSON.parse(answer.body) as { body: string }).body).toBe(body.toString())
})

test('a client that leaves ends its request at the pod', async ({ world, expect }) => {
  const knative = await world.start()
  await knative.call()
  const leaving = new AbortController()
  const call = knative.call({ path: '/wait?ms=10000', signal: leaving.signal })
  const rejected = expect(call).rejects.toThrow('aborted')
  await eventually(() => expect(knative.status().functions.hello?.pods[0]?.inFlight).toBe(1))
  leaving.abort()
  await rejected
  await eventually(() => expect(knative.status().functions.hello?.pods[0]?.inFlight).toBe(0))
})

test('a client that leaves while no pod is ready is forgotten', async ({ world, expect }) => {
  const knative = await world.start({ environment: { EXIT_AT_START: '1' }, timeScale: 1 })
  const leaving = new AbortController()
  const call = knative.call({ signal: leaving.signal })
  const rejected = expect(call).rejects.toThrow('aborted')
  await eventually(() => expect(knative.status().functions.hello?.waiting).toBe(1))
  leaving.abort()
  await rejected
  await eventually(() => expect(knative.status().functions.hello).toMatchObject({ waiting: 0, inFlight: 0 }))
})

test('a pod that dies fails what it was doing with 503, is replaced at once, and no request is sent twice', async ({
  world,
  expect,
}) => {
  const knative = await world.start()
  const first = pidOf(await knative.call())
  const waiting = knative.call({ path: '/wait?ms=60000' })
  await eventually(() => expect(knative.status().functions.hello?.pods[0]?.inFlight).toBe(1))
  const [answer, other] = await Promise.all([knative.call({ path: '/die' }), waiting])
  for (const { status, headers, body } of [answer, other]) {
    expect(status).toBe(503)
    expect(headers['content-type']).toBe('application/problem+json')
    expect(headers['retry-after']).toBe('1')
    expect(JSON.parse(body)).toMatchObject({ category: 'UNAVAILABLE' })
  }
  expect(pidOf(await knative.call())).not.toBe(first)
  expect(knative.scalings).toEqual(['0->1'])
})

test('a large upload to a pod that dies is answered before it is through', async ({ world, expect }) => {
  const knative = await world.start()
  const answer = await knative.call({ method: 'POST', path: '/die', body: Buffer.alloc(5_000_000) })
  expect(answer.status).toBe(503)
})

test('a function that cannot start answers 503 with the reason, instead of a wait for nothing', async ({
  world,
  expect,
}) => {
  const knative = await world.start({ environment: { EXIT_AT_START: '3' } })
  const answer = await knative.call()
  expect(answer.status).toBe(503)
  expect(JSON.parse(answer.body)).toMatchObject({
    code: 'DEPENDENCY_UNAVAILABLE',
    message: 'Cannot start function "hello": exit code 3',
  })
})

test('a host that is no function is 404', async ({ world, expect }) => {
  const knative = await world.start()
  const answer = await knative.call({ host: 'nobody.kgents.svc.cluster.local' })
  expect(answer.status).toBe(404)
  expect(JSON.parse(answer.body)).toMatchObject({ category: 'NOT_FOUND', code: 'ROUTE_NOT_FOUND' })
})

test('a function answers to all its cluster names, with and without a port', async ({ world, expect }) => {
  const knative = await world.start()
  const names = [
    'hello',
    'hello.kgents',
    'hello.kgents.svc',
    'hello.kgents.svc.cluster.local',
    'Hello.kgents:80',
  ]
  for (const host of names) {
    const answer = await knative.call({ host })
    expect(JSON.parse(answer.body)).toMatchObject({ headers: { host } })
  }
})

test('headers about one connection are not passed on', async ({ world, expect }) => {
  const knative = await world.start()
  const headers = { connection: 'close, x-secret', 'x-secret': '1', te: 'trailers', 'x-kept': '2' }
  const answer = await knative.call({ headers })
  const received = (JSON.parse(answer.body) as { headers: Record<string, string> }).headers
  expect(received).toMatchObject({ 'x-kept': '2', connection: 'keep-alive' })
  expect(received).not.toHaveProperty('x-secret')
  expect(received).not.toHaveProperty('te')
})

test('close() lets requests in flight finish, and leaves no process behind', async ({ world, expect }) => {
  const knative = await world.start()
  await knative.call()
  const [pid] = knative.pids()
  const slow = knative.call({ path: '/wait?ms=2000' })
  await eventually(() => expect(knative.status().functions.hello?.inFlight).toBe(1))
  await knative.close()
  expect((await slow).status).toBe(200)
  expect(isAlive(pid ?? 0)).toBe(false)
})

test('close() answers requests that still wait for a pod', async ({ world, expect }) => {
  const knative = await world.start({ environment: { EXIT_AT_START: '1' }, timeScale: 1 })
  const waiting = knative.call()
  await eventually(() => expect(knative.status().functions.hello?.waiting).toBe(1))
  await knative.close()
  expect((await waiting).status).toBe(503)
})

test('min-scale keeps pods from the start, without a request', async ({ world, expect }) => {
  const knative = await world.start({ scale: { minScale: 2 } })
  await eventually(() => expect(readyPods(knative)).toBe(2))
  expect(knative.scalings).toEqual(['0->2'])
})

test('GET /status tells pods, requests and mode of every function', async ({ world, expect }) => {
  const knative = await world.start()
  const pid = pidOf(await knative.call())
  await eventually(async () => {
    const answer = await knative.call({ host: 'activator.kgents.svc.cluster.local', path: '/status' })
    expect(JSON.parse(answer.body)).toMatchObject({
      functions: {
        hello: { desired: 1, inFlight: 0, waiting: 0, pods: [{ pid, state: 'ready', inFlight: 0 }] },
      },
      deliveries: 0,
    })
  })
})

test('GET /endpoints tells who may be called without the activator, as it changes', async ({
  world,
  expect,
}) => {
  const knative = await world.start()
  const outgoing = request({
    port: knative.port,
    path: '/endpoints',
    headers: { host: 'activator.kgents' },
  }).end()
  const [response] = await once(outgoing, 'response')
  const lines: unknown[] = []
  const parser = createParser({ onEvent: ({ data }) => lines.push(JSON.parse(data)) })
  response.setEncoding('utf8').on('data', (chunk: string) => parser.feed(chunk))
  await knative.call()
  const [pod] = knative.status().functions.hello?.pods ?? []
  const direct = { reportMilliseconds: 20, functions: { hello: [`127.0.0.1:${pod?.port}`] } }
  await eventually(() => expect(lines).toEqual([{ reportMilliseconds: 20, functions: {} }, direct]))
  process.kill(pod?.pid ?? 0, 'SIGKILL')
  await eventually(() => expect(lines[2]).toMatchObject({ functions: {} }))
})

test('POST /concurrency keeps a function up that is only called without the activator', async ({
  world,
  expect,
}) => {
  const knative = await world.start({ scale: { maxScale: 2 } })
  const pid = pidOf(await knative.call())
  const report = () =>
    knative.call({ host: 'activator.kgents', method: 'POST', path: '/concurrency', body: '{"hello":150}' })
  await vi.waitFor(
    async () => {
      expect((await report()).status).toBe(204)
      expect(readyPods(knative)).toBe(2)
    },
    { timeout: 30_000, interval: 20 },
  )
  expect(isAlive(pid)).toBe(true)
  const garbled = await knative.call({
    host: 'activator.kgents',
    method: 'POST',
    path: '/concurrency',
    body: '{',
  })
  expect(garbled.status).toBe(400)
})

/** A pod that is to start takes its time, also of a request that may not take long. */
function untilAwake(knative: Running): Promise<void> {
  return eventually(async () => {
    const { status } = await knative.call()
    if (status !== 200) throw new Error(`It answers ${status}`)
  })
}

function readyPods(knative: Running): number {
  return (knative.status().functions.hello?.pods ?? []).filter(({ state }) => state === 'ready').length
}
