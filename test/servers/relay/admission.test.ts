/** Fair admission by a real relay through a real NATS server, with workers whose engine says fixed words. */
import { afterEach, expect } from 'vitest'
import { createMetrics } from '../../../gpu-workers/metrics.ts'
import { openWorker } from '../../../gpu-workers/worker.ts'
import { createEvent } from '../../../shared/events/event.ts'
import { JobMessage } from '../../../shared/inference/messages.ts'
import { fromNats } from '../../../shared/nats/event-message.ts'
import { openNatsLink } from '../../../shared/nats/link.ts'
import { eventSubject } from '../../../shared/nats/subjects.ts'
import { newId } from '../../../shared/new-id.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { eventually, until } from '../../eventually.ts'
import { createScriptedEngine } from '../gpu-workers/scripted-engine.ts'
import { SIGNING_KEY, test, type World } from './world.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** A worker that runs `slots` jobs at once, each of one word, which `allow` lets it say. */
async function startWorker(world: World, slots: number) {
  const engine = createScriptedEngine({ words: ['word'], concurrency: slots, allowed: 0 })
  const link = openNatsLink(world.nats.urlOf('gpu-worker'), 'gpu-worker')
  await link.ready()
  const parts = { link, engine, log: createLog('gpu-worker', 'silent'), metrics: createMetrics() }
  const worker = openWorker(parts, { ackWaitSeconds: 15, drainSeconds: 0, stallSeconds: 60 })
  closers.push(async () => {
    engine.allow(1000)
    await worker.close()
    await link.close()
  })
  return engine
}

/** Jobs that a worker has begun with, in that order. */
async function begun(world: World): Promise<string[]> {
  const info = await world.jsm.streams.info('EVENTS')
  const jobs: string[] = []
  for (let seq = info.state.first_seq; seq <= info.state.last_seq; seq += 1) {
    const event = fromNats(await world.jsm.streams.getMessage('EVENTS', { seq }))
    if (event.type === 'io.kgents.inference.started') jobs.push(String(event.subject))
  }
  return jobs
}

/** Takes the next job and does not end it. */
async function takeJob(world: World): Promise<string> {
  const worker = await eventually(() => world.nc.jetstream().consumers.get('INFERENCE', 'workers'))
  const message = await until(async () => (await worker.next({ expires: 1000 })) ?? undefined)
  return JobMessage.parse(message.json()).job
}

async function takeJobs(world: World, count: number): Promise<string[]> {
  const jobs: string[] = []
  while (jobs.length < count) jobs.push(await takeJob(world))
  return jobs
}

test('a call waits for at most one job of each slot after another tenant has queued 1,000, which alone had all slots', async ({
  world,
}) => {
  const slots = 3
  const relay = world.startRelay()
  await eventually(async () => world.jsm.consumers.info('INFERENCE', 'workers'))
  const engine = await startWorker(world, slots)
  const flood = await world.queuesJobs(1000)
  await eventually(async () => expect(await begun(world)).toHaveLength(slots))
  const quiet = await world.queuesJob(world.owner, { tenant: newId() })
  // Transactions of other tests, if they are older, hide it from the relay.
  await eventually(async () => {
    const [row] = await world.owner`
      select xid < pg_snapshot_xmin(pg_current_snapshot()) as readable from jobs where id = ${quiet}`
    expect(row).toEqual({ readable: true })
  })
  for (let ended = 1; !(await begun(world)).includes(quiet); ended += 1) {
    engine.allow(1)
    await eventually(async () => expect((await begun(world)).length).toBeGreaterThanOrEqual(slots + ended))
  }
  const order = await begun(world)
  expect(order.indexOf(quiet) - slots).toBeLessThanOrEqual(slots)
  expect(order.slice(0, slots).toSorted()).toEqual(flood.slice(0, slots).toSorted())
  expect(await relay.value('relay_queue_wait_seconds_count{tier="free"}')).toBeGreaterThanOrEqual(slots + 1)
})

test('jobs of one tenant go by the priority that it gave them, and those of another are not behind', async ({
  world,
}) => {
  const low = await world.queuesJob(world.owner, { priority: -4 })
  const normal = await world.queuesJob()
  const other = await world.queuesJob(world.owner, { tenant: newId(), priority: -4 })
  const high = await world.queuesJob(world.owner, { priority: 3 })
  world.startRelay()
  expect(await takeJobs(world, 4)).toEqual([high, other, normal, low])
})

test('a job whose deadline passes while it waits fails with DEADLINE_EXCEEDED, and is never admitted', async ({
  world,
}) => {
  const first = await world.queuesJob()
  const late = await world.queuesJob(world.owner, { deadline: new Date(Date.now() + 300) })
  const last = await world.queuesJob()
  world.startRelay()
  const event = await until(async () => {
    const subject = eventSubject(world.tenant, 'io.kgents.inference.failed')
    const found = await world.jsm.streams
      .getMessage('EVENTS', { last_by_subj: subject })
      .catch(() => undefined)
    return found === undefined ? undefined : fromNats(found)
  })
  expect(event.data).toMatchObject({ job: late, code: 'DEADLINE_EXCEEDED' })
  expect(await takeJobs(world, 2)).toEqual([first, last])
})

test('what a job really used counts: a tenant whose answers are longer than estimated waits for the others', async ({
  world,
}) => {
  const mine = await world.queuesJobs(3, { estimate: 100 })
  world.startRelay()
  expect(await takeJob(world)).toBe(mine[0])
  // The next lies ready from here on.
  await eventually(async () => expect(await world.count('INFERENCE')).toBe(2))
  const others = await world.queuesJobs(4, { tenant: newId(), estimate: 100 })
  await completes(world, mine[0] ?? '', 400)
  expect(await takeJobs(world, 6)).toEqual([mine[1], ...others, mine[2]])
})

test('a relay that takes over counts the jobs that run, and admits none of them again', async ({ world }) => {
  const mine = await world.queuesJobs(3, { estimate: 100 })
  const first = world.startRelay()
  const running = await takeJobs(world, 2)
  await eventually(async () => expect(await world.count('INFERENCE')).toBe(3))
  await first.stop()
  const more = await world.queuesJobs(2, { estimate: 100 })
  const others = await world.queuesJobs(2, { tenant: newId(), estimate: 100 })
  world.startRelay()
  expect([...running, ...(await takeJobs(world, 5))]).toEqual([...mine, ...others, ...more])
})

/** Publishes what a function emits when the job has ended; resolves when the relay has passed it on. */
async function completes(world: World, job: string, used: number): Promise<void> {
  const type = 'io.kgents.job.completed'
  const data = {
    job,
    path: 'self.soul.dialogue',
    status: 'completed',
    tokens: { prompt: 0, completion: used },
  }
  const event = createEvent(
    { source: '/functions/self-soul', type, tenant: world.tenant, subject: job, data },
    SIGNING_KEY,
  )
  await world.insert(event.id, [eventSubject(world.tenant, type)], JSON.stringify(event))
  await eventually(async () => expect(await world.unpublished()).toBe(0))
}
