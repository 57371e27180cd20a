/** A session of the owner that ends for good when it is lost: another one would have neither its role, tenant nor locks. */
import postgres, { type Sql } from 'postgres'

export function openSession(url: string): Sql {
  const sql: Sql = postgres(url, {
    max: 1,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 3,
    fetch_types: false,
    onnotice: () => {},
    onclose: () => void sql.end({ timeout: 0 }).catch(() => {}),
    connection: { application_name: 'kgents-mover' },
  })
  return sql
}

/** One for what is about no tenant in particular. */
export async function openAsMover(url: string): Promise<Sql> {
  const sql = openSession(url)
  await sql.unsafe("set role kgents_mover; set app.central = 'on'")
  return sql
}
