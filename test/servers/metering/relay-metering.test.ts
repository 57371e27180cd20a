/** The relay counts usage as itself, with the rights that it has. */
import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { inject, test } from 'vitest'
import { openMetering } from '../../../knative/relay/metering.ts'
import { createMetrics } from '../../../knative/relay/metrics.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { eventually } from '../../eventually.ts'
import { createDatabase } from '../servers.ts'

test('openMetering() counts, samples and reconciles, and reports how far it is', async ({ expect }) => {
  const name = `metering_${randomUUID().replaceAll('-', '')}`
  const servers = inject('servers').postgres
  await createDatabase(servers.owner, name)
  const inDatabase = (url: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href
  const owner = postgres(inDatabase(servers.owner), { max: 1, onnotice: () => {} })
  const tenant = randomUUID()
  await owner`insert into tenants (id, slug, name, tier) values (${tenant}, ${`t-${tenant}`}, 'Test', 'pro')`
  await owner`
    insert into marks (id, tenant_id, path, category, outcome, archetype, effects, trace_id, duration_ms, at)
    values (${randomUUID()}, ${tenant}, 'a.b.c', 'P', 'success', 'developer', '{}', 't', 1, now() - interval '1 day')`
  await owner`
    update usage_state set reconcile_day = ((now() - interval '2 days') at time zone 'UTC')::date, storage_hour = now() - interval '1 hour'`
  const metrics = createMetrics()
  const url = inDatabase(servers.relay)
  const log = createLog('test', 'silent')
  const metering = openMetering({ url, database: 'test', metrics, log, intervalMs: 20 })
  await eventually(async () => {
    expect(
      await owner`select quantity::int from usage_daily where meter = 'invocations' and tenant_id = ${tenant}`,
    ).toEqual([{ quantity: 1 }])
    expect(await owner`select reconcile_day >= now()::date - 1 as done from usage_state`).toEqual([
      { done: true },
    ])
    expect(await metrics.render()).toContain('kgents_metering_lag_seconds{database="test"} 0')
    expect(await metrics.render()).toContain('kgents_metering_discrepancies{database="test"} 0')
  })
  await metering.close()
  await owner.end()
})
