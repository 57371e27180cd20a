import { randomUUID } from 'node:crypto'
import { describe, expect } from 'vitest'
import { chooseCrystals } from '../../../functions/agentese/time/trace/crystal-context.ts'
import type { Crystal } from '../../../functions/agentese/time/trace/crystal-rows.ts'
import { createEvent, type KgentsEvent } from '../../../shared/events/event.ts'
import { colleagueOf } from './colleague.ts'
import { inOwnDatabase, testWith, useUpTokens, type Tenant } from './world.ts'

const test = testWith([], {}, inOwnDatabase).extend<{
  /** Marks of a person, a minute apart, the last one at a time. */
  did(tenant: Tenant, count: number, until: Date, more?: { path?: string; outcome?: string }): Promise<void>
  /** A session of a person, and the event that it has ended. */
  session(tenant: Tenant): Promise<{ id: string; ended: KgentsEvent; idle: KgentsEvent }>
}>({
  did: async ({ owner }, use) =>
    use(async ({ id, user }, count, until, { path = 'void.entropy.sip', outcome = 'success' } = {}) => {
      await owner`
        insert into marks (id, tenant_id, path, category, outcome, user_id, archetype, effects, charges, trace_id, duration_ms, at)
        select gen_random_uuid(), ${id}, ${path}, 'E', ${outcome}, ${user}, 'developer', '{}', '{"tokens": 2}', 't', 1,
          ${until}::timestamptz - (${count} - n) * interval '1 second'
        from generate_series(1, ${count}) n`
    }),
  session: async ({ owner, eventKey }, use) =>
    use(async ({ id: tenant, user }) => {
      const id = randomUUID()
      await owner`
        insert into kgent_sessions (id, tenant_id, user_id, mode, created_at, expires_at)
        values (${id}, ${tenant}, ${user}, 'reflect', now() - interval '1 hour', now())`
      const eventOf = (what: string) =>
        createEvent(
          {
            source: '/functions/self-kgent',
            type: `io.kgents.session.${what}`,
            tenant,
            function: 'time-trace',
            data: { session: id, user },
          },
          eventKey,
        )
      return { id, ended: eventOf('ended'), idle: eventOf('idle') }
    }),
})

const invoke = (tenant: Pick<Tenant, 'calls'>, verb: string, input: object = {}) =>
  tenant.calls('POST', `/v1/agentese/time/trace/${verb}`, input)
const crystalsOf = async (tenant: Pick<Tenant, 'calls'>, input: object = {}): Promise<Crystal[]> =>
  (await invoke(tenant, 'crystals', input)).body.result.crystals
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000)
const yesterday = () => new Date(new Date().setUTCHours(0, 0, 0, 0) - 3_600_000)

