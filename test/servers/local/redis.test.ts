import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { test as base } from 'vitest'
import { startRedis } from '../../../knative/local/servers/redis.ts'
import { makeStateFolder, startTestRedis } from '../servers.ts'

const test = base.extend<{ state: string }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  state: async ({}, use) => {
    const { state, remove } = await makeStateFolder()
    await use(state)
    await remove()
  },
})

test('startRedis() asks for the password, listens on the loopback address, and writes nothing to disk', async ({
  state,
  expect,
}) => {
  const server = await startTestRedis(state)
  const redis = new Redis(server.url)
  expect(await redis.config('GET', 'bind')).toEqual(['bind', '127.0.0.1'])
  expect(await redis.config('GET', 'save')).toEqual(['save', ''])
  const stranger = new Redis(new URL(server.url).port, { retryStrategy: () => null })
  stranger.on('error', () => undefined)
  await expect(stranger.get('key')).rejects.toThrow(/NOAUTH/)
  stranger.disconnect()

  await redis.set('key', 'value')
  redis.disconnect()
  await server.kill()
  const again = await startTestRedis(state)
  const after = new Redis(again.url)
  expect(await after.get('key')).toBeNull()
  after.disconnect()
  await again.stop()
})

test('startRedis() waits for a server of an earlier run, whatever that calls itself', async ({
  state,
  expect,
}) => {
  const first = await startTestRedis(state)
  let hasEnded = false
  void first.exited.then(() => (hasEnded = true))
  const starting = startTestRedis(state).then((second) => ({ second, hadEnded: hasEnded }))
  await first.stop()
  const { second, hadEnded } = await starting
  await second.stop()
  expect(hadEnded).toBe(true)
})

test('startRedis() prefers a server on the PATH, and says so when that cannot run', async ({
  state,
  expect,
}) => {
  const bin = join(state, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'redis-server'), '#!/bin/sh\necho "this one was chosen" >&2\nexit 1\n', {
    mode: 0o755,
  })
  const options = { state, port: 1, password: 'p', cache: join(state, 'cache'), env: { PATH: bin } }
  await expect(startRedis(options)).rejects.toThrow(
    /Cannot start Redis: ended with code 1\n {2}\| this one was chosen/,
  )
})
