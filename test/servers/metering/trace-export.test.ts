/**
 * Traces in ClickHouse. There is no server of it to run here: a stand-in takes what is sent, and shows what is asked and of which
 * tenant. `CLICKHOUSE_TEST_URL` has the same tests use a real one, and compares its answers with those of PostgreSQL.
 */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import postgres, { type Sql } from 'postgres'
import { describe, inject, test as base } from 'vitest'
import { marksInPostgres } from '../../../functions/control/traces/postgres-store.ts'
import { eraseTenants, exportMarks, forgetTraceExport } from '../../../knative/usage-export/traces.ts'
import { openClickHouse, type SentMark } from '../../../shared/traces/clickhouse.ts'
import type { Db } from '../../../shared/database/database.ts'
import type { Reader } from '../../../shared/traces/trace-store.ts'
import { eventually } from '../../eventually.ts'
import { createDatabase } from '../servers.ts'

interface Asked {
  sql: string
  parameters: Record<string, string>
}

interface StandIn {
  url: string
  asked: Asked[]
  sent: SentMark[]
  /** Answers of the next queries, as rows. */
  answers: object[][]
  fails: boolean
}

interface World {
  owner: Sql
  exporter: Sql
  standIn: StandIn
  tenant: { id: string; user: string }
  /** Marks of the tenant. */
  did(count: number, more?: { path?: string; trace?: string }): Promise<void>
}

