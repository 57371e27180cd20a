/** Which database a tenant is in: who may say so, and when. */
import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import { testWithHolders } from './holders.ts'

const test = testWithHolders()
const placementOf = (id: string) => `/v1/operator/tenants/${id}/placement`

describe('POST /v1/operator/tenants/{id}/placement', () => {
  test('orders a move once, for plan "enterprise"; both audits know it, and who operates is not named', async ({
    newTenant,
    owner,
    expect,
  }) => {
    const operator = await newTenant('enterprise', ['super_admin', 'admin'])
    const [large, small] = [await newTenant('enterprise', ['admin']), await newTenant('team')]
    const order = (id: string, to: string) => operator.calls('POST', placementOf(id), { to })
    expect((await operator.calls('GET', placementOf(large.id))).body.placement).toEqual({
      tenant: large.id,
      lives_in: 'pool',
      wanted: 'pool',
      step: 'done',
      steps_left: [],
    })
    expect(await order(small.id, 'silo')).toMatchObject({ status: 409, body: { code: 'STATE_CONFLICT' } })
    expect((await order(large.id, 'pool')).status).toBe(409)
    const both = await Promise.all([order(large.id, 'silo'), order(large.id, 'silo')])
    expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 409])
    expect((await order(large.id, 'pool')).body.message).toContain('has not ended')
    expect((await large.calls('GET', '/v1/audit')).body.audit).toMatchObject([
      { action: 'tenant.placed', actor: { user: null, operator: true }, details: { to: 'silo' } },
    ])
    const [own] = (await operator.calls('GET', '/v1/audit')).body.audit
    expect(own).toMatchObject({ action: 'tenant.placed', target: large.id, actor: { user: operator.user } })
    await owner`delete from placements where tenant_id = ${large.id}`
  })

  test('is for operators alone, and about tenants that there are', async ({ newTenant, expect }) => {
    const admin = await newTenant('enterprise', ['admin'])
    const operator = await newTenant('enterprise', ['super_admin'])
    for (const method of ['GET', 'POST']) {
      const body = method === 'POST' ? { to: 'silo' } : undefined
      expect((await admin.calls(method, placementOf(admin.id), body)).status).toBe(403)
      expect((await operator.calls(method, placementOf(randomUUID()), body)).status).toBe(404)
    }
    expect((await operator.calls('POST', placementOf(admin.id), { to: 'elsewhere' })).status).toBe(400)
  })
})
