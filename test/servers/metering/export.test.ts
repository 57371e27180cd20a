/** The export of usage: each event is taken once, whatever becomes of the service meanwhile. */
import { randomUUID } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import { describe, inject, test as base } from 'vitest'
import { declareTargets, exportBatch } from '../../../knative/usage-export/exporter.ts'
import { createExportMetrics } from '../../../knative/usage-export/metrics.ts'
import { LAGO, OPENMETER, type Service } from '../../../knative/usage-export/service.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { createRegistry } from '../../../shared/telemetry/metrics.ts'
import { createDatabase } from '../servers.ts'
import { KEY, openLago, openOpenMeter, type FakeService } from './metering-services.ts'

const OPEN = { openmeter: openOpenMeter, lago: openLago } as const
const SERVICES: Service[] = [OPENMETER, LAGO]

interface World {
  owner: Sql
  /** As the export connects. */
  exporter: Sql
  opened: FakeService[]
  begin(service: Service): Promise<Beginning>
}

interface Beginning {
  fake: FakeService
  /** Exports what is next. */
  exports(timeoutSeconds?: number): Promise<number>
  /** Calls of a tenant, counted. */
  uses(calls: number): Promise<void>
  /** Amounts that the service has, by meter. */
  has(): Record<string, number>
  state(): Promise<Record<string, unknown> | undefined>
  metrics(): Promise<string>
}

const test = base.extend<World>({
  owner: [
    async ({}, use) => {
      const name = `export_${randomUUID().replaceAll('-', '')}`
      const { owner } = inject('servers').postgres
      await createDatabase(owner, name)
      const sql = postgres(Object.assign(new URL(owner), { pathname: `/${name}` }).href, {
        max: 2,
        onnotice: () => {},
      })
      await use(sql)
      await sql.end()
    },
    { scope: 'file' },
  ],
  exporter: [
    async ({ owner }, use) => {
      const url = new URL(inject('servers').postgres.exporter)
      const sql = postgres(Object.assign(url, { pathname: `/${owner.options.database}` }).href, { max: 2 })
      await use(sql)
      await sql.end()
    },
    { scope: 'file' },
  ],
  opened: async ({}, use) => {
    const opened: FakeService[] = []
    await use(opened)
    for (const each of opened) each.close()
  },
  begin: async ({ owner, exporter, opened }, use) =>
    use(async (service) => {
      const fake = await OPEN[service.name]()
      opened.push(fake)
      await declareTargets(exporter, [])
      await declareTargets(exporter, [service.name])
      const registry = createRegistry()
      const options = {
        sql: exporter,
        database: 'test',
        to: { service, url: fake.url, key: KEY },
        metrics: createExportMetrics(registry),
        log: createLog('test', 'silent'),
        signal: new AbortController().signal,
      }
      return {
        fake,
        exports: (timeoutSeconds = 10) => exportBatch({ ...options, timeoutSeconds }),
        uses: (calls) => leaveCalls(owner, calls),
        has: () => sumsOf(fake),
        state: async () =>
          (
            await owner`
              select sent::int, rejected::int, flush_errors::int, error from usage_export_targets where name = ${service.name}`
          )[0],
        metrics: () => registry.render(),
      }
    }),
})

async function leaveCalls(owner: Sql, calls: number): Promise<void> {
  await owner`
    insert into marks (id, tenant_id, path, category, outcome, archetype, effects, trace_id, duration_ms)
    select gen_random_uuid(), gen_random_uuid(), 'world.house.manifest', 'P', 'success', 'developer', '{}', 't', 1000
    from generate_series(1, ${calls}::int)`
  // Nothing is counted past the oldest transaction that runs on the server, whosever that is.
  const [row] = await owner<[{ now: string }]>`select pg_current_xact_id()::text as now`
  for (let isDone = false; !isDone;) {
    await owner`select roll_up_usage()`
    const [state] = await owner<[{ done: boolean }]>`select xid >= ${row.now}::xid8 as done from usage_state`
    isDone = state.done
  }
}