const test = base.extend<World>({
  owner: [
    async ({}, use) => {
      const name = `traces_${randomUUID().replaceAll('-', '')}`
      const { owner } = inject('servers').postgres
      await createDatabase(owner, name)
      const url = Object.assign(new URL(owner), { pathname: `/${name}` }).href
      const sql = postgres(url, { max: 2, onnotice: () => {} })
      await use(sql)
      await sql.end()
    },
    { scope: 'file' },
  ],
  exporter: [
    async ({ owner }, use) => {
      const url = new URL(inject('servers').postgres.exporter)
      const sql = postgres(Object.assign(url, { pathname: `/${owner.options.database}` }).href, {
        max: 2,
        fetch_types: false,
      })
      await use(sql)
      await sql.end()
    },
    { scope: 'file' },
  ],
  standIn: async ({}, use) => {
    const state: StandIn = { url: '', asked: [], sent: [], answers: [], fails: false }
    const server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      request.on('end', () => {
        const query = new URL(request.url ?? '', 'http://x').searchParams
        const sql = query.get('query') ?? body
        if (state.fails) {
          response.writeHead(500).end('Code: 999. Unavailable')
          return
        }
        if (sql.startsWith('INSERT'))
          state.sent.push(
            ...body
              .trim()
              .split('\n')
              .map((line) => JSON.parse(line) as SentMark),
          )
        const parameters = [...query].filter(([name]) => name.startsWith('param_'))
        state.asked.push({ sql, parameters: Object.fromEntries(parameters) })
        const rows = sql.includes('select') && !sql.startsWith('INSERT') ? (state.answers.shift() ?? []) : []
        response.end(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await use(state)
    server.close()
    server.closeAllConnections()
  },
  tenant: async ({ owner, exporter }, use) => {
    const [id, user] = [randomUUID(), randomUUID()]
    await owner`insert into tenants (id, slug, name, tier) values (${id}, ${`t-${id.slice(0, 8)}`}, 'Test', 'free')`
    await owner`delete from marks`
    await forgetTraceExport(exporter)
    await exporter`insert into trace_exports (name) values ('clickhouse')`
    await use({ id, user })
  },
  did: async ({ owner, tenant }, use) =>
    use(async (count, { path = 'void.entropy.sip', trace = randomUUID().replaceAll('-', '') } = {}) => {
      await owner`
        insert into marks (id, tenant_id, path, category, outcome, user_id, archetype, effects, charges, trace_id, duration_ms, at)
        select gen_random_uuid(), ${tenant.id}, ${path}, 'E', 'success', ${tenant.user}, 'developer', '{}', '{"tokens": 0.1}',
          ${trace}, 10 * n, now() - n * interval '1 second' from generate_series(1, ${count}) n`
    }),
})

describe('exportMarks()', () => {
  test('sends each mark in the order of transactions, and again what it does not know to have arrived', async ({
    exporter,
    standIn,
    did,
    owner,
    expect,
  }) => {
    const to = openClickHouse(standIn.url)
    await did(3)
    standIn.fails = true
    // Marks are read when no older transaction runs on the server, of whatever test.
    await eventually(() => expect(exportMarks({ sql: exporter, to })).rejects.toThrow())
    standIn.fails = false
    expect(await exportMarks({ sql: exporter, to })).toBe(3)
    expect(await exportMarks({ sql: exporter, to })).toBe(0)
    await owner`update trace_exports set xid = '0', mark = default`
    expect(await exportMarks({ sql: exporter, to })).toBe(3)
    const [first] = standIn.sent
    expect(standIn.sent.slice(3)).toEqual(standIn.sent.slice(0, 3))
    expect(first).toMatchObject({ path: 'void.entropy.sip', outcome: 'success', charges: { tokens: 0.1 } })
    expect(first).not.toHaveProperty('xid')
    expect(Date.parse(`${first?.kept_until}Z`) - Date.parse(`${first?.at}Z`)).toBeGreaterThan(29 * 86_400_000)
    await to.close()
  })

  test('waits for transactions that may still commit before, so that no mark is passed over', async ({
    exporter,
    standIn,
    did,
    owner,
    tenant,
    expect,
  }) => {
    const to = openClickHouse(standIn.url)
    await owner.begin(async (early) => {
      await early`
        insert into marks (id, tenant_id, path, category, outcome, archetype, effects, trace_id, duration_ms)
        values (${randomUUID()}, ${tenant.id}, 'void.slow.sip', 'E', 'success', 'developer', '{}', 't', 1)`
      await did(2)
      expect(await exportMarks({ sql: exporter, to })).toBe(0)
    })
    // In one part or in several, as transactions of other tests end.
    let sent = 0
    await expect.poll(async () => (sent += await exportMarks({ sql: exporter, to }))).toBe(3)
    expect(standIn.sent.map(({ path }) => path)).toContain('void.slow.sip')
    await to.close()
  })

  test('keeps marks from being pruned until they are sent, and no longer than there is a store', async ({
    exporter,
    standIn,
    did,
    owner,
    expect,
  }) => {
    const to = openClickHouse(standIn.url)
    await did(2)
    await owner`update marks set at = now() - interval '90 days'`
    await owner`update usage_state set xid = pg_current_xact_id()`
    const prunes = async () => (await owner`select delete_old_marks(1) as deleted`)[0]?.['deleted']
    expect(await prunes()).toBe(0)
    await expect.poll(() => exportMarks({ sql: exporter, to })).toBe(2)
    expect(await prunes()).toBe(1)
    await forgetTraceExport(exporter)
    expect(await prunes()).toBe(1)
    await to.close()
  })

  test('erases what is erased', async ({ exporter, standIn, owner, tenant, expect }) => {
    const to = openClickHouse(standIn.url)
    await owner`
      insert into tombstones (id, slug, slug_freed, deleted_at, deleted_by, erasing_at, erased_at)
      values (${tenant.id}, 'x', true, now(), 'test', now(), now())`
    await eraseTenants({ sql: exporter, to })
    expect(standIn.asked.at(-1)?.sql).toMatch(/^delete from kgents_marks/)
    expect(standIn.asked.at(-1)?.parameters['param_tenants']).toContain(tenant.id)
    await to.close()
  })
})

describe('openClickHouse()', () => {
  test('binds the tenant to each query as a parameter, and puts nothing that a caller says into the text', async ({
    standIn,
    tenant,
    expect,
  }) => {
    const store = openClickHouse(standIn.url)
    const reader: Reader = { tenant: tenant.id, user: tenant.user, permissions: [] }
    const hostile = "x' or 1=1 --"
    standIn.answers = [
      [{ id: randomUUID(), trace_id: 't', at: '2026-11-28T00:00:00.000001Z' }],
      [{ trace_id: 't', calls: 2, charges: { tokens: '0.3' } }],
      [],
    ]
    const [listed] = await store.list(
      { path: hostile, status: 'success' },
      { limit: 5, after: undefined },
      reader,
    )
    await store.marksOf(hostile, 10, reader)
    expect(listed).toMatchObject({
      calls: 2,
      charges: { tokens: 0.3 },
      list_place: ['2026-11-28T00:00:00.000001Z', listed?.id],
    })
    expect(standIn.asked).toHaveLength(3)
    for (const { sql, parameters } of standIn.asked) {
      expect(sql).toContain('tenant_id = {tenant:UUID}')
      expect(sql).not.toContain('1=1')
      expect(parameters).toMatchObject({ param_tenant: tenant.id, param_user: tenant.user })
      expect(parameters['param_sees_all']).toMatch(/^(false|0)$/)
    }
    await store.close()
  })

  const real = process.env['CLICKHOUSE_TEST_URL']
  if (real === undefined) console.info('ClickHouse is asked nothing: CLICKHOUSE_TEST_URL is not set')
  test.runIf(real !== undefined)(
    'answers what PostgreSQL answers, of this tenant alone',
    async ({ exporter, owner, did, tenant, expect }) => {
      const clickHouse = openClickHouse(real ?? '')
      await clickHouse.prepare()
      const trace = randomUUID().replaceAll('-', '')
      await did(5)
      await did(3, { trace, path: 'self.memory.engram' })
      await did(2, { trace })
      await expect.poll(() => exportMarks({ sql: exporter, to: clickHouse })).toBe(10)
      await owner`update trace_exports set xid = '0', mark = default`
      await exportMarks({ sql: exporter, to: clickHouse })
      const own = marksInPostgres(owner as unknown as Db) // reason: it reads alone, and needs nothing else of a transaction
      const readers: Reader[] = [
        { tenant: tenant.id, user: tenant.user, permissions: [] },
        { tenant: tenant.id, user: randomUUID(), permissions: [] },
        { tenant: tenant.id, user: randomUUID(), permissions: ['tenant:admin'] },
      ]
      for (const reader of readers) {
        for (const wanted of [
          {},
          { path: 'void' },
          { min_duration_ms: 25 },
          { end: new Date(Date.now() - 2500).toISOString() },
        ]) {
          const bounds = { limit: 2, after: undefined }
          const page = await own.list(wanted, bounds, reader)
          expect(await clickHouse.list(wanted, bounds, reader)).toEqual(page)
          const [at = '', id = ''] = page.at(-1)?.list_place ?? []
          const after = { limit: 10, after: { at, id } }
          expect(await clickHouse.list(wanted, after, reader)).toEqual(await own.list(wanted, after, reader))
        }
        expect(await clickHouse.marksOf(trace, 10, reader)).toEqual(await own.marksOf(trace, 10, reader))
      }
      const stranger: Reader = { tenant: randomUUID(), user: tenant.user, permissions: ['tenant:admin'] }
      expect(await clickHouse.list({}, { limit: 10, after: undefined }, stranger)).toEqual([])
      expect(await clickHouse.marksOf(trace, 10, stranger)).toEqual([])
      await clickHouse.erase([tenant.id])
      expect(await clickHouse.marksOf(trace, 10, readers[0] ?? stranger)).toEqual([])
      await clickHouse.close()
    },
  )
})
