import postgres from 'postgres'
import { expect, onTestFinished } from 'vitest'
import { eventually, test, type World } from './world.ts'

/** Counts the notifications that writers send. */
async function listen(world: World): Promise<{ count: number }> {
  const heard = { count: 0 }
  const ear = postgres(world.ownerUrl, { max: 1 })
  onTestFinished(() => ear.end())
  await ear.listen('outbox', () => (heard.count += 1))
  return heard
}

const isAsleep = async (world: World) => (await world.owner`select from relay_sleep`).length === 1

test('writers notify only while the relay sleeps, and that wakes it', async ({ world }) => {
  const heard = await listen(world)
  await world.emits(5)
  expect(heard.count).toBe(0)
  const relay = world.startRelay()
  await eventually(async () => expect(await isAsleep(world)).toBe(true))
  await world.emits(1)
  await eventually(() => expect(heard.count).toBe(1))
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  await eventually(async () => {
    await world.emits(1)
    expect(relay.value('relay_wakes_total{by="notify"}')).toBeGreaterThan(0)
  })
})

test('a busy relay costs writers no notification', async ({ world }) => {
  world.startRelay()
  await eventually(async () => expect(await isAsleep(world)).toBe(true))
  const heard = await listen(world)
  await world.emitsAtOnce(5000)
  await eventually(async () => expect(await isAsleep(world)).toBe(false))
  const whileBusy = heard.count
  await world.emits(20)
  expect(await world.unpublished()).toBeGreaterThan(0)
  expect(heard.count).toBe(whileBusy)
})

test('without any notification an event is found by polling', async ({ world }) => {
  await world.owner`drop trigger outbox_wakes_relay on outbox`
  const relay = world.startRelay()
  await eventually(async () => expect(await isAsleep(world)).toBe(true))
  await world.emits(1)
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  expect(relay.value('relay_wakes_total{by="notify"}')).toBe(0)
})
