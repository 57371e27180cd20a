import { expect } from 'vitest'
import { STREAMS, type StreamName } from '../../../shared/nats/streams.ts'
import { inferenceSubject } from '../../../shared/nats/subjects.ts'
import { eventually, until } from '../../eventually.ts'
import { test, type World } from './world.ts'

/** A crowd of writers that goes on until it is told to stop; resolves with the ids that were committed. */
function writeUntil(stopped: { now: boolean }, world: World): Promise<string[]> {
  const writer = async () => {
    const ids: string[] = []
    while (!stopped.now) ids.push(...(await world.emitsAtOnce(10)))
    return ids
  }
  return Promise.all([writer(), writer()]).then((written) => written.flat())
}

async function storedInAll(world: World): Promise<string[]> {
  return [...(await world.stored('AGENTESE')), ...(await world.stored('EVENTS'))]
}

test('NATS killed and restarted under load: calls succeed, and every event arrives exactly once', async ({
  world,
}) => {
  world.startRelay()
  const stopped = { now: false }
  const writing = writeUntil(stopped, world)
  for (let round = 0; round < 2; round += 1) {
    const before = await world.count('EVENTS')
    await eventually(async () => expect(await world.count('EVENTS')).toBeGreaterThan(before + 100))
    await world.killNats()
    await eventually(async () => expect(await world.unpublished()).toBeGreaterThan(100))
    await world.startNatsAgain()
  }
  stopped.now = true
  const written = await writing
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  const stored = await storedInAll(world)
  expect(stored).toHaveLength(written.length)
  expect(new Set(stored)).toEqual(new Set(written))
})

test('streams that were lost are made again, and the events of the last hour are published again', async ({
  world,
}) => {
  world.startRelay()
  const before = await world.emits(30)
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  await world.killNats()
  const meanwhile = await world.emits(5)
  await world.startNatsAgain({ empty: true })
  await eventually(async () => expect(await world.count('EVENTS')).toBe(35))
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  expect(await world.stored('EVENTS')).toEqual([...before, ...meanwhile])
  for (const name of Object.keys(STREAMS) as StreamName[]) await world.jsm.streams.info(name)
  await world.jsm.consumers.info('INFERENCE', 'workers')
})

test('TOKENS, which is in memory, is there again soon after a restart', async ({ world }) => {
  world.startRelay()
  await eventually(async () => world.jsm.streams.info('TOKENS'))
  await world.killNats()
  await world.startNatsAgain()
  await eventually(async () => world.jsm.streams.info('TOKENS'))
})

test('jobs that were lost with INFERENCE are queued again, unless they are finished', async ({ world }) => {
  world.startRelay()
  const waiting = await world.queuesJob()
  const running = await world.queuesJob()
  const finished = await world.queuesJob()
  // Two are taken, so that the third lies ready.
  const worker = await eventually(() => world.nc.jetstream().consumers.get('INFERENCE', 'workers'))
  for (let taken = 0; taken < 2; taken++)
    await until(async () => (await worker.next({ expires: 1000 })) ?? undefined)
  await eventually(async () => expect(await world.count('INFERENCE')).toBe(3))
  await world.owner`update jobs set status = 'running' where id = ${running}`
  await world.owner`update jobs set status = 'completed' where id = ${finished}`
  await world.killNats()
  await world.startNatsAgain({ empty: true })
  await eventually(async () => expect(await world.count('INFERENCE')).toBe(2))
  for (const job of [waiting, running]) {
    await world.jsm.streams.getMessage('INFERENCE', { last_by_subj: inferenceSubject(world.tenant, job) })
  }
})
