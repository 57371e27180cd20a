import postgres from 'postgres'
import { expect, onTestFinished } from 'vitest'
import { eventually } from '../../eventually.ts'
import { test, type World } from './world.ts'

/** Counts the notifications that writers send, and keeps what the last one said. */
async function listen(world: World): Promise<{ count: number; last: string }> {
  const heard = { count: 0, last: '' }
  const ear = postgres(world.ownerUrl, { max: 1 })
  onTestFinished(() => ear.end())
  await ear.listen('outbox', (said) => Object.assign(heard, { count: heard.count + 1, last: said }))
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
    expect(await relay.value('relay_wakes_total{by="notify"}')).toBeGreaterThan(0)
  })
})

test('a busy relay costs writers no notification', async ({ world }) => {
  world.startRelay()
  await eventually(async () => expect(await isAsleep(world)).toBe(true))
  const heard = await listen(world)
  // An older transaction that has written as well: the relay stays awake until it ends.
  const slow = await world.owner.reserve()
  await slow`begin`
  await world.emits(1, slow)
  await world.emits(1)
  await eventually(async () => expect(await isAsleep(world)).toBe(false))
  await world.emits(20)
  expect(await world.unpublished()).toBe(21)
  // What was notified before is heard before: then the twenty would have been heard by now.
  await world.owner`select pg_notify('outbox', 'the end')`
  await eventually(() => expect(heard.last).toBe('the end'))
  expect(heard.count).toBe(2)
  await slow`commit`
  slow.release()
  await eventually(async () => expect(await world.unpublished()).toBe(0))
})

test('without any notification an event is found by polling', async ({ world }) => {
  await world.owner`drop trigger outbox_wakes_relay on outbox`
  const relay = world.startRelay()
  await eventually(async () => expect(await isAsleep(world)).toBe(true))
  await world.emits(1)
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  expect(await relay.value('relay_wakes_total{by="notify"}')).toBe(0)
})
