/** Whatever dies, comes twice or comes at once: each step is there once, is charged once, and each tool is called once. */
import { describe, expect } from 'vitest'
import type postgres from 'postgres'
import type { KgentsEvent } from '../../../shared/events/event.ts'
import {
  agentsOf,
  begins,
  calling,
  COUNT,
  counters,
  jobOf,
  scripted,
  stepsOf,
  watch,
} from './agents-world.ts'
import { answerJob, nextEvents, testWith, type Tenant } from './world.ts'

const test = testWith([counters])

/** Kills at every commit with `all`; else at some of them. */
const EVERY = process.env['AGENT_KILLS'] === 'all' ? 1 : 8

const script = () =>
  scripted(calling([COUNT, { what: 'a' }], [COUNT, { what: 'b' }]), calling([COUNT, { what: 'c' }]), {
    text: 'Done',
  }).model
const KINDS = ['model', 'tool', 'tool', 'model', 'tool', 'model']

async function invokes(tenant: Tenant): Promise<string> {
  return (await agentsOf(tenant)('invoke', { agent: 'counter', input: 'Count' })).body.job.id
}

/** What is there once, of one run after the others. */
async function expectOnce(tenant: Tenant, owner: postgres.Sql, run: string, runs: number) {
  expect((await stepsOf(tenant, run)).map(({ kind }: { kind: string }) => kind)).toEqual(KINDS)
  expect(await jobOf(tenant, run)).toMatchObject({
    status: 'completed',
    result: { steps: 3, tokens_used: 36 },
  })
  const [sums] = await owner`
    select (select coalesce(sum(amount), 0)::int from charges where tenant_id = ${tenant.id} and kind = 'settled') as charged,
      (select spent::int from allowances where tenant_id = ${tenant.id} and resource = 'tokens') as spent,
      (select reserved::int from allowances where tenant_id = ${tenant.id} and resource = 'tokens') as reserved,
      (select count(*)::int from marks where tenant_id = ${tenant.id} and path = ${COUNT} and outcome = 'success') as tools,
      (select count(*)::int from jobs where tenant_id = ${tenant.id}) as jobs`
  const tokens = 36 * runs
  expect(sums).toEqual({ charged: tokens, spent: tokens, reserved: 0, tools: 3 * runs, jobs: 4 * runs })
}

interface Delivering {
  owner: postgres.Sql
  eventKey: string
  delivers(event: KgentsEvent): Promise<number>
}

/** Delivers what a tenant's calls have written, each event `times` at once, again and again until it was taken. */
async function settleHard(tenant: Tenant, times: number, { owner, eventKey, delivers }: Delivering) {
  const model = script()
  for (;;) {
    const events = await nextEvents(owner, tenant.id)
    if (events.length === 0) return
    for (const event of events) {
      const isRequest = event.type === 'io.kgents.inference.requested'
      const delivered = isRequest ? await answerJob(owner, event, eventKey, model) : event
      for (let tries = 0; ; tries++) {
        const statuses = await Promise.all(Array.from({ length: times }, () => delivers(delivered)))
        if (statuses.every((status) => status === 202)) break
        if (tries === 20) throw new Error(`${delivered.type} was answered ${statuses.join()}`)
      }
    }
  }
}

describe('a run of an agent', () => {
  test('takes each step once, where each of its events comes three times at once, and all of them again', async ({
    newTenant,
    owner,
    eventKey,
    delivers,
  }) => {
    const tenant = await newTenant()
    const run = await begins(tenant, {})
    await settleHard(tenant, 3, { owner, eventKey, delivers })
    await expectOnce(tenant, owner, run, 1)
    // As if nothing had been noted: only the state of the run protects it now.
    await owner`delete from inbox where tenant_id = ${tenant.id}`
    await owner`update outbox set published_at = null where tenant_id = ${tenant.id}`
    await settleHard(tenant, 1, { owner, eventKey, delivers })
    await expectOnce(tenant, owner, run, 1)
  })

  test.for(['before', 'after'] as const)(
    'takes each step once, where a process dies %s one of its commits',
    async (when, { newTenant, owner, eventKey, delivers, runtime }) => {
      const tenant = await newTenant()
      const events = { owner, eventKey, delivers }
      await begins(tenant, {})
      let commits = 0
      let killed = 0
      const unwatch = watch(runtime, { commit: () => (++commits === killed ? when : undefined) })
      try {
        await settleHard(tenant, 1, events)
        const all = commits
        expect(all).toBeGreaterThan(20)
        let runs = 1
        for (killed = 1; killed <= all; killed += EVERY) {
          const at = killed
          killed = 0
          const run = await invokes(tenant)
          killed = at
          commits = 0
          await settleHard(tenant, 1, events)
          await expectOnce(tenant, owner, run, ++runs)
        }
      } finally {
        unwatch()
      }
    },
  )

  test('goes on after a while where its event was lost', async ({ newTenant, settles, ticks, owner }) => {
    const tenant = await newTenant()
    const run = await begins(tenant, {})
    await owner`update outbox set published_at = now() where tenant_id = ${tenant.id}`
    await ticks()
    expect(await settles(tenant)).toEqual([])
    await owner`update agent_runs set moved_at = now() - interval '1 hour' where id = ${run}`
    await ticks()
    await settles(tenant, script())
    await expectOnce(tenant, owner, run, 1)
  })
})
