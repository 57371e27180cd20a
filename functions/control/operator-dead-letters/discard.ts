/** Removes dead letters of any tenant for good. */
import { actorFacts, type Audited } from '../audit/record.ts'
import { operate } from '../tenants/operate.ts'
import { filterOf, type Chosen } from './filter.ts'

export interface Discarded {
  discarded: number
  remaining: number
}

export async function discard(
  chosen: Chosen & { reason: string; limit: number },
  call: Audited,
): Promise<Discarded> {
  const { db, identity } = call
  const [row] = await operate(db<Discarded[]>`
    select discarded, remaining from discard_dead_letters_for_operator(${identity.user}, ${db.json(actorFacts(call))},
      ${db.json(filterOf(chosen))}, ${chosen.reason}, ${chosen.limit})`)
  return { discarded: row?.discarded ?? 0, remaining: row?.remaining ?? 0 }
}
