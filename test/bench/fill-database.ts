/** What a platform holds that has been in use for a while: many tenants, their marks, charges and grants of 90 days. */
import type { Sql } from 'postgres'

export interface Filling {
  tenants: number
  marks: number
}

const DAYS = 90
/** Of five marks, so many are of writes, with a grant and a charge each; the others are of reads. */
const WRITES_OF_FIVE = 2

/** In the order of their time, as they would have come; tenants that are there already get their share. */
export async function fillDatabase(sql: Sql, { tenants, marks }: Filling): Promise<void> {
  await sql.begin(async (db) => {
    await db`
      insert into tenants (id, slug, name, tier)
      select gen_random_uuid(), 'filled-' || n, 'Filled', 'pro' from generate_series(1, ${tenants}) as n`
    await db`
      insert into users (id, tenant_id, email, name, roles)
      select gen_random_uuid(), id, 'a@b.c', 'Filled', array['developer'] from tenants where slug like 'filled-%'`
    await db`
      create temporary table calls on commit drop as
      with people as (select row_number() over () as at, tenant_id, id as user_id from users)
      select tenant_id, user_id, at, uuidv7(at - now()) as id, n % 5 < ${WRITES_OF_FIVE} as is_write
      from (
        select n, now() - ${`${DAYS} days`}::interval * (1 - n / ${marks}::float8) as at,
          1 + floor(random() * (select count(*) from people)) as person
        from generate_series(1, ${marks}) as n
      ) as each join (select at as person, tenant_id, user_id from people) as who using (person)
      order by n`
    await db`
      insert into marks (id, tenant_id, path, node, category, outcome, user_id, archetype, effects, charges, trace_id, duration_ms, at)
      select id, tenant_id, path, 'void.entropy', category, 'success', user_id, 'developer', effects, charges, md5(id::text), 3, at
      from calls join (values
        (true, 'void.entropy.sip', 'E', array['charges:entropy'], '{"entropy": 0.001}'::jsonb),
        (false, 'void.entropy.manifest', 'P', array['reads:entropy'], '{}'::jsonb)
      ) as kind (is_write, path, category, effects, charges) using (is_write)
      order by at`
    await db`
      insert into charges (tenant_id, reservation_id, kind, resource, amount, path, at)
      select tenant_id, id, 'settled', 'entropy', 0.001, 'void.entropy.sip', at
      from calls where is_write order by at`
    await db`
      insert into entropy_grants (id, tenant_id, amount, seed, sipped_at)
      select uuidv7(at - now()), tenant_id, 0.001, random(), at from calls where is_write order by at`
    await db`
      insert into entropy_pools (tenant_id, remaining)
      select tenant_id, 100 - 0.001 * count(*) from calls where is_write group by tenant_id
      on conflict do nothing`
    // Older rows of the outbox are gone: the relay removes them after an hour.
    await db`
      insert into outbox (id, tenant_id, subjects, event, created_at, published_at)
      select id, tenant_id, array['agentese.' || tenant_id || '.void.entropy.sip'], repeat('x', 700), at, at
      from calls where at > now() - interval '50 minutes' order by at`
  })
  await sql.unsafe('vacuum analyze')
  await sql.unsafe('checkpoint')
}
