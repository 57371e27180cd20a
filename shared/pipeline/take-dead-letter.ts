/** Takes an event that no attempt could deliver, and gives it to the function that keeps such events. */
import { transactApart } from '../calls/create-call.ts'
import type { Runtime } from '../calls/runtime.ts'
import { readDeadLetter } from '../events/dead-letter.ts'
import type { KgentsEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'
import { checkSignature, partsOf } from './take-event.ts'

/**
 * @param received the event, with the attributes that the Broker has added
 * @throws Failure EVENT_SYNTAX or SIGNATURE_INVALID where the event cannot be believed, ROUTE_NOT_FOUND where this process
 *   keeps no such events
 */
export async function takeDeadLetter(
  received: KgentsEvent,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<void> {
  const letter = readDeadLetter(received)
  checkSignature(letter.event, runtime)
  const definition = runtime.functions.find((each) => each.deadLetters !== undefined)
  if (definition?.deadLetters === undefined) {
    throw new Failure('ROUTE_NOT_FOUND', 'Cannot keep a dead letter: no function of this process does')
  }
  const { deadLetters } = definition
  const parts = partsOf(letter.event, definition, deadLetters.needs, runtime, signal)
  await transactApart(parts, 'write', (call) => deadLetters.handle(letter, call))
}
