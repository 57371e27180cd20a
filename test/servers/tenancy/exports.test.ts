import { randomUUID } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import type postgres from 'postgres'
import { describe } from 'vitest'
import { fillTables } from './fill.ts'
import { rowsOf, test } from './world.ts'
import type { Person } from '../functions/holders.ts'

const EXPORTS = '/v1/tenant/exports'

/** None that is under way is among them. */
async function fills(owner: postgres.Sql, tenant: string): Promise<void> {
  await fillTables(owner, tenant)
  await owner`update exports set status = 'failed' where tenant_id = ${tenant}`
}

interface Line {
  table: string
  row: Record<string, unknown>
}

/** The lines of an export that was begun and, tick by tick, finished. */
const test_ = test.extend<{ exportsOf(who: Person): Promise<{ id: string; text: string; lines: Line[] }> }>({
  exportsOf: async ({ opened, ticks }, use) =>
    use(async (who) => {
      const { body } = await who.calls('POST', EXPORTS, {})
      const { id } = body.export
      await ticks()
      const text = await download(opened.app, who, id)
      const lines = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      return { id, text, lines: lines.slice(0, -1), end: lines.at(-1) }
    }),
})

async function download(
  app: { request(path: string, init: object): Response | Promise<Response> },
  who: Person & { key?: string },
  id: string,
): Promise<string> {
  const headers = { 'x-api-key': who.key ?? '' }
  const response = await app.request(`${EXPORTS}/${id}/download`, { headers })
  if (response.status !== 200) throw new Error(await response.text())
  if (response.headers.get('content-type') !== 'application/x-ndjson') throw new Error('It is no NDJSON')
  return response.text()
}

