/** What is older than a plan keeps, and what must outlive it, in a database of its own. */
import { randomUUID } from 'node:crypto'
import { describe, expect } from 'vitest'
import { inOwnDatabase, testWith } from './world.ts'

type Kind = 'marks' | 'changes' | 'jobs'

const test = testWith([], {}, inOwnDatabase).extend<{
  /** As the relay does, until nothing is left to delete; how many there were. */
  prunes(kind: Kind, most?: number): Promise<number[]>
  hasMark(tenant: string, daysAgo: number): Promise<string>
  hasJob(tenant: string, more?: object): Promise<string>
}>({
  prunes: async ({ owner }, use) =>
    use(async (kind, most = 1000) => {
      const counts: number[] = []
      do {
        const [row] = await owner.begin(async (db) => {
          await db`set local role kgents_relay`
          return db`select ${db(`delete_old_${kind}`)}(${most}) as deleted`
        })
        counts.push(Number(row?.['deleted']))
      } while (counts.at(-1) === most)
      return counts
    }),
  hasMark: async ({ owner }, use) =>
    use(async (tenant, daysAgo) => {
      const id = randomUUID()
      await owner`
        insert into marks (id, tenant_id, path, category, outcome, archetype, effects, trace_id, duration_ms, at, xid)
        values (${id}, ${tenant}, 'void.entropy.sip', 'E', 'success', 'developer', '{}', 't', 1,
          now() - make_interval(days => ${daysAgo}), null)`
      return id
    }),
  hasJob: async ({ owner }, use) =>
    use(async (tenant, more = {}) => {
      const id = randomUUID()
      const facts = { status: 'completed', call: {}, charges: {}, daysAgo: 100, ...more }
      await owner`
        insert into jobs (id, tenant_id, function, path, call, status, charges, admitted_at, finished_at)
        values (${id}, ${tenant}, 'self-soul', 'self.soul.dialogue', ${owner.json(facts.call)}, ${facts.status},
          ${facts.charges === null ? null : owner.json(facts.charges)}, now() - interval '100 days',
          ${facts.status === 'running' ? null : owner`now() - make_interval(days => ${facts.daysAgo})`})`
      return id
    }),
})

describe('what a plan keeps no longer', () => {
  test('goes in batches, each tenant by its own plan, and a plan without a limit keeps everything', async ({
    newTenant,
    owner,
    prunes,
    hasMark,
  }) => {
    const [free, pro, enterprise] = [
      await newTenant('free'),
      await newTenant('pro'),
      await newTenant('enterprise'),
    ]
    for (const { id } of [free, pro, enterprise])
      for (const daysAgo of [29, 31, 32, 33, 400]) await hasMark(id, daysAgo)
    expect(await prunes('marks', 2)).toEqual([2, 2, 1])
    const left = async (tenant: string) => (await owner`select from marks where tenant_id = ${tenant}`).length
    expect([await left(free.id), await left(pro.id), await left(enterprise.id)]).toEqual([1, 4, 5])
  })

  test('stays as long as its usage is not counted, or its day not reconciled', async ({
    newTenant,
    owner,
    prunes,
    hasMark,
  }) => {
    const { id } = await newTenant('free')
    const [uncounted, counted] = [await hasMark(id, 60), await hasMark(id, 50)]
    await owner`update marks set xid = (select xid from usage_state)::text::xid8 where id = ${uncounted}`
    await owner`update usage_state set reconcile_day = (now() - interval '70 days')::date`
    expect(await prunes('marks')).toEqual([0])
    await owner`update usage_state set reconcile_day = now()::date`
    expect(await prunes('marks')).toEqual([1])
    const rows = await owner`select id from marks where tenant_id = ${id}`
    expect(rows.map((row) => row['id'])).toEqual([uncounted])
    expect(counted).not.toBe(uncounted)
    await owner`update marks set xid = null where id = ${uncounted}`
    expect(await prunes('marks')).toEqual([1])
  })

  test('leaves of each state the one that later changes are seen against', async ({
    newTenant,
    owner,
    prunes,
  }) => {
    const { id, user } = await newTenant('free')
    for (const [target, daysAgo, value] of [
      ['world.house', 90, 1],
      ['world.house', 60, 2],
      ['world.house', 10, 3],
      ['world.barn', 400, 1],
      ['self.state', 80, 1],
    ] as const)
      await owner`
        insert into changes (id, tenant_id, target, state, path, user_id, invocation_id, at, xid)
        values (${randomUUID()}, ${id}, ${target}, ${owner.json({ value })}, 'world.house.put', ${user}, ${randomUUID()},
          now() - make_interval(days => ${daysAgo}), null)`
    expect(await prunes('changes', 1)).toEqual([1, 0])
    const rows =
      await owner`select target, state->'value' as value from changes where tenant_id = ${id} order by at`
    expect(rows.map(({ target, value }) => `${target} ${value}`)).toEqual([
      'world.barn 1',
      'self.state 1',
      'world.house 2',
      'world.house 3',
    ])
  })

  test('of jobs, only what has ended, is charged, and is neither part of a job under way nor an answer to be repeated', async ({
    newTenant,
    owner,
    prunes,
    hasJob,
  }) => {
    const { id } = await newTenant('free')
    const running = await hasJob(id, { status: 'running' })
    const kept = [
      running,
      await hasJob(id, { call: { parent: running } }),
      await hasJob(id, { status: 'cancelled', charges: null }),
      await hasJob(id, { daysAgo: 5 }),
    ]
    const repeated = await hasJob(id)
    await owner`
      insert into idempotency_keys (tenant_id, key, endpoint, request_hash, job_id) values (${id}, 'k', 'e', '', ${repeated})`
    const composed = await hasJob(id)
    await owner`
      insert into compositions (id, tenant_id, expression, stages, mode) values (${composed}, ${id}, 'a >> b', '[]', 'collect')`
    const stage = await hasJob(id, { call: { parent: composed }, status: 'failed' })
    expect(await prunes('jobs')).toEqual([2])
    const rows = await owner`select id from jobs where tenant_id = ${id}`
    expect(new Set(rows.map((row) => row['id']))).toEqual(new Set([...kept, repeated]))
    expect(kept).not.toContain(stage)
    await owner`delete from idempotency_keys where tenant_id = ${id}`
    expect(await prunes('jobs')).toEqual([1])
  })

  test('is deleted by the relay alone, which can read none of it', async ({ app, owner }) => {
    for (const kind of ['marks', 'changes', 'jobs'])
      await expect(app`select ${app(`delete_old_${kind}`)}(1)`).rejects.toThrow(/permission denied/)
    await expect(
      owner.begin(async (db) => {
        await db`set local role kgents_relay`
        await db`delete from marks`
      }),
    ).rejects.toThrow(/permission denied/)
  })
})
