import { expect } from 'vitest'
import { eventually, until } from '../../eventually.ts'
import { test, type RunningRelay, type World } from './world.ts'

const GAUGE = /^relay_jobs_unfinished (\d+)$/m

/** What a relay reports; undefined where it reports nothing. */
async function reportedBy(relay: RunningRelay): Promise<number | undefined> {
  const [, value] = GAUGE.exec(await relay.metrics.render()) ?? []
  return value === undefined ? undefined : Number(value)
}

async function takeJob(world: World) {
  const workers = await world.nc.jetstream().consumers.get('INFERENCE', 'workers')
  return until(async () => (await workers.next({ expires: 1000 })) ?? undefined)
}

test('jobs count as unfinished while they wait, are queued or run, and the greatest of two relays is all of them', async ({
  world,
}) => {
  for (let n = 0; n < 5; n += 1) await world.queuesJob()
  const relays = [world.startRelay(), world.startRelay()]
  const reported = () => Promise.all(relays.map(reportedBy))
  const inAnyOrder = async (...values: number[]) =>
    eventually(async () => expect((await reported()).toSorted((a = 0, b = 0) => a - b)).toEqual(values))
  // The relay that stands by counts the queue alone.
  await inAnyOrder(1, 5)
  const running = await takeJob(world)
  await running.ackAck()
  await inAnyOrder(1, 4)
  const [first = 0, second = 0] = await reported()
  const [leader, standby] = first > second ? relays : relays.toReversed()
  await leader?.stop()
  await eventually(async () => expect(standby && (await reportedBy(standby))).toBe(4))
  expect(await leader?.metrics.render()).not.toMatch(/^relay_jobs_waiting\{/m)
  for (let n = 0; n < 4; n += 1) await (await takeJob(world)).ackAck()
  await eventually(async () => expect(standby && (await reportedBy(standby))).toBe(0))
})

test('a relay that cannot count the queue reports no number, neither before the first nor after the last', async ({
  world,
}) => {
  await world.killNats()
  const relay = world.startRelay()
  expect(await reportedBy(relay)).toBeUndefined()
  await world.startNatsAgain()
  await eventually(async () => expect(await reportedBy(relay)).toBe(0))
  await world.killNats()
  await eventually(async () => expect(await reportedBy(relay)).toBeUndefined())
  await world.startNatsAgain()
})
