/**
 * What a function is: data, and one handler for each thing that it does. `defineNode` and `defineOperation` both produce a
 * `FunctionDefinition`; what is known of it elsewhere is its facts.
 */
import type { Accepted, Call, Completed, Failed, Given } from './call.ts'
import type { SetCookie } from './cookie.ts'
import type { DeadLetter } from '../events/dead-letter.ts'
import type {
  DeadLettersFacts,
  EndpointFacts,
  Format,
  FunctionFacts,
  TriggerFacts,
  TickFacts,
} from './facts.ts'
import type { Need } from './needs.ts'

/** One thing that a function answers, and how. `I` is the parsed input, `O` what the handler returns. */
export interface Endpoint<I = unknown, O = unknown> extends EndpointFacts<I, O> {
  format: Format
  /** Whose consent a call with a `forces` effect needs: the owner of what is forced. */
  owner?: (input: unknown, call: Call) => Promise<string>
  /** Set where an answer holds what must not be written down: adds it to what the handler has returned. */
  reveal?(kept: O, call: Call): O
  /** Cookies that the answer sets, read from the very object that the handler has returned. */
  cookies?(output: O): readonly SetCookie[]
  /** Where the answer sends a browser on to. */
  location?(output: O): string | undefined
  handle(input: I, call: Call): Promise<O | Accepted> | O | Accepted
  /** Goes on when the model has answered what `call.infer` asked; what it returns is the job's result. */
  complete?(completed: Completed<I>, call: Call): Promise<O> | O
  /** Goes on where the model failed for good; without it the job fails. */
  recover?(failed: Failed<I>, call: Call): Promise<O> | O
}

/** An event that the function takes, and what it does then. */
export interface Trigger extends TriggerFacts {
  /**
   * Whether the handler runs in the transaction that notes the delivery. Without it, it may wait for others; it must
   * then be safe to run again, since the note is written after it.
   */
  transaction?: boolean
  handle(data: unknown, call: Call): Promise<void>
}

/** What a function does when something is due; a tick that is missed or delivered twice does no harm. */
export interface Tick extends TickFacts {
  /** Whether the handler gets a transaction; without it, it may wait for others. Absent is yes. */
  transaction?: boolean
  /** Runs for each such tenant, in a transaction of its own. */
  handle(call: Given<Need>): Promise<void>
}

/** What a function does with an event that another did not take; a second delivery of it must change nothing. */
export interface DeadLetters extends DeadLettersFacts {
  /** Runs in a transaction of the event's tenant; the event was signed by the platform. */
  handle(letter: DeadLetter, call: Given<Need>): Promise<void>
}

export interface FunctionDefinition extends FunctionFacts {
  endpoints: readonly Endpoint[]
  triggers: readonly Trigger[]
  tick?: Tick
  deadLetters?: DeadLetters
}
