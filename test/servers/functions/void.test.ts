import fc from 'fast-check'
import type postgres from 'postgres'
import { describe, expect } from 'vitest'
import { ASPECTS, runExample } from './examples.ts'
import { testWith, type Tenant } from './world.ts'

const test = testWith()

const invoke = async (tenant: Tenant, path: string, input: object = {}) => {
  const { status, body } = await tenant.calls('POST', `/v1/agentese/${path.replaceAll('.', '/')}`, input)
  return { status, code: body.code, result: body.result, charges: body.meta?.charges }
}
const remainingOf = async (tenant: Tenant): Promise<number> =>
  (await invoke(tenant, 'void.entropy.manifest')).result.remaining

const INITIAL = 100

/** One thing that is done to a pool of chance. */
const Step = fc.oneof(
  fc.record({ kind: fc.constant('sip' as const), amount: fc.double({ min: 0.001, max: 60, noNaN: true }) }),
  fc.record({ kind: fc.constant('pour' as const), which: fc.nat(2) }),
  fc.record({ kind: fc.constantFrom('tithe' as const, 'tangent' as const, 'inspire' as const) }),
)

describe('entropy', () => {
  test('stays from nothing to what it was at the start; a sip poured back recovers half, once', async ({
    newTenant,
  }) => {
    const law = fc.asyncProperty(fc.array(Step, { minLength: 1, maxLength: 10 }), async (steps) => {
      const tenant = await newTenant()
      const grants: { grant: string; amount: number; poured: boolean }[] = []
      let expected = INITIAL
      for (const step of steps) {
        if (step.kind === 'sip') {
          const { status, result, code } = await invoke(tenant, 'void.entropy.sip', { amount: step.amount })
          if (step.amount > expected) expect(code).toBe('ENTROPY_EXHAUSTED')
          else expect(status).toBe(200)
          if (status === 200) {
            grants.push({ grant: result.grant, amount: step.amount, poured: false })
            expected -= step.amount
          }
        } else if (step.kind === 'pour') {
          const sip = grants[step.which]
          if (sip === undefined) continue
          const { code, result } = await invoke(tenant, 'void.entropy.pour', { grant: sip.grant })
          if (sip.poured) expect(code).toBe('STATE_CONFLICT')
          else expect(result.recovered).toBeCloseTo(Math.min(sip.amount / 2, INITIAL - expected), 9)
          if (!sip.poured) expected = Math.min(INITIAL, expected + sip.amount / 2)
          sip.poured = true
        } else if (step.kind === 'tithe') {
          const { result } = await invoke(tenant, 'void.gratitude.tithe')
          expect(result.regenerated).toBeCloseTo(Math.min(0.1, INITIAL - expected), 9)
          expected = Math.min(INITIAL, expected + 0.1)
        } else {
          const [verb, cost] = step.kind === 'tangent' ? ['sip', 0.05] : ['inspire', 0.03]
          const { status } = await invoke(tenant, `void.serendipity.${verb}`)
          expect(status).toBe(cost > expected ? 429 : 200)
          if (status === 200) expected -= cost
        }
        const remaining = await remainingOf(tenant)
        expect(remaining).toBeCloseTo(expected, 9)
        expect(remaining).toBeGreaterThanOrEqual(0)
        expect(remaining).toBeLessThanOrEqual(INITIAL)
        expected = remaining
      }
    })
    await fc.assert(law, { numRuns: 12 })
  })

  test('is shared out among a crowd that sips, pours, tithes and wanders at once, and the ledger knows', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const first = await invoke(tenant, 'void.entropy.sip', { amount: 30 })
    const answers = await Promise.all([
      ...Array.from({ length: 6 }, () => invoke(tenant, 'void.entropy.sip', { amount: 20 })),
      ...Array.from({ length: 4 }, () => invoke(tenant, 'void.entropy.pour', { grant: first.result.grant })),
      ...Array.from({ length: 4 }, () => invoke(tenant, 'void.gratitude.tithe')),
      ...Array.from({ length: 4 }, () => invoke(tenant, 'void.serendipity.sip')),
    ])
    for (const { status } of answers) expect([200, 409, 429]).toContain(status)
    expect(answers.slice(6, 10).filter(({ status }) => status === 200)).toHaveLength(1)
    const remaining = await remainingOf(tenant)
    expect(remaining).toBeGreaterThanOrEqual(0)
    const [ledger] = await owner`
      select sum(amount)::float8 as used from charges where tenant_id = ${tenant.id} and resource = 'entropy'`
    expect(INITIAL - remaining).toBeCloseTo(ledger?.used, 9)
  })

  test('does not grow by a tithe to a pool that is full, and credits what went in', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    expect((await invoke(tenant, 'void.gratitude.tithe')).result).toMatchObject({
      regenerated: 0,
      remaining: INITIAL,
    })
    await invoke(tenant, 'void.entropy.sip', { amount: 0.05 })
    expect((await invoke(tenant, 'void.gratitude.tithe')).result.regenerated).toBeCloseTo(0.05, 9)
    expect(await remainingOf(tenant)).toBe(INITIAL)
    const [ledger] =
      await owner`select sum(amount)::float8 as used from charges where tenant_id = ${tenant.id}`
    expect(ledger?.used).toBeCloseTo(0, 9)
  })
})

