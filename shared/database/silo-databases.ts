/** Makes, migrates and drops silos. Run by the owner of the pool, which may create databases (`createdb`). */
import postgres, { type Sql } from 'postgres'
import { migrate } from './migrate.ts'
import { siloUrl } from './silos.ts'
import { CENTRAL, PEOPLE } from './tables.ts'

const EXISTS = '42P04'
/** To end the sessions of others takes more than to own the database. */
const MAY_NOT_END_SESSIONS = '42501'

/**
 * Makes a silo where there is none, and brings it to the newest schema. What stays in the pool cannot be written in it: a contract
 * that names the wrong database fails, and loses nothing.
 *
 * @param poolUrl of the owner
 */
export async function makeSilo(poolUrl: string, name: string): Promise<void> {
  await as(poolUrl, async (sql) => {
    await sql`create database ${sql(name)}`.catch((error: unknown) => {
      if ((error as { code?: unknown }).code !== EXISTS) throw error
    })
    await sql`revoke connect on database ${sql(name)} from public`
    await sql`grant connect on database ${sql(name)} to kgents_app, kgents_relay`
  })
  const url = siloUrl(name, poolUrl)
  await migrate(url)
  await as(url, async (sql) => {
    await sql`revoke all on ${sql(CENTRAL)} from kgents_app`
    await sql`revoke insert, update, delete on ${sql(PEOPLE)} from kgents_app`
  })
}

/** Brings every silo to the newest schema; for after the pool. */
export async function migrateSilos(poolUrl: string): Promise<void> {
  const silos = await as(poolUrl, async (sql) =>
    sql.begin(async (db) => {
      await db`set local role kgents_mover`
      return db<{ database: string }[]>`
        select p.database from placements p join pg_database d on d.datname = p.database where d.datallowconn`
    }),
  )
  for (const { database } of silos) await makeSilo(poolUrl, database)
}

/** Drops a silo with all that is in it. Fails while somebody is connected whose session the owner may not end. */
export async function dropSilo(poolUrl: string, name: string): Promise<void> {
  await as(poolUrl, async (sql) => {
    const [there] = await sql`select from pg_database where datname = ${name}`
    if (there === undefined) return
    await sql`alter database ${sql(name)} with allow_connections false`
    await sql`drop database ${sql(name)} with (force)`.catch(async (error: unknown) => {
      if ((error as { code?: unknown }).code !== MAY_NOT_END_SESSIONS) throw error
      await sql`drop database ${sql(name)}`
    })
  })
}

async function as<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    return await work(sql)
  } finally {
    await sql.end()
  }
}
