import { describe, expect } from 'vitest'
import { inject } from 'vitest'
import postgres from 'postgres'
import {
  agenteseSubject,
  eventSubject,
  inferenceSubject,
  tokensSubject,
} from '../../../shared/nats/subjects.ts'
import { STREAMS } from '../../../shared/nats/streams.ts'
import { newId } from '../../../shared/new-id.ts'
import { fillTables } from '../tenancy/fill.ts'
import { passGrace, rowsOf } from '../tenancy/world.ts'
import { test, type World } from './world.ts'

/** Invoices and the books behind them. */
const KEPT_BY_LAW = [
  'credit_notes',
  'invoice_lines',
  'invoices',
  'ledger_entries',
  'ledger_transactions',
  'payments',
]

/** A tenant with a row in every table, and a message in every stream. */
async function arrives(
  world: World,
  tenant = newId(),
): Promise<{ tenant: string; filled: Record<string, number> }> {
  await world.owner`insert into tenants (id, slug, name, tier) values (${tenant}, ${`t-${tenant}`}, 'Test', 'pro')`
  const { placements: _, ...filled } = await fillTables(world.owner, tenant)
  // It has no database of its own: that would have to go first.
  await world.owner`delete from placements where tenant_id = ${tenant}`
  // Nothing of it is under way.
  await world.owner`update jobs set status = 'completed' where tenant_id = ${tenant}`
  await world.owner`update outbox set published_at = now() where tenant_id = ${tenant}`
  return { tenant, filled }
}

async function publishes(world: World, tenant: string): Promise<void> {
  const subjects = [
    agenteseSubject(tenant, 'void.entropy.sip'),
    eventSubject(tenant, 'io.kgents.x'),
    inferenceSubject(tenant, newId()),
    tokensSubject(tenant, newId()),
  ]
  for (const subject of subjects) await world.nc.jetstream().publish(subject, '{}')
}

async function messagesOf(world: World, tenant: string): Promise<number> {
  let found = 0
  for (const [stream, { subjects }] of Object.entries(STREAMS)) {
    const filter = `${subjects[0]?.split('.')[0]}.${tenant}.>`
    const { state } = await world.jsm.streams.info(stream, { subjects_filter: filter })
    found += Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0)
  }
  return found
}

/** As when it was deleted, 31 days ago. */
async function leaves(world: World, tenant: string): Promise<void> {
  await world.owner`
    update tenants set deleted_at = now(), suspended_at = now(), deleted_by = 'tenant' where id = ${tenant}`
  await passGrace(world.owner, tenant)
}

const tombstoneOf = async (world: World, tenant: string) =>
  (await world.owner`select * from tombstones where id = ${tenant}`)[0]

