/** The verbs that a person has taken on besides those of its archetype. */
import type { Db } from '../database/database.ts'
import type { Identity } from '../identity/identity.ts'
import { capabilitiesWithin, type Verb } from './affordances.ts'
import { archetypesFor } from './observer.ts'

/**
 * Capabilities for `verbs` of a person of this transaction's tenant, by name. One that its roles would not let it acquire
 * now does not count: a role that is removed takes along what came with it.
 *
 * @param verbs read only where the person has acquired any
 */
export async function capabilitiesOf(
  db: Db,
  { user, roles }: Pick<Identity, 'user' | 'roles'>,
  verbs: () => readonly Verb[] | Promise<readonly Verb[]>,
): Promise<string[]> {
  const rows = await db<{ capability: string }[]>`
    select capability from capabilities where user_id = ${user} order by capability`
  if (rows.length === 0) return []
  const within = capabilitiesWithin(archetypesFor(roles), await verbs())
  return rows
    .map(({ capability }) => capability)
    .filter((capability) => within.some((each) => each === capability || each.endsWith(`.${capability}`)))
}
