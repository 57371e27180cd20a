import postgres from 'postgres'
import { expect, inject, test } from 'vitest'
import { ensureLogin, loginUrl } from '../../../knative/local/database-logins.ts'

test('ensureLogin() sets the first password, leaves one that works, and takes none away', async () => {
  const { owner } = inject('servers').postgres
  const sql = postgres(owner, { max: 1, onnotice: () => {} })
  await sql`create role somebody nologin`
  try {
    await ensureLogin(owner, 'somebody', 'first')
    const [before] = await sql`select rolpassword from pg_authid where rolname = 'somebody'`
    await ensureLogin(owner, 'somebody', 'first')
    const second = ensureLogin(owner, 'somebody', 'second')
    await expect(second).rejects.toThrow(
      /^Cannot log in to DATABASE_URL as "somebody": .*another state folder/,
    )
    expect(await sql`select rolpassword from pg_authid where rolname = 'somebody'`).toEqual([before])

    await sql`alter role somebody nologin` // as the message advises
    await ensureLogin(owner, 'somebody', 'second')
    const other = postgres(loginUrl(owner, 'somebody', 'second'), { max: 1 })
    expect(await other`select 1 as one`).toEqual([{ one: 1 }])
    await other.end()
  } finally {
    await sql`drop role somebody`
    await sql.end()
  }
})
