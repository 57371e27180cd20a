/** What applying migrations promises besides the schema. */
import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { expect, inject, test } from 'vitest'
import { migrate } from '../../../shared/database/migrate.ts'
import { createDatabase } from '../servers.ts'

test('migrate() cuts texts into words that an older version kept without, whoever they belong to', async () => {
  const { owner } = inject('servers').postgres
  const name = `migrated_${randomUUID().replaceAll('-', '')}`
  await createDatabase(owner, name)
  const url = Object.assign(new URL(owner), { pathname: `/${name}` }).href
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  const texts = ['庭に鈴虫', '…', ...Array.from({ length: 500 }, (_, at) => `Memory ${at}`)]
  const rows = texts.map((text) => ({ id: randomUUID(), tenant_id: randomUUID(), text }))
  await sql`
    insert into recall_entries (id, tenant_id, kind, owner, subject, text)
    select id, tenant_id, 'memory', id, '1', text
    from jsonb_to_recordset(${sql.json(rows)}) as x(id uuid, tenant_id uuid, text text)`
  expect(await migrate(url)).toEqual([])
  const words = await sql<{ text: string; words: string }[]>`
    select text, words::text from recall_entries where text not like 'Memory%' order by length(text) desc`
  const [left] = await sql`select count(*)::int as count from recall_entries where words is null`
  await sql.end()
  expect(words).toEqual([
    { text: '庭に鈴虫', words: "'に':2 'に鈴':3 '庭':1 '庭に':2 '虫':4 '鈴':3 '鈴虫':4" },
    { text: '…', words: '' },
  ])
  expect(left).toEqual({ count: 0 })
})
