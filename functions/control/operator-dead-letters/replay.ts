/** Delivers dead letters of any tenant to their functions again, some at a time. */
import type { Given } from '../../../shared/contract/call.ts'
import type { DeadLetterError } from '../../../shared/events/dead-letter.ts'
import { Failure } from '../../../shared/failures.ts'
import { actorFacts } from '../audit/record.ts'
import { deliverAgain } from '../dead-letters/replay.ts'
import { operate } from '../tenants/operate.ts'
import { filterOf, type Chosen } from './filter.ts'

/** Of one call. */
export const MAX_REPLAYS = 200
const AT_ONCE = 8
/** After this long none is begun any more: the call has 90 s, and the slowest function 60 of them. */
const BEGIN_MS = 25_000

interface LetterRow {
  id: string
  function: string
  event: string
  matching: number
}

interface Outcome {
  taken: string[]
  failed: Record<string, DeadLetterError>
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

async function deliverAll(
  letters: readonly LetterRow[],
  call: Given<'postgres' | 'deliveries', 'caller' | 'writes'>,
): Promise<Outcome> {
  const outcome: Outcome = { taken: [], failed: {} }
  const startedAt = performance.now()
  const waiting = [...letters]
  const consume = async () => {
    while (performance.now() - startedAt < BEGIN_MS) {
      const letter = waiting.shift()
      if (letter === undefined) return
      const error = await whyNotTaken(letter, call)
      if (error === undefined) outcome.taken.push(letter.id)
      else outcome.failed[letter.id] = error
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, consume))
  return outcome
}

/** One that cannot be delivered, since its function is gone, keeps no other from its turn. */
async function whyNotTaken(
  letter: LetterRow,
  call: Given<'postgres' | 'deliveries', 'caller' | 'writes'>,
): Promise<DeadLetterError | undefined> {
  try {
    return await deliverAgain(letter, call)
  } catch (error) {
    if (error instanceof Failure) return { message: error.message }
    throw error
  }
}
