/** Tenants that get a database of their own, and come back from it, while they work. */
import { describe, type ExpectStatic } from 'vitest'
import { agenteseSubject } from '../../../shared/nats/subjects.ts'
import { eventually } from '../../eventually.ts'
import { endProcess, PATH } from './world.ts'
import { test, type Called, type Platform } from './moves-world.ts'

const placementOf = (id: string) => `/v1/operator/tenants/${id}/placement`

describe('a tenant that is moved', () => {
  test('loses nothing and doubles nothing in a silo and back, while it works', async ({
    platform,
    expect,
  }) => {
    const [customer, neighbour] = [await platform.newTenant(), await platform.newTenant()]
    const operator = await platform.newTenant('enterprise', ['super_admin'])
    platform.startRelay()
    const load = platform.startLoad(customer, 3)
    const beside = platform.startLoad(neighbour, 1)
    const order = (to: string) => operator.calls('POST', placementOf(customer.id), { to })
    await load.calls(20)
    const { status: taken, body: asked } = await customer.calls('POST', '/v1/agentese/self/soul/dialogue', {
      message: 'Tell me how a garden grows when nobody looks after it',
    })

    expect(taken).toBe(202)

    expect(await order('silo')).toMatchObject({
      status: 202,
      body: { placement: { lives_in: 'pool', wanted: 'silo' } },
    })
    await platform.comesTo(customer.id, 'keep')
    await load.calls(20)
    await platform.skipKeeping(customer.id)
    await platform.comesTo(customer.id, 'done')
    expect(await rowsIn(platform, customer.id)).toEqual([0, 0, 0])
    expect(await platform.finishes(customer.id, asked.job.id)).toBe(202)
    expect((await customer.calls('GET', asked.links.self)).body.job.status).toBe('completed')
    const there = await operator.calls('GET', placementOf(customer.id))
    expect(there.body.placement).toMatchObject({ lives_in: 'silo', step: 'done', steps_left: [] })

    expect(await order('pool')).toMatchObject({ status: 202 })
    await platform.comesTo(customer.id, 'keep')
    await load.calls(20)
    await platform.skipKeeping(customer.id)
    await platform.comesTo(customer.id, 'done')
    await load.calls(5)

    for (const called of [await load.stop(), await beside.stop()]) await expectExact(platform, called, expect)
    const silos = await platform.world
      .owner`select from pg_database where datname like '%\\_silo\\_%' and starts_with(datname, ${platform.name.slice(0, 20)})`
    expect(silos).toHaveLength(0)
    const back = await operator.calls('GET', placementOf(customer.id))
    expect(back.body.placement).toMatchObject({ lives_in: 'pool', step: 'done' })
    if (process.env['MOVES_REPORT'] !== undefined) console.log(there.body.placement, back.body.placement)
  })

  test('loses nothing where each step of both moves is interrupted', async ({ platform, expect }) => {
    const [customer, operator] = [
      await platform.newTenant(),
      await platform.newTenant('enterprise', ['super_admin']),
    ]
    await platform.interruptsEachStep()
    platform.startRelay()
    const load = platform.startLoad(customer, 2)
    await platform.movesThereAndBack(customer, operator, load)
    await expectExact(platform, await load.stop(), expect)
    const [interrupted] = await platform.world.owner`select count(*)::int as steps from interrupted`
    expect(interrupted).toEqual({ steps: 15 })
  })

  test('loses nothing where its mover is killed while writes wait, and another goes on', async ({
    platform,
    expect,
  }) => {
    const [customer, operator] = [
      await platform.newTenant(),
      await platform.newTenant('enterprise', ['super_admin']),
    ]
    const killed = await platform.spawnRelay()
    const load = platform.startLoad(customer, 2)
    await load.calls(5)
    await operator.calls('POST', placementOf(customer.id), { to: 'silo' })
    await platform.comesTo(customer.id, 'fence')
    await endProcess(killed, 'SIGKILL')
    platform.startRelay()
    await platform.comesTo(customer.id, 'keep')
    await load.calls(10)
    const called = await load.stop()
    await expectExact(platform, called, expect)
    expect(await platform.served(customer.id)).not.toBe(platform.world.owner)
  })
})

/** Of the tenant, in the pool. */
async function rowsIn({ world: { owner } }: Platform, tenant: string): Promise<number[]> {
  const [row] = await owner<{ counts: number[] }[]>`
    select json_build_array(
      (select count(*) from marks where tenant_id = ${tenant}),
      (select count(*) from charges where tenant_id = ${tenant}),
      (select count(*) from entropy_grants where tenant_id = ${tenant})) as counts`
  return row?.counts ?? []
}

/** Each call that was accepted has one grant, one mark, one charge and one event, is counted once, and the pool of entropy knows of it. */
async function expectExact(platform: Platform, called: Called, expect: ExpectStatic) {
  const { tenant, grants, wrong } = called
  if (process.env['MOVES_REPORT'] !== undefined)
    console.log({ calls: grants.size, deferred: called.deferred, slowestMs: Math.round(called.slowestMs) })
  expect(wrong.map((each) => JSON.stringify(each)).slice(0, 3)).toEqual([])
  const sql = await platform.served(tenant)
  const granted = await sql<{ id: string }[]>`select id from entropy_grants where tenant_id = ${tenant}`
  expect(granted.map(({ id }) => id).toSorted()).toEqual([...grants.values()].toSorted())
  const [books] = await sql`
    select (select count(*)::int from marks where tenant_id = ${tenant} and path = ${PATH}) as marks,
      (select count(*)::int from charges where tenant_id = ${tenant} and resource = 'entropy') as charges,
      (select sum(amount)::text from charges where tenant_id = ${tenant} and resource = 'entropy') as charged,
      (select (initial - remaining)::text from entropy_pools where tenant_id = ${tenant}) as drawn`
  const amount = (grants.size / 1000).toFixed(3)
  expect(books).toEqual({ marks: grants.size, charges: grants.size, charged: amount, drawn: amount })
  await eventually(async () => {
    const [usage] = await sql`
      select (select count(*)::int from marks where tenant_id = ${tenant}) as marks,
        (select sum(quantity)::int from usage_quarters where tenant_id = ${tenant} and meter = 'invocations') as counted`
    expect(usage?.['counted']).toBe(usage?.['marks'])
  })
  const { jsm } = platform.world
  await eventually(async () => {
    const subject = agenteseSubject(tenant, PATH)
    const { state } = await jsm.streams.info('AGENTESE', { subjects_filter: subject })
    const events = Object.values(state.subjects ?? {}).reduce((sum, each) => sum + each, 0)
    expect(events).toBe(grants.size)
  })
}
