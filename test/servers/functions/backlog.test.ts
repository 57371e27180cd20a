/** What a caller is told about the queue: back-pressure that holds, deadlines and priorities. */
import { describe, expect } from 'vitest'
import { newId } from '../../../shared/new-id.ts'
import { MOST_WAITING } from '../../../shared/plans/most-waiting.ts'
import { testWith, useUpTokens, type Tenant } from './world.ts'

const test = testWith()

const asks = (tenant: Tenant, headers: Record<string, string> = {}) =>
  tenant.calls(
    'POST',
    '/v1/agentese/self/soul/dialogue',
    { message: 'Tell me how a garden grows when nobody looks after it' },
    headers,
  )

type Owner = Parameters<typeof useUpTokens>[0]

/** Puts jobs of the tenant into the queue, as old as `seconds`. */
async function waits(owner: Owner, { id }: Tenant, count: number, seconds = 0): Promise<void> {
  const rows = Array.from({ length: count }, () => ({
    id: newId(),
    tenant_id: id,
    function: 'self-soul',
    path: 'self.soul.dialogue',
    call: {},
    message: '{}',
    created_at: new Date(Date.now() - seconds * 1000),
  }))
  await owner`insert into jobs ${owner(rows as never[])}`
}

/** Admits the oldest jobs of the tenant, as the relay does. */
const admits = (owner: Owner, { id }: Tenant, count: number) => owner`
  update jobs set admitted_at = now() where id in (
    select id from jobs where tenant_id = ${id} and admitted_at is null order by seq limit ${count})`

describe('a call that asks a model', () => {
  test('is refused when the backlog is beyond the plan, with a Retry-After after which there is room', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant('free')
    const limit = MOST_WAITING.free
    // 20 were admitted in 10 seconds, while others waited.
    await waits(owner, tenant, limit + 20, 10)
    await admits(owner, tenant, 20)
    const refused = await asks(tenant)
    expect(refused).toMatchObject({
      status: 429,
      body: { code: 'BACKLOG_FULL', details: { limit, waiting: limit } },
    })
    const seconds = Number(refused.body.retry_after)
    expect(seconds).toBeGreaterThanOrEqual(1)
    expect(seconds).toBeLessThanOrEqual(4)
    expect(await owner`select from charges where tenant_id = ${tenant.id}`).toHaveLength(0)
    await admits(owner, tenant, seconds * 2)
    expect((await asks(tenant)).status).toBe(202)
  })

  test('is accepted while another tenant has its backlog full', async ({ newTenant, owner }) => {
    await waits(owner, await newTenant('free'), MOST_WAITING.free)
    expect((await asks(await newTenant('free'))).status).toBe(202)
  })

  test('is refused at once, with the estimated wait, when it cannot begin by its deadline', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    await waits(owner, tenant, 44, 10)
    await admits(owner, tenant, 4)
    const { status, body } = await asks(tenant, { 'x-deadline': '30' })
    expect({ status, code: body.code }).toEqual({ status: 504, code: 'DEADLINE_EXCEEDED' })
    // 40 are ahead, and 5 go in 10 seconds at most.
    expect(body.details).toMatchObject({ jobs_ahead: 40 })
    expect(body.details.estimated_wait_seconds).toBeGreaterThanOrEqual(80)
    // Before those it has to wait for nobody.
    expect((await asks(tenant, { 'x-deadline': '30', priority: 'u=1' })).status).toBe(202)
    expect((await asks(tenant, { 'x-deadline': '3600' })).status).toBe(202)
  })

  test('gives its job the priority and the deadline that its headers name', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const before = Date.now()
    const { body } = await asks(tenant, { priority: 'u=1, i', 'x-deadline': '60' })
    await asks(tenant)
    const rows = await owner<{ id: string; priority: number; deadline: Date | null; estimate: number }[]>`
      select id, priority, deadline, estimate from jobs where tenant_id = ${tenant.id} order by seq`
    expect(rows).toMatchObject([
      { id: body.job.id, priority: 2, deadline: expect.any(Date) },
      { priority: 0, deadline: null },
    ])
    expect(Number(rows[0]?.deadline) - before).toBeGreaterThanOrEqual(60_000)
    expect(rows[0]?.estimate).toBeGreaterThan(0)
  })

  test.for(['0', '-1', '1.5', 'soon', '86401', ''])(
    'refuses the deadline "%s"',
    async (deadline, { newTenant }) => {
      const { status, body } = await asks(await newTenant(), { 'x-deadline': deadline })
      expect({ status, code: body.code }).toEqual({ status: 400, code: 'TYPE_MISMATCH' })
    },
  )

  test('overspends nothing of a budget for 20, however many ask at once', async ({ newTenant, owner }) => {
    const many = Number(process.env['BUDGET_CALLS'] ?? 60)
    const probe = await newTenant()
    await asks(probe)
    const [asked] = await owner<{ estimate: number }[]>`
      select estimate from jobs where tenant_id = ${probe.id}`
    const estimate = asked?.estimate ?? Number.NaN
    const tenant = await newTenant('pro')
    const granted = 500_000
    await useUpTokens(owner, tenant.id, { granted, spent: granted - 20 * estimate })
    const statuses = await Promise.all(Array.from({ length: many }, async () => (await asks(tenant)).status))
    expect(statuses.filter((status) => status === 202)).toHaveLength(20)
    expect(statuses.filter((status) => status === 429)).toHaveLength(many - 20)
    const [row] = await owner`
      select reserved::int as reserved, (spent + reserved)::int as used from allowances
      where tenant_id = ${tenant.id} and resource = 'tokens' order by period limit 1`
    expect(row).toEqual({ reserved: 20 * estimate, used: granted })
  })
})
