import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { lstat, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { test as base } from 'vitest'
import { startPostgres, type PostgresServer } from '../../../knative/local/servers/postgres.ts'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { makeStateFolder, startTestPostgres } from '../servers.ts'

/** One folder for all tests of this file: preparing one takes longer than they do. */
const test = base.extend<{ state: string }>({
  state: [
    // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
    async ({}, use) => {
      const { state, remove } = await makeStateFolder()
      await use(state)
      await remove()
    },
    { scope: 'file' },
  ],
})

test('startPostgres() keeps what was committed through a kill, and starts again on the same folder', async ({
  state,
  expect,
}) => {
  const first = await startTestPostgres(state)
  await query(first, `create table kept (word text); insert into kept values ('committed')`)
  await first.kill()
  expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' })

  const second = await startTestPostgres(state)
  expect(await query(second, 'select word from kept')).toEqual([{ word: 'committed' }])
  await second.stop()
  expect(await second.exited).toEqual({ code: 0, signal: null })
})

test('startPostgres() starts over a lock file whose process number something else has now', async ({
  state,
  expect,
}) => {
  const first = await startTestPostgres(state)
  await first.kill()
  const lock = join(state, 'postgres', 'data', 'postmaster.pid')
  const [, ...rest] = readFileSync(lock, 'utf8').split('\n')
  writeFileSync(lock, [String(process.ppid), ...rest].join('\n'))

  const second = await startTestPostgres(state)
  expect(await query(second, 'select 1 as one')).toEqual([{ one: 1 }])
  await second.stop()
})

test('startPostgres() leaves a running server alone, and starts when that has ended', async ({
  state,
  expect,
}) => {
  const first = await startTestPostgres(state)
  const lock = join(state, 'postgres', 'data', 'postmaster.pid')
  const before = readFileSync(lock, 'utf8')
  const [port = 0] = await findFreePorts(1)
  const starting = startTestPostgres(state, port)
  expect(readFileSync(lock, 'utf8')).toBe(before)
  await first.stop()
  const second = await starting
  expect(await query(second, 'select 1 as one')).toEqual([{ one: 1 }])
  await second.stop()
})

test('startPostgres() repeats a first start that was interrupted', async ({ expect }) => {
  const { state, remove } = await makeStateFolder()
  await mkdir(join(state, 'postgres', 'data.new'), { recursive: true })
  writeFileSync(join(state, 'postgres', 'data.new', 'PG_VERSION'), '18\n')
  const server = await startTestPostgres(state)
  expect(await query(server, 'select 1 as one')).toEqual([{ one: 1 }])
  await server.stop()
  await remove()
})

test('startPostgres() listens on the loopback address only, wants the password, and is durable', async ({
  state,
  expect,
}) => {
  const server = await startTestPostgres(state)
  expect(await query(server, 'show listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }])
  expect(await query(server, 'show fsync')).toEqual([{ fsync: 'on' }])
  expect(await query(server, 'show synchronous_commit')).toEqual([{ synchronous_commit: 'on' }])
  expect(await query(server, 'show max_connections')).toEqual([{ max_connections: '200' }])
  const guess = new URL(server.url)
  guess.password = 'a guess'
  await expect(query({ ...server, url: guess.href }, 'select 1')).rejects.toMatchObject({ code: '28P01' })
  await server.stop()
})

test('startPostgres() says why it cannot start, with the end of the log, and leaves nothing behind', async ({
  state,
  expect,
}) => {
  const server = await startTestPostgres(state)
  const port = Number(new URL(server.url).port)
  const { state: other, remove } = await makeStateFolder()
  await expect(startTestPostgres(other, port)).rejects.toThrow(/^Cannot start PostgreSQL: /)
  await server.stop()
  await remove()

  const [freePort = 0] = await findFreePorts(1)
  const wrong = startPostgres({ state, port: freePort, password: 'another password' })
  await expect(wrong).rejects.toThrow(/Cannot start PostgreSQL: password authentication failed/)
  const again = await startTestPostgres(state)
  await again.stop()
})

test('startPostgres() started by root runs as another user, inside a state folder that is closed to others', async ({
  state,
  expect,
}) => {
  const server = await startTestPostgres(state)
  const inside = await lstat(join(state, 'postgres'))
  expect(inside.isSymbolicLink()).toBe(false)
  expect(inside.mode & 0o077).toBe(0)
  const isRoot = process.getuid?.() === 0
  if (isRoot) expect(inside.uid).not.toBe(0)
  expect(existsSync(join(state, 'postgres', 'password'))).toBe(false)
  await server.stop()
})

async function query({ url }: Pick<PostgresServer, 'url'>, text: string): Promise<unknown[]> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  try {
    return [...(await sql.unsafe(text))]
  } finally {
    await sql.end()
  }
}
