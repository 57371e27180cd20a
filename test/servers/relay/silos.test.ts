/** Tenants in a database of their own: every function works there, each row is where its table says, and the relay drains all. */
import { describe } from 'vitest'
import { withTenant } from '../../../shared/database/database.ts'
import { CENTRAL, MOVING, TABLES } from '../../../shared/database/tables.ts'
import { takeTick } from '../../../shared/pipeline/take-tick.ts'
import { ASPECTS, OPERATIONS, asAllowed, requestFor, urlOf } from '../functions/examples.ts'
import { eventually } from '../../eventually.ts'
import { test, type Customer, type Platform } from './moves-world.ts'

const SIP = '/v1/agentese/void/entropy/sip'

describe('TABLES', () => {
  test('says of every table which database its rows are in', async ({ world, expect }) => {
    const rows = await world.owner<{ name: string }[]>`
      select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`
    expect(rows.map(({ name }) => name).filter((name) => !(name in TABLES))).toEqual([])
    expect(Object.keys(TABLES).filter((name) => !rows.some((row) => row.name === name))).toEqual([])
  })

  test('lets tables move that can: each names the tenant, and nothing that PostgreSQL counts is in a key', async ({
    world,
    expect,
  }) => {
    const rows = await world.owner<{ name: string; moves: boolean; refers_to: string[] | null }[]>`
      select c.relname as name,
        exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and a.attnotnull)
          and not exists (
            select from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey)
            where i.indrelid = c.oid and i.indisprimary and a.attidentity <> '') as moves,
        (select json_agg(o.confrelid::regclass::text) from pg_constraint o where o.conrelid = c.oid and o.contype = 'f')
          as refers_to
      from pg_class c where c.relname in ${world.owner(MOVING)}`
    expect(rows.filter(({ moves }) => !moves)).toEqual([])
    // What stays behind cannot be referred to.
    expect(rows.flatMap(({ refers_to }) => refers_to ?? []).filter((name) => !MOVING.includes(name))).toEqual(
      [],
    )
  })
})

