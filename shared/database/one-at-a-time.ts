/** Lets changes that must see each other happen one after the other. */
import type { Call } from '../contract/call.ts'

/**
 * Waits for every other change of `what` in this tenant, and holds it until the transaction ends.
 *
 * @param what of the tenant as a whole; with a person's id in it, of that person
 */
export async function oneAtATime(what: string, { db, identity }: Call): Promise<void> {
  await db`select pg_advisory_xact_lock(hashtextextended(${`${what}:${identity.tenant}`}, 0))`
}
