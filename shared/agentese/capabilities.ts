/** The verbs that a person has taken on besides those of its archetype. */
import type { Db } from '../database/database.ts'
import type { Identity } from '../identity/identity.ts'
import { capabilitiesWithin } from './affordances.ts'
import { archetypesFor } from './observer.ts'

/**
 * Capabilities of a person of this transaction's tenant, by name. What its roles would not let it take on now, it has
 * no longer: a role that is taken away takes along what came with it.
 */
export async function capabilitiesOf(
  db: Db,
  { user, roles }: Pick<Identity, 'user' | 'roles'>,
): Promise<string[]> {
  const rows = await db<{ capability: string }[]>`
    select capability from capabilities where user_id = ${user} order by capability`
  const within = capabilitiesWithin(archetypesFor(roles))
  return rows
    .map(({ capability }) => capability)
    .filter((capability) => within.some((each) => each === capability || each.endsWith(`.${capability}`)))
}