describe('a tenant in a silo', () => {
  test('is answered by every function as one in the pool, and leaves no row in the wrong database', async ({
    platform,
    expect,
  }) => {
    const inSilo = await platform.newTenantInSilo()
    const inPool = await platform.newTenant('enterprise', ['super_admin', 'admin', 'developer'])
    const [there, here] = [await runAll(inSilo), await runAll(inPool)]
    expect(there).toEqual(here)
    expect(there.filter((line) => line.endsWith(' 500'))).toEqual([])
    await platform.functions.runtime.recorder.flush()
    const silo = await platform.served(inSilo.id)
    expect(await filled(platform.world.owner, MOVING, inSilo.id)).toEqual([])
    expect(await filled(silo, CENTRAL, inSilo.id)).toEqual([])
    expect(await filled(silo, MOVING, inSilo.id)).toEqual(
      await filled(platform.world.owner, MOVING, inPool.id),
    )
  })

  test('is billed for what it used there, takes it along, and has its jobs ended when it is deleted', async ({
    platform,
    expect,
  }) => {
    const { world, functions } = platform
    const tenant = await platform.newTenantInSilo()
    const silo = await platform.served(tenant.id)
    const ticks = () => takeTick(functions.runtime, new AbortController().signal)
    expect((await tenant.calls('POST', SIP, {})).status).toBe(200)
    expect((await tenant.calls('POST', '/v1/billing/subscription', { plan: 'pro' })).status).toBe(200)
    await world.owner`
      update plan_subscriptions set trial_end = now() - interval '40 days', period_end = now() - interval '40 days',
        period_start = now() - interval '54 days', trial_noticed_at = now() where tenant_id = ${tenant.id}`
    await world.owner`update tenants set overage_allowed = true where id = ${tenant.id}`
    await silo`
      insert into usage_quarters (tenant_id, meter, quarter, quantity)
      values (${tenant.id}, 'tokens', date_bin('15 minutes', now() - interval '20 days', '2000-01-01'), 600000)`
    await tenant.calls('POST', '/v1/tenant/exports', {})
    await ticks()
    expect(
      await world.owner`
        select quantity, cents::int as cents from invoice_lines where tenant_id = ${tenant.id} and meter = 'tokens'`,
    ).toEqual([{ quantity: '600000', cents: 100 }])
    const [written] = await world.owner`select status, tables from exports where tenant_id = ${tenant.id}`
    expect(written).toMatchObject({ status: 'ready', tables: { charges: 1, usage_quarters: 1, users: 1 } })

    const message = 'Tell me how a garden grows when nobody looks after it'
    const { status } = await tenant.calls('POST', '/v1/agentese/self/soul/dialogue', { message })
    expect(status).toBe(202)
    for (const sql of [world.owner, silo])
      await sql`
        update tenants set deleted_at = now(), suspended_at = now(), deleted_by = 'tenant' where id = ${tenant.id}`
    await ticks()
    expect(await silo`select status from jobs`).toEqual([{ status: 'cancelled' }])
  })

  test('is erased with its database, and nothing is left of it', async ({ platform, expect }) => {
    const { owner } = platform.world
    const [tenant, restored] = [await platform.newTenantInSilo(), await platform.newTenantInSilo()]
    for (const each of [tenant, restored]) expect((await each.calls('POST', SIP, {})).status).toBe(200)
    // Its silo has not heard that it was restored.
    await (await platform.served(restored.id))`
      update tenants set deleted_at = now() - interval '31 days', suspended_at = now(), deleted_by = 'tenant'`
    await leaves(platform, tenant.id)
    platform.startRelay()
    await eventually(async () => {
      const [row] = await owner`select erased_at, sweep from tombstones where id = ${tenant.id}`
      expect(row?.['erased_at']).toBeInstanceOf(Date)
      const { tables, streams } = row?.['sweep'] ?? {}
      expect(Object.values({ ...tables, ...streams }).filter((count) => count !== 0)).toEqual([])
    })
    expect(
      await owner`select from pg_database where datname like ${`%${tenant.id.replaceAll('-', '')}`}`,
    ).toHaveLength(0)
    expect(await owner`select from placements where tenant_id = ${tenant.id}`).toHaveLength(0)
    expect(await owner`select id from tombstones`).toEqual([{ id: tenant.id }])
    expect((await restored.calls('POST', SIP, {})).status).toBe(200)
    expect(await (await platform.served(restored.id))`select from entropy_grants`).toHaveLength(2)
  })

  test('has its events published and its people up to date; its database goes with it', async ({
    platform,
    expect,
  }) => {
    const { world, functions } = platform
    const [tenant, gone] = [await platform.newTenantInSilo(), await platform.newTenantInSilo()]
    platform.startRelay()
    expect((await tenant.calls('POST', SIP, {})).status).toBe(200)
    await eventually(async () => {
      const { state } = await world.jsm.streams.info('AGENTESE', {
        subjects_filter: `agentese.${tenant.id}.>`,
      })
      expect(Object.values(state.subjects ?? {})).toEqual([1])
    })

    expect((await tenant.calls('PATCH', '/v1/tenant', { name: 'Initech and sons' })).status).toBe(200)
    const silo = await platform.served(tenant.id)
    await eventually(async () =>
      expect(await silo`select name from tenants`).toEqual([{ name: 'Initech and sons' }]),
    )

    const release = () =>
      withTenant(
        functions.runtime.database.central,
        gone.id,
        'write',
        (db) => db`select release_silo() as there`,
      )
    expect(await release()).toEqual([{ there: true }])
    await eventually(async () => expect(await release()).toEqual([{ there: false }]))
    const left = await world.owner`
      select from pg_database where datname like ${`%${gone.id.replaceAll('-', '')}`}`
    expect(left).toHaveLength(0)
    expect((await tenant.calls('POST', SIP, {})).status).toBe(200)
  })
})

/** As if the tenant had been deleted, and its grace were over. */
async function leaves({ world: { owner } }: Platform, tenant: string): Promise<void> {
  await owner`
    update tenants set deleted_at = now() - interval '31 days', suspended_at = now() - interval '31 days', deleted_by = 'tenant'
    where id = ${tenant}`
}

/** Of each node an aspect that writes, and every operation, by its first example: its name and what it was answered. */
async function runAll(tenant: Customer): Promise<string[]> {
  const lines: string[] = []
  const writing = ASPECTS.filter(({ endpoint }) => endpoint.writes)
  for (const each of new Map(writing.map((each) => [each.definition.name, each])).values()) {
    const [example] = each.endpoint.examples
    const { status } = await tenant.calls(
      'POST',
      urlOf(each, example?.holon),
      example?.input ?? {},
      asAllowed(each.aspect),
    )
    lines.push(`${each.path} ${status}`)
  }
  // Slugs are the whole platform's: the second tenant finds it taken.
  const operations = OPERATIONS.filter(({ auth, name }) => auth === 'required' && name !== 'tenants.create')
  for (const endpoint of operations) {
    const { status } = await tenant.calls(...requestFor(endpoint))
    lines.push(`${endpoint.name} ${status}`)
  }
  return lines
}

/** Tables that have rows of the tenant. */
async function filled(
  sql: Platform['world']['owner'],
  tables: readonly string[],
  tenant: string,
): Promise<string[]> {
  const found: string[] = []
  const named = await sql<{ name: string }[]>`
    select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relname in ${sql(tables)} and a.attname = 'tenant_id' order by 1`
  for (const { name } of named) {
    const rows = await sql`select from ${sql(name)} where tenant_id = ${tenant} limit 1`
    if (rows.length > 0) found.push(name)
  }
  return found
}