describe('a session that ends', () => {
  test('leaves crystals of 5 to 50 marks, each mark in one, however often it falls silent and ends', async ({
    newTenant,
    did,
    session,
    delivers,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    const { id, idle, ended } = await session(tenant)
    await did(tenant, 70, ago(10))
    await did(tenant, 4, ago(5), { outcome: 'failure' })
    for (const event of [idle, idle, ended]) expect(await delivers(event)).toBe(202)
    await owner`delete from inbox where tenant_id = ${tenant.id}`
    await delivers(ended)
    await settles(tenant, () => new Error('no model'))
    const found = await crystalsOf(tenant)
    expect(found.map(({ counts }) => [counts.marks, counts.failure])).toEqual([
      [24, 4],
      [50, 0],
    ])
    expect(new Set(found.flatMap(({ sources }) => sources)).size).toBe(74)
    expect(found).toMatchObject([
      { level: 0, session: id, model: null, counts: { tokens: 48, paths: { 'void.entropy.sip': 24 } } },
      { level: 0, session: id },
    ])
    expect(found[0]?.summary).toContain('24 calls, 4 failed; 48 tokens. Most of them void.entropy.sip (24).')
  })

  test('leaves none of fewer than 5 marks, and none of what was done before it', async ({
    newTenant,
    did,
    session,
    delivers,
  }) => {
    const tenant = await newTenant()
    const { ended } = await session(tenant)
    await did(tenant, 10, ago(90))
    await did(tenant, 4, ago(5))
    await delivers(ended)
    expect(await crystalsOf(tenant)).toEqual([])
  })

  test('has a model summarize its crystal, which is shown counts and paths alone; its person is charged once', async ({
    newTenant,
    did,
    session,
    delivers,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    const { ended } = await session(tenant)
    await did(tenant, 6, ago(5))
    await delivers(ended)
    const asked: string[] = []
    await settles(tenant, ({ request }) => {
      asked.push(JSON.stringify(request))
      return { text: 'Mostly sips.', model: 'small' }
    })
    expect(asked).toHaveLength(1)
    expect(asked[0]).toContain('void.entropy.sip')
    expect(await crystalsOf(tenant)).toMatchObject([{ summary: 'Mostly sips.', model: 'small' }])
    const charges = await owner`
      select kind, path, user_id from charges where tenant_id = ${tenant.id} and resource = 'tokens' order by kind`
    expect(charges).toMatchObject([
      { kind: 'reserved', path: 'time.trace.crystallize', user_id: tenant.user },
      { kind: 'settled', path: 'time.trace.crystallize', user_id: tenant.user },
    ])
  })

  test('keeps its crystal with the summary of its counts where the plan has no tokens left', async ({
    newTenant,
    did,
    session,
    delivers,
    settles,
    owner,
  }) => {
    const tenant = await newTenant('free')
    await useUpTokens(owner, tenant.id, { granted: 10_000, spent: 10_000 })
    const { ended } = await session(tenant)
    await did(tenant, 6, ago(5))
    await delivers(ended)
    await settles(tenant)
    expect(await crystalsOf(tenant)).toMatchObject([{ model: null, counts: { marks: 6 } }])
  })
})

describe('a day that is over', () => {
  test('is one crystal of all its sessions, also where one comes late, and however often it ticks', async ({
    newTenant,
    did,
    ticks,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    const makes = async () =>
      (await invoke(tenant, 'crystallize', { summary: 'counts', start: ago(60 * 48).toISOString() })).body
        .result
    await did(tenant, 55, yesterday())
    expect((await makes()).marks).toBe(50)
    expect((await makes()).marks).toBe(5)
    expect(await makes()).toEqual({ crystal: null, marks: 0 })
    await did(tenant, 5, ago(0))
    await makes()
    await ticks()
    await ticks()
    await settles(tenant, () => ({ text: 'A day of sips.', model: 'small' }))
    const [day, ...others] = await crystalsOf(tenant, { level: 1 })
    expect(others).toEqual([])
    expect(day).toMatchObject({ counts: { marks: 55, tokens: 110 }, summary: 'A day of sips.' })
    const parts = await crystalsOf(tenant, { level: 0 })
    expect(parts.map(({ part_of }) => part_of)).toEqual([null, day?.id, day?.id])
    await owner`
      insert into crystals (id, tenant_id, user_id, level, sources, starts_at, ends_at, counts, summary)
      select gen_random_uuid(), tenant_id, user_id, 0, array[gen_random_uuid()], starts_at, ends_at, counts, summary
      from crystals where tenant_id = ${tenant.id} and level = 0 and part_of is not null limit 1`
    await ticks()
    const again = await crystalsOf(tenant, { level: 1 })
    expect(again).toMatchObject([{ id: day?.id, model: null }])
    expect(again[0]?.sources).toHaveLength(3)
    const [due] = await owner`select count(*)::int as tenants from tenants_with_due_crystals()`
    expect(due).toEqual({ tenants: 0 })
  })
})

describe('crystals', () => {
  test('are shown to their person alone: to no colleague, no admin and no other tenant', async ({
    newTenant,
    did,
    owner,
    runtime,
  }) => {
    const tenant = await newTenant()
    await did(tenant, 6, ago(0), { path: 'self.memory.engram' })
    const { crystal } = (
      await invoke(tenant, 'crystallize', { summary: 'counts', start: ago(60).toISOString() })
    ).body.result
    const world = { owner, runtime }
    for (const other of [
      await newTenant('enterprise', ['admin']),
      await colleagueOf(tenant, world, 'admin'),
      await colleagueOf(tenant, world),
    ]) {
      expect(await crystalsOf(other)).toEqual([])
      expect((await invoke(other, 'context')).body.result).toEqual({ crystals: [], tokens: 0 })
      expect(await invoke(other, 'crystallize', { crystal: crystal.id })).toMatchObject({ status: 404 })
    }
    expect((await invoke(tenant, 'context')).body.result.crystals).toMatchObject([{ id: crystal.id }])
  })

  test('of marks that two calls find at once are made once', async ({ newTenant, did, owner }) => {
    const tenant = await newTenant()
    await did(tenant, 30, ago(0))
    const input = { summary: 'counts', start: ago(60).toISOString() }
    const answers = await Promise.all([1, 2, 3, 4].map(() => invoke(tenant, 'crystallize', input)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect(await owner`select from crystals where tenant_id = ${tenant.id}`).toHaveLength(1)
  })
})

describe('chooseCrystals()', () => {
  const NOW = new Date('2026-11-28T00:00:00Z')
  const crystal = (id: string, daysAgo: number, marks: number, more: Partial<Crystal> = {}): Crystal => ({
    id,
    level: 0,
    starts_at: new Date(NOW.getTime() - daysAgo * 86_400_000).toISOString(),
    ends_at: new Date(NOW.getTime() - daysAgo * 86_400_000).toISOString(),
    sources: [],
    session: null,
    part_of: null,
    counts: { marks, success: marks, failure: 0, refusal: 0, tokens: 0, paths: {} },
    summary: 'x'.repeat(400),
    model: null,
    ...more,
  })
  const chosen = (crystals: Crystal[], tokens: number) =>
    chooseCrystals(crystals, tokens, NOW).crystals.map(({ id }) => id)

  test('prefers what is recent to what is rich, 0.7 to 0.3, and answers in the order of time', () => {
    const all = [
      crystal('rich', 30, 50),
      crystal('recent', 1, 5),
      crystal('both', 2, 50),
      crystal('neither', 30, 5),
    ]
    expect(chosen(all, 100)).toEqual(['both'])
    expect(chosen(all, 200)).toEqual(['both', 'recent'])
    expect(chosen(all, 300)).toEqual(['rich', 'both', 'recent'])
  })

  test('never exceeds the tokens, and takes a shorter one where a longer one does not fit', () => {
    const all = [
      crystal('long', 0, 50, { summary: 'x'.repeat(4000) }),
      crystal('short', 9, 5, { summary: 'x' }),
    ]
    expect(chosen(all, 999)).toEqual(['short'])
    expect(chooseCrystals(all, 1001, NOW).tokens).toBe(1001)
  })

  test('says nothing twice: a day stands for its sessions, and a session for none of its day', () => {
    const session = crystal('session', 1, 50, { part_of: 'day' })
    const day = crystal('day', 0.9, 50, { level: 1, sources: ['session'] })
    expect(chosen([session, day], 2000)).toEqual(['day'])
    expect(
      chosen(
        [
          { ...session, ends_at: NOW.toISOString() },
          { ...day, ends_at: '2026-10-01T00:00:00Z' },
        ],
        2000,
      ),
    ).toEqual(['session'])
  })
})