describe('void.gratitude', () => {
  test('keeps every thanks, and can neither be changed nor emptied', async ({ newTenant, app }) => {
    const tenant = await newTenant()
    const other = await newTenant()
    const thanks = await invoke(tenant, 'void.gratitude.thank', { target: 'Ada', amount: 2 })
    await invoke(tenant, 'void.gratitude.acknowledge', { what: 'The morning' })
    expect(thanks.result.entry).toEqual({
      who: tenant.user,
      target: 'Ada',
      amount: 2,
      ts: expect.any(String),
    })
    expect((await invoke(tenant, 'void.gratitude.manifest')).result).toMatchObject({
      balance: 3,
      count: 2,
      latest: [{ target: 'The morning' }, { target: 'Ada' }],
    })
    expect((await invoke(other, 'void.gratitude.manifest')).result).toMatchObject({ balance: 0, latest: [] })
    for (const statement of ['delete from gratitude', 'update gratitude set amount = 0'])
      await expect(app.unsafe(statement)).rejects.toThrow(/permission denied/)
  })

  test('succeeds always: without a target it thanks everything, with an earlier result that', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    for (const input of [{}, { target: '' }, { target: ' ' }, { input: '' }])
      expect((await invoke(tenant, 'void.gratitude.thank', input)).result.entry.target).toBe('everything')
    const { body } = await tenant.calls('POST', '/v1/agentese/compose', {
      expression: 'void.entropy.sip >> void.gratitude.thank',
    })
    expect(JSON.stringify(body)).toContain('void.entropy')
    const long = await invoke(tenant, 'void.gratitude.thank', { input: '😀'.repeat(300) })
    expect(long.result.entry.target.length).toBeLessThanOrEqual(200)
  })

  test('takes no thanks below nothing or beyond reason', async ({ newTenant }) => {
    const tenant = await newTenant()
    for (const amount of [-1, 1001, '1'])
      expect((await invoke(tenant, 'void.gratitude.thank', { amount })).code).toBe('TYPE_MISMATCH')
  })
})

describe('void.serendipity', () => {
  test('charges what it says, speaks of what one is about, and leaves no grant to pour', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const sip = await invoke(tenant, 'void.serendipity.sip', { context: 'the garden' })
    expect(sip.result).toMatchObject({ tangent: expect.stringContaining('the garden'), confident: true })
    expect(sip.charges).toEqual({ entropy: 0.05 })
    const inspire = await invoke(tenant, 'void.serendipity.inspire', { domain: 'painting' })
    expect(inspire.result.inspiration).toContain('painting')
    expect(inspire.charges).toEqual({ entropy: 0.03 })
    expect(await remainingOf(tenant)).toBeCloseTo(99.92, 9)
    expect(await owner`select from entropy_grants where tenant_id = ${tenant.id}`).toHaveLength(0)
    expect((await invoke(tenant, 'void.serendipity.manifest')).result.remaining).toBeCloseTo(99.92, 9)
  })

  test('gives nothing when nothing is left, and says how to get some', async ({ newTenant }) => {
    const tenant = await newTenant()
    await invoke(tenant, 'void.entropy.sip', { amount: 100 })
    const { body, status } = await tenant.calls('POST', '/v1/agentese/void/serendipity/sip')
    expect({ status, code: body.code }).toEqual({ status: 429, code: 'ENTROPY_EXHAUSTED' })
    expect(body.suggestion).toContain('tithe')
  })
})

/** What calls of the void may change: its own ledgers, and what every call leaves behind. */
const LEDGERS = ['entropy_pools', 'entropy_grants', 'gratitude', 'charges', 'marks', 'outbox']

/** Sums of what is in the ledgers, which tests of metering bring up to date for every tenant. */
const SUMS = /^(usage_|storage_samples)/

/** A fingerprint of every table's rows of the tenant. */
async function fingerprints(owner: postgres.Sql, tenant: string): Promise<Record<string, string>> {
  const tables = await owner<{ name: string }[]>`
    select c.table_name as name from information_schema.columns c
      join information_schema.tables t using (table_schema, table_name)
    where c.table_schema = 'public' and c.column_name = 'tenant_id' and t.table_type = 'BASE TABLE'`
  const own = tables.filter(({ name }) => !SUMS.test(name))
  const entries = own.map(async ({ name }) => {
    const [row] = await owner<{ hash: string | null }[]>`
      select md5(string_agg(t::text, ',' order by t::text)) as hash from ${owner(name)} t
      where tenant_id = ${tenant} and (to_jsonb(t) ->> 'resource') is distinct from 'api_calls'`
    return [name, row?.hash ?? ''] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

describe.for(ASPECTS.filter(({ aspect }) => aspect.category === 'E'))('$path', (known) => {
  test('changes ledgers and nothing else', async ({ newTenant, settles, owner, runtime }) => {
    const tenant = await newTenant()
    const [example = { summary: '', input: {} }] = known.endpoint.examples
    const before = await fingerprints(owner, tenant.id)
    expect((await runExample(known, example, tenant, settles)).status).toBe(200)
    await runtime.recorder.flush()
    const after = await fingerprints(owner, tenant.id)
    const changed = Object.keys(after).filter((name) => before[name] !== after[name])
    expect(changed.filter((name) => !LEDGERS.includes(name))).toEqual([])
    expect(changed).toEqual(expect.arrayContaining(['marks', 'outbox']))
  })
})
