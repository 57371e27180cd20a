/** The verbs that a person has taken on besides those of its archetype. */
import type { Db } from '../database/database.ts'

/** Capabilities of `user` in this transaction's tenant, by name. */
export async function capabilitiesOf(db: Db, user: string): Promise<string[]> {
  const rows = await db<{ capability: string }[]>`
    select capability from capabilities where user_id = ${user} order by capability`
  return rows.map(({ capability }) => capability)
}
