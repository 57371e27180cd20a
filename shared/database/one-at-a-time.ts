/** Lets changes that must see each other happen one after the other. */
import type { Db } from './database.ts'

/** Something in a transaction of a tenant, such as a call. */
interface InTenant {
  db: Db
  identity: { tenant: string }
}

/**
 * Waits for every other change of `what` in this tenant, and holds it until the transaction ends.
 *
 * @param what of the tenant as a whole; with a person's id in it, of that person
 */
export async function oneAtATime(what: string, { db, identity }: InTenant): Promise<void> {
  await db`select pg_advisory_xact_lock(hashtextextended(${`${what}:${identity.tenant}`}, 0))`
}
