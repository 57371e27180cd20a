import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { Redis } from '@upstash/redis'
import { test as base } from 'vitest'
import type { RedisServer } from '../../../knative/local/servers/redis.ts'
import { eventually } from '../../eventually.ts'
import { makeStateFolder, startTestRedis, startTestRedisRest, type RedisRestServer } from '../servers.ts'

interface World {
  state: string
  redis: RedisServer
  rest: RedisRestServer
  /** The client library that functions use. */
  client: Redis
  /** What the library would not send. */
  post(
    path: string,
    body: string,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: unknown }>
}

const test = base.extend<{ world: World }>({
  world: [
    // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
    async ({}, use) => {
      const { state, remove } = await makeStateFolder()
      const redis = await startTestRedis(state)
      const rest = await startTestRedisRest(state, redis.url)
      const { restUrl: url, restToken: token } = rest
      const client = new Redis({ url, token, retry: { retries: 0 }, enableTelemetry: false })
      const post: World['post'] = async (path, body, headers) => {
        const authorization = `Bearer ${token}`
        const answer = await fetch(url + path, {
          method: 'POST',
          headers: { authorization, ...headers },
          body,
        })
        return { status: answer.status, body: await answer.json() }
      }
      await use({ state, redis, rest, client, post })
      await rest.stop()
      await redis.stop()
      await remove()
    },
    { scope: 'file' },
  ],
})

test('the REST front answers the client library as Upstash does', async ({ world: { client }, expect }) => {
  expect(await client.set('greeting', 'grüß dich 👋')).toBe('OK')
  expect(await client.get('greeting')).toBe('grüß dich 👋')
  expect(await client.get('nothing')).toBeNull()
  expect(await client.set('word', 'OK')).toBe('OK')
  expect(await client.get('word')).toBe('OK')
  expect(await client.hset('person', { name: 'Ada', born: 1815 })).toBe(2)
  expect(await client.hgetall('person')).toEqual({ name: 'Ada', born: 1815 })
  expect(await client.eval('return {1, ARGV[1], {KEYS[1]}}', ['a key'], ['an argument'])).toEqual([
    1,
    'an argument',
    ['a key'],
  ])
  expect(await client.ping()).toBe('PONG')
})

test('/pipeline answers each command for itself; a refused one does not stop the others', async ({
  world: { post },
  expect,
}) => {
  const commands = [
    ['SET', 'text', 'abc'],
    ['INCR', 'text'],
    ['GET', 'text'],
  ]
  expect(await post('/pipeline', JSON.stringify(commands))).toEqual({
    status: 200,
    body: [{ result: 'OK' }, { error: 'ERR value is not an integer or out of range' }, { result: 'abc' }],
  })
})

test('/multi-exec does all commands or none', async ({ world: { client, post }, expect }) => {
  const [before, after] = await client.multi().set('balance', 10).incrby('balance', 5).exec()
  expect([before, after]).toEqual(['OK', 15])
  const halfWrong = [['SET', 'balance', '0'], ['NOSUCHCOMMAND']]
  const refused = await post('/multi-exec', JSON.stringify(halfWrong))
  expect(refused).toMatchObject({ status: 400, body: { error: expect.stringContaining('NOSUCHCOMMAND') } })
  expect(await client.get('balance')).toBe(15)
})

test('transactions of many callers do not mix on the shared connection', async ({
  world: { client },
  expect,
}) => {
  const add = (n: number) => client.multi().incrby('sum', n).incrby('sum', -n).exec<[number, number]>()
  const results = await Promise.all(Array.from({ length: 200 }, (_, n) => add(n)))
  expect(results.every(([, after]) => after === 0)).toBe(true)
})

test('the REST front lets nobody in without the token', async ({ world: { post, client }, expect }) => {
  const wrong = { status: 401, body: { error: 'Unauthorized' } }
  expect(await post('/', '["FLUSHALL"]', { authorization: 'Bearer wrong' })).toEqual(wrong)
  expect(await post('/', '["FLUSHALL"]', { authorization: '' })).toEqual(wrong)
  expect(await client.exists('greeting')).toBe(1)
})

