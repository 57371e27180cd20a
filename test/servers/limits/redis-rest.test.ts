import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { inject, test as base } from 'vitest'
import { openRedisRest } from '../../../shared/limits/redis-rest.ts'

const text = `return redis.call('INCRBY', KEYS[1], ARGV[1])`

interface Asked {
  url: string | undefined
  authorization: string | undefined
  body: unknown
}

const test = base.extend<{
  answering: (status: number, answer: string) => Promise<{ url: string; asked: Asked[] }>
}>({
  /** A server in the place of Upstash. */
  answering: async ({}, use) => {
    const server = createServer()
    await use(async (status, answer) => {
      const asked: Asked[] = []
      server.on('request', async (request: IncomingMessage, response) => {
        const { url, headers } = request
        asked.push({ url, authorization: headers.authorization, body: await json(request) })
        response.writeHead(status).end(answer)
      })
      await once(server.listen(0, '127.0.0.1'), 'listening')
      return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
    })
    server.closeAllConnections()
    server.close()
  },
})

test('openRedisRest() runs a script that Redis does not know yet, and answers in order', async ({
  expect,
}) => {
  const { restUrl: url, restToken: token } = inject('servers').redis
  const run = openRedisRest({ url, token, timeoutMs: 5000 })
  const script = { text, sha: '0'.repeat(40) } // nothing has this hash
  const [one, two] = [randomUUID(), randomUUID()]
  expect(
    await run(
      script,
      [one, two, one].map((key, at) => ({ key, args: [String(at + 1)] })),
    ),
  ).toEqual([1, 2, 4])
})

test('openRedisRest() throws what Redis refuses', async ({ expect }) => {
  const { restUrl: url, restToken: token } = inject('servers').redis
  const runs = [{ key: randomUUID(), args: ['no number'] }]
  await expect(
    openRedisRest({ url, token, timeoutMs: 5000 })({ text, sha: '0'.repeat(40) }, runs),
  ).rejects.toThrow('ERR')
  await expect(
    openRedisRest({ url, token: 'wrong', timeoutMs: 5000 })({ text, sha: '' }, runs),
  ).rejects.toThrow('401')
})

test('openRedisRest() keeps the path of its address', async ({ answering, expect }) => {
  const { url, asked } = await answering(200, '[{"result":1}]')
  const run = openRedisRest({ url: `${url}/redis/`, token: 'secret', timeoutMs: 5000 })
  expect(await run({ text, sha: 'abc' }, [{ key: 'k', args: ['5'] }])).toEqual([1])
  const body = [['evalsha', 'abc', 1, 'k', '5']]
  expect(asked).toEqual([{ url: '/redis/pipeline', authorization: 'Bearer secret', body }])
})

test.for([
  [500, '[{"result":1}]'],
  [200, 'no JSON'],
  [200, '[]'],
  [200, '{"error":"none"}'],
] as const)('openRedisRest() throws on the answer %s %s', async ([status, answer], { answering, expect }) => {
  const { url } = await answering(status, answer)
  const run = openRedisRest({ url, token: '', timeoutMs: 5000 })
  await expect(run({ text, sha: 'abc' }, [{ key: 'k', args: [] }])).rejects.toThrow()
})