describe('POST /v1/tenant/exports', () => {
  test_(
    'writes every row of every table of the tenant, and not a byte of another',
    async ({ signsUp, exportsOf, owner, expect }) => {
      const [ada, globex] = [await signsUp(), await signsUp()]
      for (const { id } of [ada, globex]) await fills(owner, id)
      const mark = `only-globex-${randomUUID()}`
      await owner`update users set name = ${mark} where tenant_id = ${globex.id}`
      const { lines, text } = await exportsOf(ada)
      const counts: Record<string, number> = {}
      for (const { table } of lines) counts[table] = (counts[table] ?? 0) + 1
      const omitted = await owner<{ name: string }[]>`
      select table_name as name from export_omissions() where column_name is null`
      const wanted: Record<string, number> = { tenants: 1, ...(await rowsOf(owner, ada.id)) }
      for (const { name } of omitted) delete wanted[name]
      // Its own row says that it is under way; the call that asked for it has left its traces since.
      expect(counts).toEqual(wanted)
      expect(Object.keys(counts).length).toBeGreaterThan(25)
      expect(text).not.toContain(globex.id)
      expect(text).not.toContain(mark)
      for (const { table, row } of lines) expect(row[table === 'tenants' ? 'id' : 'tenant_id']).toBe(ada.id)
    },
  )

  test_(
    'leaves out secrets and hashes, also of tables that nobody has listed',
    async ({ signsUp, exportsOf, owner, expect }) => {
      const ada = await signsUp()
      await fills(owner, ada.id)
      const { lines, text } = await exportsOf(ada)
      const names = new Set(lines.flatMap(({ row }) => Object.keys(row)))
      const suspicious = [...names].filter((name) =>
        /hash|sealed|secret|password|signature|private|(?<!eigen)vector/.test(name),
      )
      expect(suspicious).toEqual([])
      expect(text).not.toContain(String.raw`\\x`)
      expect(text).not.toContain(ada.key.slice(9))
      const listed = await owner<{ table_name: string; column_name: string }[]>`
      select table_name, column_name from export_omissions() where column_name is not null`
      for (const { table_name, column_name } of listed)
        for (const { row } of lines.filter(({ table }) => table === table_name))
          expect(row, table_name).not.toHaveProperty(column_name)
    },
  )

  test_(
    'goes on, piece by piece, from where a process has ended, and has each row once',
    async ({ signsUp, opened, ticks, owner, expect }) => {
      const ada = await signsUp()
      // Several pieces, of a table without a primary key and of one with, and of numbers that JSON.parse would change.
      await owner`
      insert into charges (tenant_id, reservation_id, kind, resource, amount, path)
      select ${ada.id}, gen_random_uuid(), 'reserved', repeat('r', 400), 12345678901234567890.000001, 'void.entropy.sip'
      from generate_series(1, 3000)`
      await owner`
      insert into states (tenant_id, user_id, key, value)
      select ${ada.id}, ${ada.user}, 'k' || n, to_json(repeat('v', 700)) from generate_series(1, 3000) n`
      const { body } = await ada.calls('POST', EXPORTS, {})
      const { id } = body.export
      // Each piece that is written is the last one that this process writes.
      const name = `stop_${ada.id.replaceAll('-', '')}`
      await owner.unsafe(`
      create function ${name}() returns trigger language plpgsql as
        $$ begin raise exception 'killed'; end $$;
      create constraint trigger ${name} after update on exports deferrable initially deferred for each row
        when (new.tenant_id = '${ada.id}' and new.pieces = 3) execute function ${name}()`)
      await ticks()
      const under = (await ada.calls('GET', `${EXPORTS}/${id}`)).body.export
      expect(under.status).toBe('running')
      const early = await ada.calls('GET', `${EXPORTS}/${id}/download`)
      expect(early).toMatchObject({ status: 409, body: { code: 'STATE_CONFLICT' } })
      await owner.unsafe(`drop trigger ${name} on exports; drop function ${name}()`)
      // Two processes at once.
      await Promise.all([ticks(), ticks()])
      const ready = (await ada.calls('GET', `${EXPORTS}/${id}`)).body.export
      expect(ready).toMatchObject({ status: 'ready', tables: { charges: 3000, states: 3000 } })
      const lines = (await download(opened.app, ada, id)).trimEnd().split('\n')
      expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ end: true })
      expect(lines).toHaveLength(
        1 + Object.values(ready.tables as Record<string, number>).reduce((a, b) => a + b, 0),
      )
      expect(new Set(lines).size).toBe(lines.length)
      expect(lines.filter((line) => line.includes('"amount":12345678901234567890.000001')).length).toBe(3000)
      const pieces = await owner<{ data: Buffer }[]>`select data from export_pieces where export_id = ${id}`
      expect(pieces.length).toBeGreaterThan(3)
      // What one takes in memory.
      for (const { data } of pieces) expect(gunzipSync(data).length).toBeLessThan(2_000_000)
    },
  )

  test_('is one at a time, and for admins of that tenant', async ({ signsUp, admin, colleague, expect }) => {
    const ada = await signsUp()
    const answers = await Promise.all([1, 2, 3].map(() => ada.calls('POST', EXPORTS, {})))
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409, 409])
    const id = answers.find(({ status }) => status === 201)?.body.export.id
    const developer = await colleague()
    expect((await developer.calls('POST', EXPORTS, {})).body.code).toBe('SCOPE_MISSING')
    for (const path of [`${EXPORTS}/${id}`, `${EXPORTS}/${id}/download`])
      expect((await admin.calls('GET', path)).status).toBe(404)
    expect((await admin.calls('GET', EXPORTS)).body.exports).toEqual([])
  })

  test_(
    'is there for 7 days, after the tenant was deleted as well, and gone then',
    async ({ signsUp, exportsOf, ticks, owner, passTime, expect }) => {
      const ada = await signsUp()
      await ada.calls('DELETE', `/v1/tenant?slug=${ada.slug}`)
      passTime()
      const { id, lines } = await exportsOf(ada)
      expect(lines.some(({ table, row }) => table === 'audit' && row['action'] === 'tenant.deleted')).toBe(
        true,
      )
      const shown = (await ada.calls('GET', `${EXPORTS}/${id}`)).body.export
      expect(Date.parse(shown.expires_at) - Date.parse(shown.finished_at)).toBe(7 * 86_400_000)
      await owner`update exports set expires_at = now() - interval '1 second' where id = ${id}`
      expect((await ada.calls('GET', `${EXPORTS}/${id}/download`)).status).toBe(409)
      await ticks()
      expect(await owner`select from export_pieces where export_id = ${id}`).toEqual([])
      expect((await ada.calls('GET', `${EXPORTS}/${id}`)).body.export.status).toBe('expired')
    },
  )
})

describe('the database', () => {
  test('gives a function only rows of its own tenant, and none of what is omitted', async ({
    app,
    signsUp,
    expect,
  }) => {
    const [ada, globex] = [await signsUp(), await signsUp()]
    const as = (tenant: string, statement: string) =>
      app.begin(async (db) => {
        await db`select set_tenant_context(${tenant})`
        return db.unsafe(statement)
      })
    const rows = await as(ada.id, `select line from export_rows('users', null, 1000000)`)
    expect(rows).toHaveLength(1)
    expect(JSON.stringify(rows)).not.toContain(globex.id)
    expect(await app.unsafe(`select line from export_rows('users', null, 1000000)`)).toEqual([])
    for (const name of ['outbox', 'idempotency_keys', 'tenants', 'tombstones', 'users; drop table users'])
      await expect(as(ada.id, `select * from export_rows('${name}', null, 10)`)).rejects.toThrow(
        /is not exported/,
      )
  })
})
