/** Brings a database to the newest schema. Run by the owner, before anything else of a new version starts. */
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import Postgrator from 'postgrator'
import { fillWords } from './fill-words.ts'
import { MOVING } from './tables.ts'

const MIGRATIONS = fileURLToPath(new URL('migrations/*.sql', import.meta.url))
/** Any number will do, as long as all migrators of a database use the same one. */
const LOCK = 7_264_001

/**
 * Applies what is missing, in order; a changed file that was applied before is refused. Several at once wait for one
 * another. Afterwards texts are cut into words that have none, which no SQL can do.
 *
 * @param url the owner's connection
 * @returns the names of the migrations that were applied now
 */
export async function migrate(url: string): Promise<string[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    // One transaction for all of them and their records: a start that is interrupted has changed nothing.
    await sql.unsafe(`begin; select pg_advisory_xact_lock(${LOCK})`)
    const postgrator = new Postgrator({
      driver: 'pg',
      migrationPattern: MIGRATIONS,
      schemaTable: 'migrations',
      currentSchema: 'public',
      execQuery: async (query) => ({ rows: await sql.unsafe(query) }),
      execSqlScript: async (script) => {
        await sql.unsafe(script)
      },
    })
    const applied = await postgrator.migrate()
    await sql`call let_move(${`{${MOVING.join(',')}}`}::text[])`
    await sql.unsafe('commit')
    let filled = 1
    while (filled > 0) filled = await sql.begin(fillAsRecall)
    return applied.map(({ name }) => name)
  } finally {
    await sql.end()
  }
}

/** As the role that sees the texts of all tenants. */
async function fillAsRecall(db: postgres.TransactionSql): Promise<number> {
  await db`set local role kgents_recall`
  return fillWords(db)
}

/** Lets a role log in; its password is a deployment's, so no migration knows it. */
export async function allowLogin(url: string, role: string, password: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await sql.unsafe(`alter role "${role}" login password '${password.replaceAll("'", "''")}'`)
  } finally {
    await sql.end()
  }
}
