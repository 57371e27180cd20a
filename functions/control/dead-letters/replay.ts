/** Delivers a dead letter to its function again. Where the event was handled meanwhile, the function's inbox knows it. */
import type { Call, Given } from '../../../shared/contract/call.ts'
import { errorOf, type DeadLetterError } from '../../../shared/events/dead-letter.ts'
import type { KgentsEvent } from '../../../shared/events/event.ts'
import { parseKept } from '../../../shared/exact-json.ts'
import { Failure } from '../../../shared/failures.ts'
import { find, type LetterRow } from './rows.ts'

/**
 * Removes the letter where its event was taken, and keeps it with the new error where not.
 *
 * @throws Failure NOT_FOUND where there is no such letter, STATE_CONFLICT where its function is gone
 */
export async function replay(id: string, call: Given<'postgres' | 'deliveries', 'caller' | 'writes'>) {
  const letter = await call.transact('read', (each) => find(id, each))
  const error = await deliverAgain(letter, call)
  if (error === undefined) {
    await call.transact('write', ({ db }) => db`delete from dead_letters where id = ${id}`)
    return { id, function: letter.function, outcome: 'taken' as const }
  }
  await call.transact(
    'write',
    ({ db }) => db`
      update dead_letters set error = ${db.json({ ...error })}, replays = replays + 1 where id = ${id}`,
  )
  return { id, function: letter.function, outcome: 'failed' as const, error }
}

/** Why it was not taken; undefined where it was. */
export async function deliverAgain(
  letter: Pick<LetterRow, 'function' | 'event'>,
  { deliver, signal }: Pick<Call, 'deliver' | 'signal'>,
): Promise<DeadLetterError | undefined> {
  try {
    const event = parseKept(letter.event) as KgentsEvent
    const { status, body } = await deliver(letter.function, event, signal)
    return status >= 200 && status < 300 ? undefined : errorOf(status, body)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof Failure && error.code === 'DEPENDENCY_UNAVAILABLE') return { message: error.message }
    throw error
  }
}
