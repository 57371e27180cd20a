import { once } from 'node:events'
import { expect } from 'vitest'
import { eventually } from '../../eventually.ts'
import { endProcess, test, type RunningRelay, type World } from './world.ts'

/** Sessions that hold the relay's lock, or none. */
async function leaders(world: World): Promise<number[]> {
  const rows = await world.owner<{ pid: number }[]>`
    select l.pid from pg_locks l join pg_database d on d.oid = l.database
    where l.locktype = 'advisory' and l.granted and d.datname = current_database()`
  return rows.map((row) => row.pid)
}

async function endSessions(world: World): Promise<void> {
  await eventually(async () => {
    const ended = await world.owner`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name like 'kgents-relay%' and datname = current_database()`
    expect(ended).toHaveLength(0)
  })
}

const isLeading = async (relay: RunningRelay) => (await relay.value('relay_leading')) === 1

test('a relay killed between publish and mark: the next one publishes again, and the stream holds each event once', async ({
  world,
}) => {
  const ids = await world.emits(50)
  const lock = await world.owner.reserve()
  await lock`begin`
  await lock`select from outbox for update`
  const relay = await world.spawnRelay()
  await eventually(async () => expect(await world.count('EVENTS')).toBe(50))
  await endProcess(relay, 'SIGKILL')
  // PostgreSQL would finish the statement of a client that is gone.
  await endSessions(world)
  await lock`rollback`
  lock.release()
  expect(await world.unpublished()).toBe(50)
  world.startRelay()
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  expect(await world.stored('EVENTS')).toEqual(ids)
})

test('of two relays one drains the database, and the other takes over when it stops', async ({ world }) => {
  const relays = [world.startRelay(), world.startRelay()]
  await eventually(async () => expect(await Promise.all(relays.map(isLeading))).toContain(true))
  expect(await leaders(world)).toHaveLength(1)
  const first = await world.emits(10)
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  const leads = await Promise.all(relays.map(isLeading))
  const leader = relays.find((_, at) => leads[at])
  const standby = relays.find((relay) => relay !== leader)
  await eventually(async () => expect(await leader?.value('relay_published_total')).toBe(10))
  expect(await standby?.value('relay_published_total')).toBe(0)
  await leader?.stop()
  const second = await world.emits(10)
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  await eventually(async () =>
    expect(await standby?.value('relay_published_total')).toBeGreaterThanOrEqual(10),
  )
  expect(await world.stored('EVENTS')).toEqual([...first, ...second])
})

test('a relay that loses its session stops, and leads again when it gets the lock again', async ({
  world,
}) => {
  const relay = world.startRelay()
  await world.emits(3)
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  const [pid] = await leaders(world)
  await endSessions(world)
  await world.emits(3)
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  const [next] = await leaders(world)
  expect(next).not.toBe(pid)
  expect(await relay.value('relay_leading')).toBe(1)
  expect(await world.stored('EVENTS')).toHaveLength(6)
})

test('a database that is away does not stop the others', async ({ world }) => {
  const away = new URL(world.relayUrl)
  away.port = '1'
  world.startRelay({ RELAY_DATABASE_URLS: `${away.href},${world.relayUrl}` })
  await world.emits(5)
  await eventually(async () => expect(await world.unpublished()).toBe(0))
})

test('a relay is ready when it reaches NATS and each database, whether it leads or stands by', async ({
  world,
}) => {
  world.startRelay()
  await eventually(async () => expect(await leaders(world)).toHaveLength(1))
  const other = new URL(world.relayUrl)
  other.port = '1'
  const standby = await world.spawnRelay({ RELAY_DATABASE_URLS: `${other.href},${world.relayUrl}` })
  const ready = async () => {
    const answer = await fetch(`http://127.0.0.1:${standby.port}/health/ready`)
    return { code: answer.status, body: await answer.json() }
  }
  const { host, pathname } = new URL(world.relayUrl)
  await eventually(async () =>
    expect(await ready()).toEqual({
      code: 503,
      body: {
        status: 'unavailable',
        dependencies: {
          [`${other.host}${pathname}`]: 'unavailable',
          [`${host}${pathname}`]: 'ok',
          nats: 'ok',
        },
      },
    }),
  )
  standby.kill('SIGTERM')
})

test('SIGTERM: the relay finishes, takes its word about sleeping back, and exits with 0', async ({
  world,
}) => {
  const relay = await world.spawnRelay()
  await eventually(async () => expect(await world.owner`select from relay_sleep`).toHaveLength(1))
  const health = await fetch(`http://127.0.0.1:${relay.port}/health/live`)
  expect(health.status).toBe(200)
  expect((await fetch(`http://127.0.0.1:${relay.port}/health/ready`)).status).toBe(200)
  const metrics = await (await fetch(`http://127.0.0.1:${relay.port}/metrics`)).text()
  expect(metrics).toMatch(/^relay_leading\{database="[^"]+"\} 1$/m)
  expect(metrics).not.toContain(new URL(world.relayUrl).password)
  const exited = once(relay, 'exit')
  relay.kill('SIGTERM')
  expect(await exited).toEqual([0, null])
  expect(await world.owner`select from relay_sleep`).toHaveLength(0)
})
