/** Lets functions and relay log in to the database as themselves, never as the owner. */
import postgres from 'postgres'
import { allowLogin } from '../../shared/database/migrate.ts'

/**
 * For a server that others may use as well: a login that works is left alone, and one with another password is too,
 * because whoever uses that would be locked out.
 *
 * @throws Error where the role has a password that is not ours
 */
export async function ensureLogin(owner: string, role: string, password: string): Promise<void> {
  const refusal = await tryLogin(loginUrl(owner, role, password))
  if (refusal === undefined) return
  if (await isInUse(owner, role)) {
    throw new Error(
      `Cannot log in to DATABASE_URL as "${role}": ${refusal}; another state folder's password may be in place: ` +
        `set KGENTS_STATE to that folder, or, to take over, run: alter role "${role}" nologin`,
    )
  }
  await allowLogin(owner, role, password)
}

/** The address of a server, with the login of somebody else. */
export function loginUrl(address: string, user: string, password: string): string {
  const url = new URL(address)
  url.username = user
  url.password = password
  return url.href
}

/** Why it did not work. */
async function tryLogin(url: string): Promise<string | undefined> {
  try {
    await query(url, (sql) => sql`select 1`)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** A migration makes the role unable to log in; the first platform that uses it changes that. */
async function isInUse(owner: string, role: string): Promise<boolean> {
  const rows = await query(owner, (sql) => sql`select from pg_roles where rolname = ${role} and rolcanlogin`)
  return rows.length > 0
}

async function query<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, fetch_types: false, connect_timeout: 10, onnotice: () => {} })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 1 })
  }
}