describe('a tenant that was deleted 30 days ago', () => {
  test('is erased from every table and every stream, and its neighbours keep what they have', async ({
    world,
  }) => {
    const relay = world.startRelay({ CLOCK_SECONDS: '3600' })
    await expect.poll(() => relay.value('relay_nats_connected')).toBe(1)
    await expect.poll(() => world.jsm.streams.info('TOKENS').catch(() => undefined)).toBeDefined()
    const [gone, waiting, neighbour] = [await arrives(world), await arrives(world), await arrives(world)]
    const operators = newId()
    await world.owner`insert into tenants (id, slug, name, tier) values (${operators}, 'operators', 'O', 'enterprise')`
    await world.owner`
      insert into users (id, tenant_id, email, name, roles) values (${newId()}, ${operators}, 'o@o.example', 'O', '{super_admin}')`
    // More than one batch, and rows that refer to each other.
    await world.owner`
      insert into entities (tenant_id, name, entity_type, description, parent, created_by, state, metadata)
      select ${gone.tenant}, 'e' || n, 'x', '', case when n > 1 then 'e' || n - 1 end, gen_random_uuid(), '{}', '{}'
      from generate_series(1, 1500) n`
    for (const { tenant } of [gone, waiting, neighbour]) await publishes(world, tenant)
    await world.owner`
      update tenants set deleted_at = now(), suspended_at = now(), deleted_by = 'tenant' where id = ${waiting.tenant}`
    const before = await rowsOf(world.owner, gone.tenant)
    await leaves(world, gone.tenant)
    await expect
      .poll(async () => (await tombstoneOf(world, gone.tenant))?.['erased_at'] ?? null)
      .not.toBeNull()

    const { kept, tables, streams } = (await tombstoneOf(world, gone.tenant))?.['sweep'] ?? {}
    expect(Object.keys(kept).filter((name) => !KEPT_BY_LAW.includes(name))).toEqual([])
    // The relay counts what was used until the end, and the erasure notes the bytes that it frees.
    const counted = (rows: object) =>
      Object.fromEntries(
        Object.entries(rows).filter(
          ([name]) => !(name in kept || name === 'storage_changes' || name.startsWith('usage_')),
        ),
      )
    expect(counted((await tombstoneOf(world, gone.tenant))?.['erased'])).toEqual(counted(before))
    expect(Object.keys(await rowsOf(world.owner, gone.tenant)).toSorted()).toEqual(
      Object.keys(kept).toSorted(),
    )
    expect(await world.owner`select from tenants where id = ${gone.tenant}`).toEqual([])
    expect(Object.values({ ...tables, ...streams }).every((count) => count === 0)).toBe(true)
    expect(Object.keys(streams).toSorted()).toEqual(Object.keys(STREAMS).toSorted())
    expect(await messagesOf(world, gone.tenant)).toBe(0)
    for (const { tenant, filled } of [waiting, neighbour]) {
      const rows = await rowsOf(world.owner, tenant)
      expect(Object.keys(filled).filter((name) => (rows[name] ?? 0) < (filled[name] ?? 0))).toEqual([])
      expect(await messagesOf(world, tenant)).toBeGreaterThanOrEqual(3)
    }
    expect(await world.owner`select action, target from audit where tenant_id = ${operators}`).toEqual([
      { action: 'tenant.erased', target: gone.tenant },
    ])
    expect(await relay.value('relay_tenants_erased_total')).toBe(1)
  })

  test('is erased in steps, any of which may be interrupted, and counted once', async ({ world }) => {
    const { tenant } = await arrives(world)
    const before = await rowsOf(world.owner, tenant)
    await leaves(world, tenant)
    const relay = postgres(world.relayUrl, { max: 1, onnotice: () => {} })
    // Before its erasure has begun, nothing erases it.
    expect(await relay`select erase_rows(${tenant}, 1000) as erased`).toEqual([{ erased: 0 }])
    expect(await relay`select tenants_to_erase() as tenant`).toEqual([{ tenant }])
    const step = () => relay<{ erased: number }[]>`select erase_rows(${tenant}, 3) as erased`
    let erased = 3
    while (erased > 0) {
      // A process that is killed: what it had begun has not happened.
      await relay
        .begin(async (db) => {
          await db`select erase_rows(${tenant}, 3)`
          throw new Error('killed')
        })
        .catch(() => {})
      erased = (await step())[0]?.erased ?? 0
    }
    const early = await relay`select finish_erasure(${tenant}, '{"EVENTS": 1}') as ended`
    expect(early).toEqual([{ ended: false }])
    // What comes late is found by the sweep.
    await world.owner`insert into inbox (tenant_id, consumer, event_id) values (${tenant}, 'late', ${newId()})`
    expect(await relay`select finish_erasure(${tenant}, '{}') as ended`).toEqual([{ ended: false }])
    await step()
    expect(await relay`select finish_erasure(${tenant}, '{}') as ended`).toEqual([{ ended: true }])
    expect(await relay`select finish_erasure(${tenant}, '{}') as ended`).toEqual([{ ended: false }])
    await relay.end()
    const { erased: counts, sweep } = (await tombstoneOf(world, tenant)) ?? {}
    const kept = Object.keys(sweep.kept)
    const wanted = Object.entries(before).filter(([name]) => !kept.includes(name))
    expect(counts).toEqual({ ...Object.fromEntries(wanted), inbox: (before['inbox'] ?? 0) + 1 })
  })

  test('waits while a job of it has not ended', async ({ world }) => {
    const { tenant } = await arrives(world)
    await leaves(world, tenant)
    await world.owner`update jobs set status = 'running' where tenant_id = ${tenant}`
    expect(await world.owner`select tenants_to_erase() as tenant`).toEqual([])
    await world.owner`update jobs set status = 'cancelled' where tenant_id = ${tenant}`
    expect(await world.owner`select tenants_to_erase() as tenant`).toEqual([{ tenant }])
  })

  test('leaves its slug to others, unless that was kept', async ({ world }) => {
    const made = async (slug: string) =>
      (await world.owner`select is_slug_free(${slug}) as free`)[0]?.['free'] as boolean
    for (const kept of [false, true]) {
      const tenant = newId()
      const slug = `t-${tenant}`
      await world.owner`insert into tenants (id, slug, name, tier) values (${tenant}, ${slug}, 'Test', 'pro')`
      await leaves(world, tenant)
      await world.owner`update tenants set slug_kept = ${kept} where id = ${tenant}`
      expect(await made(slug)).toBe(false)
      await world.owner`select tenants_to_erase()`
      expect(await world.owner`select finish_erasure(${tenant}, '{}') as ended`).toEqual([{ ended: true }])
      expect(await made(slug)).toBe(!kept)
    }
  })
})

describe('the database', () => {
  test('names each table that is of no tenant, and lets every other be taken along and erased', async () => {
    const owner = postgres(inject('servers').postgres.owner, { max: 1, onnotice: () => {} })
    const tables = await owner<{ name: string; of_tenant: boolean }[]>`
      select c.relname as name, exists (select from tenant_tables() t where t.id = c.oid) as of_tenant
      from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`
    const OF_PLATFORM = [
      'migrations',
      'plans',
      'relay_sleep',
      'sign_ups',
      'stripe_webhook_counts',
      'tenants',
      'tombstones',
      'trace_exports',
      'usage_export_targets',
      'usage_state',
    ]
    const others = tables.filter(({ of_tenant, name }) => !of_tenant && !OF_PLATFORM.includes(name))
    expect(others).toEqual([])
    for (const { name } of tables.filter(({ of_tenant }) => of_tenant)) {
      const [law] = await owner`
        select exists (select from pg_policies where tablename = ${name} and policyname = 'departure') as bound,
          has_table_privilege('kgents_remover', ${name}, 'delete') as erasable,
          exists (select from pg_index i where i.indrelid = ${name}::regclass and i.indisunique
            and i.indpred is null and not exists (select from unnest(i.indkey::smallint[]) as part (number)
              where part.number > 0 and not has_column_privilege('kgents_tenant_reader', i.indrelid, part.number, 'select')))
            or exists (select from export_omissions() o where o.table_name = ${name} and o.column_name is null) as has_key,
          exists (select from exported_tables() as e (name) where e.name = ${name}) or exists (
            select from export_omissions() o where o.table_name = ${name} and o.column_name is null) as exportable,
          exists (select from kept_tables() k where k.name = ${name}) or ${name} = 'audit' or not exists (
            select from pg_trigger t where t.tgrelid = ${name}::regclass and not t.tgisinternal and t.tgtype & 10 = 10) as unguarded`
      expect({ name, ...law }).toEqual({
        name,
        bound: true,
        erasable: true,
        has_key: true,
        exportable: true,
        unguarded: true,
      })
    }
    await owner.end()
  })
})
