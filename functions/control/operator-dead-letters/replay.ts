/** Delivers dead letters of any tenant to their functions again, some at a time. */
import type { Given } from '../../../shared/contract/call.ts'
import { actorFacts } from '../audit/record.ts'
import { deliverAll } from '../dead-letters/deliver-all.ts'
import { operate } from '../tenants/operate.ts'
import { filterOf, type Chosen } from './filter.ts'

/** Of one call. */
export const MAX_REPLAYS = 200

interface LetterRow {
  id: string
  function: string
  event: string
  matching: number
}

/**
 * What was delivered is noted at the end. Should this process die before, the letters are still there, and another replay has
 * no second effect.
 */
export async function replayAll(
  chosen: Chosen & { limit: number },
  call: Given<'postgres' | 'deliveries', 'caller' | 'writes'>,
) {
  const { identity } = call
  const letters = await call.transact('read', ({ db }) =>
    operate(db<LetterRow[]>`
      select * from dead_letters_to_replay(${identity.user}, ${db.json(filterOf(chosen))}, ${chosen.limit})`),
  )
  const outcome = await deliverAll(letters, call)
  await call.transact('write', ({ db }) =>
    operate(db`
      select note_replays_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${db.json(outcome)})`),
  )
  const [taken, failed] = [outcome.taken.length, Object.keys(outcome.failed).length]
  return { taken, failed, remaining: (letters[0]?.matching ?? 0) - taken - failed }
}