test.for([
  ['no JSON', '{', 'ERR the body is not JSON'],
  ['no command', '{"GET": "key"}', 'ERR the body is not a command, such as ["GET", "key"]'],
  ['an empty command', '[]', 'ERR the body is not a command, such as ["GET", "key"]'],
  ['a command that waits', '["BLPOP", "key", 0]', 'ERR "BLPOP" is not available over REST'],
  [
    'a command that waits when told to',
    '["xread", "block", 0, "streams", "s", "$"]',
    'ERR "xread" is not available over REST',
  ],
  ['a command that changes the connection', '["SELECT", 1]', 'ERR "SELECT" is not available over REST'],
  ['a subscription', '["SUBSCRIBE", "channel"]', 'ERR "SUBSCRIBE" is not available over REST'],
] as const)('the REST front refuses %s', async ([, body, error], { world: { post }, expect }) => {
  expect(await post('/', body)).toEqual({ status: 400, body: { error } })
})

test('the REST front refuses a body that is too large, and unknown paths', async ({
  world: { post },
  expect,
}) => {
  const large = JSON.stringify(['SET', 'key', 'x'.repeat(9 * 1024 * 1024)])
  expect(await post('/', large)).toMatchObject({ status: 413 })
  expect(await post('/get/key', '[]')).toMatchObject({ status: 404 })
})

test('the REST front answers 503 at once while Redis is unavailable, and finds it again', async ({
  world,
  expect,
}) => {
  const { client, post, redis, rest, state } = world
  const port = Number(new URL(redis.url).port)
  await client.set('kept', 1)
  await redis.kill()
  await eventually(async () => expect(await post('/', '["PING"]')).toMatchObject({ status: 503 }))
  expect((await fetch(`${rest.restUrl}/health/live`)).status).toBe(200)
  expect((await fetch(`${rest.restUrl}/health/ready`)).status).toBe(503)
  const started = performance.now()
  for (let n = 0; n < 20; n += 1) {
    expect(await post('/', '["PING"]')).toEqual({ status: 503, body: { error: 'Redis is unavailable' } })
  }
  expect(performance.now() - started).toBeLessThan(10_000) // waiting for Redis each time would be longer

  const again = await startTestRedis(state, port)
  await eventually(async () => expect(await client.ping()).toBe('PONG'))
  await again.stop()
})

test('the REST front answers 503 when Redis falls silent', async ({ world: { state }, expect }) => {
  const redis = await startTestRedis(`${state}/silent`)
  const rest = await startTestRedisRest(`${state}/silent`, redis.url)
  const headers = { authorization: `Bearer ${rest.restToken}` }
  const ask = () => fetch(rest.restUrl, { method: 'POST', headers, body: '["PING"]' })
  await eventually(async () => expect((await ask()).status).toBe(200))
  process.kill(redis.pid, 'SIGSTOP')
  expect((await ask()).status).toBe(503)
  process.kill(redis.pid, 'SIGCONT')
  await eventually(async () => expect((await ask()).status).toBe(200))
  await rest.stop()
  await redis.stop()
})

test('the REST front finishes what it was asked when it is told to stop', async ({
  world: { state, redis },
  expect,
}) => {
  const again = await startTestRedis(state, Number(new URL(redis.url).port))
  const rest = await startTestRedisRest(`${state}/stop`, again.url)
  const headers = { authorization: `Bearer ${rest.restToken}`, expect: '100-continue' }
  const unfinished = request(rest.restUrl, { method: 'POST', headers })
  unfinished.flushHeaders()
  await once(unfinished, 'continue') // it has begun to read
  const stopped = rest.stop()
  await eventually(async () => await expect(fetch(rest.restUrl)).rejects.toThrow('fetch failed'))
  unfinished.end('["PING"]')
  const [answer] = (await once(unfinished, 'response')) as [IncomingMessage]
  expect(await json(answer)).toEqual({ result: 'PONG' })
  await stopped
  expect(await rest.exited).toEqual({ code: 0, signal: null })
  await again.stop()
})
