import { expect } from 'vitest'
import { fromNats } from '../../../shared/nats/event-message.ts'
import { JOB_ATTEMPTS } from '../../../shared/nats/streams.ts'
import { eventSubject } from '../../../shared/nats/subjects.ts'
import { verifyEvent } from '../../../shared/events/event.ts'
import { JobMessage } from '../../../shared/inference/messages.ts'
import { eventually, until } from '../../eventually.ts'
import { SIGNING_KEY, test, type World } from './world.ts'

const FAILED = 'io.kgents.inference.failed'

async function admitted(world: World): Promise<string[]> {
  const rows = await world.owner<{ id: string }[]>`
    select id from jobs where admitted_at is not null order by xid, seq`
  return rows.map((row) => row.id)
}

async function queueJobs(world: World, count: number): Promise<string[]> {
  const ids: string[] = []
  for (let n = 0; n < count; n += 1) ids.push(await world.queuesJob())
  return ids
}

/** The next job; waits for it as long as it takes. */
async function takeJob(world: World) {
  return until(async () => (await takeNow(world)) ?? undefined)
}

/** A job if there is one; null where a second passed without. */
async function takeNow(world: World) {
  const worker = await world.nc.jetstream().consumers.get('INFERENCE', 'workers')
  return worker.next({ expires: 1000 })
}

test('jobs of one tenant are admitted first come first served: one lies ready, and never more than the cap', async ({
  world,
}) => {
  const ids = await queueJobs(world, 6)
  world.startRelay({ JOBS_IN_FLIGHT: '3' })
  const running: Awaited<ReturnType<typeof takeJob>>[] = []
  const taken: string[] = []
  for (let n = 1; n <= 6; n += 1) {
    await eventually(async () => expect(await admitted(world)).toEqual(ids.slice(0, n)))
    running.push(await takeJob(world))
    taken.push(JobMessage.parse(running.at(-1)?.json()).job)
    expect(await world.count('INFERENCE')).toBeLessThanOrEqual(3)
    if (running.length === 3) await running.shift()?.ackAck()
  }
  expect(taken).toEqual(ids)
})

test('a job of a transaction that still runs goes before those that came later', async ({ world }) => {
  world.startRelay()
  await eventually(async () => world.jsm.streams.info('INFERENCE'))
  const slow = await world.owner.reserve()
  await slow`begin`
  const first = await world.queuesJob(slow)
  const second = await world.queuesJob()
  await slow`commit`
  slow.release()
  const taken = [await takeJob(world), await takeJob(world)].map(
    (message) => JobMessage.parse(message.json()).job,
  )
  expect(taken).toEqual([first, second])
})

test('a job that was cancelled while it waited is not admitted', async ({ world }) => {
  const [cancelled, other] = await queueJobs(world, 2)
  await world.owner`update jobs set status = 'cancelled' where id = ${cancelled ?? ''}`
  world.startRelay()
  await eventually(async () => expect(await admitted(world)).toEqual([other]))
  expect(await world.count('INFERENCE')).toBe(1)
})

test('after its last delivery a job is dead: its function hears a signed failure, and it leaves the queue', async ({
  world,
}) => {
  const relay = world.startRelay()
  const [job] = await queueJobs(world, 1)
  await eventually(async () => expect(await world.count('INFERENCE')).toBe(1))
  for (let attempt = 1; attempt <= JOB_ATTEMPTS; attempt += 1) (await takeJob(world)).nak()
  expect(await takeNow(world)).toBeNull()
  await expectBuried(world, job)
  await eventually(async () => expect(await relay.value('relay_dead_letters_total')).toBe(1))
})

test('a job that dies while no relay is up is buried by the next', async ({ world }) => {
  const relay = world.startRelay()
  const [job] = await queueJobs(world, 1)
  await eventually(async () => expect(await world.count('INFERENCE')).toBe(1))
  await relay.stop()
  for (let attempt = 1; attempt <= JOB_ATTEMPTS; attempt += 1) (await takeJob(world)).nak()
  expect(await takeNow(world)).toBeNull()
  expect(await world.count('INFERENCE')).toBe(1)
  world.startRelay()
  await expectBuried(world, job)
})

test('a job that is not finished when INFERENCE has forgotten it fails', async ({ world }) => {
  const [job, other] = await queueJobs(world, 2)
  await world.owner`update jobs set admitted_at = now() - interval '25 hours' where id = ${job ?? ''}`
  await world.owner`update jobs set admitted_at = now(), status = 'running' where id = ${other ?? ''}`
  world.startRelay()
  await eventually(async () => expect((await failureOf(world)).data).toMatchObject({ job }))
  expect(await world.count('EVENTS')).toBe(1)
})

test('a cancelled job of which no worker has reported what it generated is settled when INFERENCE has forgotten it', async ({
  world,
}) => {
  const [job, settled] = await queueJobs(world, 2)
  await world.owner`
    update jobs set admitted_at = now() - interval '25 hours', status = 'cancelled',
      charges = case when id = ${settled ?? ''} then '{}'::jsonb end`
  world.startRelay()
  await eventually(async () => expect((await failureOf(world)).data).toMatchObject({ job }))
  expect(await world.count('EVENTS')).toBe(1)
})

test('a job too large for NATS fails at once, and the next is admitted', async ({ world }) => {
  const [large, next] = await queueJobs(world, 2)
  await world.owner`
    update jobs set message = replace(message, '"hi"', to_json(repeat('x', 9000000))::text) where id = ${large ?? ''}`
  world.startRelay()
  await eventually(async () => expect(await admitted(world)).toEqual([large, next]))
  expect(await world.count('INFERENCE')).toBe(1)
  const event = await failureOf(world)
  expect(event.data).toMatchObject({ job: large, reason: 'the job cannot be queued' })
})

async function expectBuried(world: World, job: string | undefined): Promise<void> {
  await eventually(async () => expect(await world.count('INFERENCE')).toBe(0))
  const event = await failureOf(world)
  expect(event).toMatchObject({ source: '/relay', type: FAILED, subject: job, function: 'self-soul' })
  expect(event.data).toEqual({ job, reason: 'no worker finished it in 4 attempts', attempt: JOB_ATTEMPTS })
  expect(() => verifyEvent(event, SIGNING_KEY)).not.toThrow()
}

async function failureOf(world: World) {
  const subject = eventSubject(world.tenant, FAILED)
  return fromNats(await world.jsm.streams.getMessage('EVENTS', { last_by_subj: subject }))
}