function sumsOf({ taken }: FakeService): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { meter, quantity } of taken.values()) sums[meter] = (sums[meter] ?? 0) + quantity
  return sums
}

const ALL = { invocations: 2, api_calls: 2, compute_seconds: 2 }

describe.for(SERVICES.map((service) => [service.name, service] as const))('export to %s', ([, service]) => {
  test('sends what was used since it is configured, once', async ({ begin, owner, expect }) => {
    await leaveCalls(owner, 1)
    const { uses, exports, has, state } = await begin(service)
    await uses(2)
    expect(await exports()).toBe(6)
    expect(await exports()).toBe(0)
    expect(has()).toEqual(ALL)
    expect(await state()).toMatchObject({ sent: 6, rejected: 0, error: null })
  })

  test.for([
    ['unavailable', '503', undefined],
    ['unauthorized', '401', undefined],
    ['silent', 'no answer', 0.2],
  ] as const)(
    'keeps what a service that is %s does not take',
    async ([instead, why, patience], { begin, expect }) => {
      const { fake, uses, exports, has, state, metrics } = await begin(service)
      fake.instead = instead
      await uses(1)
      await expect(exports(patience)).rejects.toThrow(why)
      await uses(1)
      await expect(exports(patience)).rejects.toThrow(why)
      expect(await state()).toMatchObject({ sent: 0, flush_errors: 2, error: expect.stringContaining(why) })
      expect(await metrics()).toContain(`kgents_${service.name}_flush_errors_total 2`)
      expect(await metrics()).toContain(`kgents_${service.name}_events_buffered{database="test"} 6`)
      fake.instead = 'nothing'
      expect(await exports()).toBe(6)
      expect(has()).toEqual(ALL)
      expect(await state()).toMatchObject({ sent: 6, error: null })
    },
  )

  test('sends again what was taken and not answered, under the same ids', async ({ begin, expect }) => {
    const { fake, uses, exports, has, state } = await begin(service)
    fake.instead = 'closes after taking'
    await uses(2)
    await expect(exports()).rejects.toThrow()
    fake.instead = 'nothing'
    await exports()
    expect(has()).toEqual(ALL)
    expect(await state()).toMatchObject({ sent: 6, rejected: 0 })
  })

  test('sets aside an event that is refused, and sends all others', async ({ begin, owner, expect }) => {
    const { fake, uses, exports, has, state } = await begin(service)
    fake.refused = 'compute_seconds'
    await uses(2)
    await exports()
    expect(has()).toEqual({ invocations: 2, api_calls: 2 })
    expect(await state()).toMatchObject({ sent: 4, rejected: 2, error: null })
    const rejects = await owner`
      select event ->> 'meter' as meter, status from usage_export_rejects where target = ${service.name}`
    expect(rejects).toHaveLength(2)
    expect(rejects[0]).toMatchObject({ meter: 'compute_seconds', status: service === LAGO ? 422 : 400 })
  })

  test('counts for nothing what another exporter has sent before', async ({ begin, expect }) => {
    const { uses, exports, has, state } = await begin(service)
    await uses(2)
    await Promise.all([exports(), exports()])
    expect(has()).toEqual(ALL)
    expect(await state()).toMatchObject({ sent: 6, rejected: 0 })
  })
})

describe('the role of the export', () => {
  test('sees what is exported, and neither charges nor people', async ({ exporter, expect }) => {
    await exporter`select from usage_exports`
    for (const table of ['charges', 'jobs', 'users', 'usage_daily', 'outbox'])
      await expect(exporter`select from ${exporter(table)}`).rejects.toThrow(/permission denied/)
  })
})

describe('delete_old_usage()', () => {
  test('removes what every service has', async ({ begin, owner, expect }) => {
    const { uses, exports } = await begin(OPENMETER)
    await uses(2)
    await exports()
    await uses(1)
    await owner`select delete_old_usage(1000)`
    expect(await owner`select from usage_exports`).toHaveLength(3)
  })
})
