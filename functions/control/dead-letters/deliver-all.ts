/** Many dead letters at once. */
import type { Call } from '../../../shared/contract/call.ts'
import type { DeadLetterError } from '../../../shared/events/dead-letter.ts'
import { Failure } from '../../../shared/failures.ts'
import { deliverAgain } from './replay.ts'
import type { LetterRow } from './rows.ts'

const AT_ONCE = 8
/** After this long none is begun any more: the call has 90 s, and the slowest function 60 of them. */
const BEGIN_MS = 25_000

type Letter = Pick<LetterRow, 'id' | 'function' | 'event'>
type Delivering = Pick<Call, 'deliver' | 'signal'>

interface Outcome {
  /** Ids of letters whose event was taken. */
  taken: string[]
  /** Why others were not, by their ids. */
  failed: Record<string, DeadLetterError>
}

/** Delivers each letter to its function again, several at once, as long as there is time to begin. */
export async function deliverAll(letters: readonly Letter[], call: Delivering): Promise<Outcome> {
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
async function whyNotTaken(letter: Letter, call: Delivering): Promise<DeadLetterError | undefined> {
  try {
    return await deliverAgain(letter, call)
  } catch (error) {
    if (error instanceof Failure) return { message: error.message }
    throw error
  }
}
