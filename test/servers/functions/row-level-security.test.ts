import { randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { describe, expect } from 'vitest'
import { insertTenant, testWith } from './world.ts'

const test = testWith()

/** Every table that holds rows of tenants. */
async function tenantTables(owner: postgres.Sql): Promise<{ name: string; column: string }[]> {
  return owner`
    select c.relname as name, case c.relname when 'tenants' then 'id' else 'tenant_id' end as column
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relkind = 'r' and c.relname not in ('migrations', 'relay_sleep')
    order by 1`
}

async function as<T>(
  app: postgres.Sql,
  tenant: string,
  work: (db: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  return (await app.begin(async (db) => {
    await db`select set_tenant_context(${tenant})`
    return work(db)
  })) as T
}

describe('the database itself', () => {
  test('forces row-level security on every table, and lets the app role bypass nothing', async ({
    owner,
  }) => {
    for (const { name } of await tenantTables(owner)) {
      const [table] = await owner`
        select relrowsecurity as enabled, relforcerowsecurity as forced from pg_class where oid = ${name}::regclass`
      expect({ name, ...table }).toEqual({ name, enabled: true, forced: true })
      const policies = await owner`
        select with_check is not null or cmd = 'SELECT' as checked from pg_policies
        where tablename = ${name} and 'kgents_app' = any(roles)`
      expect(
        policies.every(({ checked }) => checked),
        name,
      ).toBe(true)
    }
    const roles = await owner`
      select rolname from pg_roles where rolname like 'kgents%' and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)`
    expect(roles).toEqual([])
  })

  test('shows no row and takes no row while no tenant is set', async ({ owner, app }) => {
    const { id } = await insertTenant(owner, 'pro', ['developer'])
    for (const { name } of await tenantTables(owner)) {
      // What is on offer is for everybody.
      const hidden = name === 'plans' ? 'plans where made_for is not null' : name
      const rows = await app.unsafe(`select count(*)::int as n from ${hidden}`).catch((error: Error) => error)
      if (rows instanceof Error) expect(rows.message).toMatch(/permission denied/)
      else expect(rows[0]).toEqual({ n: 0 })
    }
    await expect(app`insert into entropy_pools (tenant_id) values (${id})`).rejects.toThrow(
      /row-level security/,
    )
    await expect(
      app`insert into outbox (id, tenant_id, subjects, event) values (${randomUUID()}, ${id}, '{x}', '{}')`,
    ).rejects.toThrow(/row-level security/)
  })

  test("with one tenant's context, another's rows cannot be read, written, changed or taken over", async ({
    owner,
    app,
  }) => {
    const acme = await insertTenant(owner, 'pro', ['developer'])
    const globex = await insertTenant(owner, 'pro', ['developer'])
    await as(
      app,
      globex.id,
      (db) => db`insert into entropy_pools (tenant_id, remaining) values (${globex.id}, 50)`,
    )
    const seen = await as(
      app,
      acme.id,
      (db) => db`select * from entropy_pools where tenant_id = ${globex.id}`,
    )
    expect(seen).toHaveLength(0)
    const changed = await as(
      app,
      acme.id,
      (db) => db`update entropy_pools set remaining = 0 returning tenant_id`,
    )
    expect(changed).toHaveLength(0)
    const insert = as(
      app,
      acme.id,
      (db) => db`insert into souls (tenant_id, user_id) values (${globex.id}, ${globex.user})`,
    )
    await expect(insert).rejects.toThrow(/row-level security/)
    await as(
      app,
      acme.id,
      (db) => db`insert into souls (tenant_id, user_id) values (${acme.id}, ${acme.user})`,
    )
    const give = as(app, acme.id, (db) => db`update souls set tenant_id = ${globex.id}`)
    await expect(give).rejects.toThrow(/row-level security/)
    const [pool] = await owner`select remaining::float8 from entropy_pools where tenant_id = ${globex.id}`
    expect(pool).toEqual({ remaining: 50 })
  })

  test('forgets the tenant with the transaction, so a pooled connection carries nothing over', async ({
    owner,
    app,
  }) => {
    const { id } = await insertTenant(owner, 'pro', ['developer'])
    const one = await app.reserve()
    try {
      await one`begin`
      await one`select set_tenant_context(${id})`
      await one`commit`
      expect(await one`select current_tenant() as tenant`).toEqual([{ tenant: null }])
      expect(await one`select * from jobs`).toHaveLength(0)
    } finally {
      one.release()
    }
  })

  test('lets nobody stand in for its tables: functions of other owners never look at temporary ones', async ({
    owner,
    app,
  }) => {
    const { id } = await insertTenant(owner, 'pro', ['developer'])
    await expect(app`create temporary table api_keys (key_hash bytea)`).rejects.toThrow(/permission denied/)
    await expect(as(app, id, (db) => db`create table public.mine (a int)`)).rejects.toThrow(
      /permission denied/,
    )
    const definers = await owner`
      select p.proname as name, r.rolsuper or r.rolbypassrls or r.rolcanlogin as strong, p.proconfig::text as settings
      from pg_proc p join pg_roles r on r.oid = p.proowner join pg_namespace n on n.oid = p.pronamespace
      where n.nspname = 'public' and p.prosecdef`
    expect(definers.length).toBeGreaterThan(0)
    for (const { name, strong, settings } of definers) {
      expect({ name, strong }).toEqual({ name, strong: false })
      expect(settings).toMatch(/search_path=[^"]*pg_temp"?[,}]/)
    }
  })

  test('keeps marks and the ledger as they were written, and hides the outbox from functions', async ({
    owner,
    app,
  }) => {
    const { id } = await insertTenant(owner, 'pro', ['developer'])
    for (const statement of [
      `update marks set code = 'x'`,
      'delete from marks',
      'update charges set amount = 0',
      'delete from charges',
      'select * from outbox',
      'delete from outbox',
      'delete from users',
      `update users set kind = 'service'`,
      'select key_hash from api_keys',
      'select previous_hash from api_keys',
      `update api_keys set key_hash = ''`,
      'select token_hash from invitations',
      'delete from invitations',
      `update audit set record = ''`,
      'delete from audit',
      `insert into audit_heads values (current_tenant(), 1, '')`,
      `update tenants set suspended_at = null`,
      'delete from jobs',
      `update tenants set tier = 'enterprise'`,
    ]) {
      await expect(as(app, id, (db) => db.unsafe(statement))).rejects.toThrow(/permission denied/)
    }
  })
})
