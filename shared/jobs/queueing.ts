/** What a caller may say about the place of its job among those that its tenant has waiting, and how long the answer is of use. */
import { Failure } from '../failures.ts'

export interface Queueing {
  /** Higher ones come first; 0 where it is absent. */
  priority?: number | undefined
  /** ISO 8601 instant after which nothing may begin. */
  deadline?: string | undefined
}

/** What a handler asks for, with what its caller asks for: the handler's own priority, and the earlier deadline. */
export function queueingOf(
  { queueing = {} }: { queueing?: Queueing | undefined },
  asked: { priority?: number | undefined; deadline?: Date | undefined },
): { priority?: number; deadline?: string } {
  const priority = asked.priority ?? queueing.priority
  const deadlines = [asked.deadline?.toISOString(), queueing.deadline].filter((each) => each !== undefined)
  const [deadline] = deadlines.toSorted()
  return { ...(priority === undefined ? {} : { priority }), ...(deadline === undefined ? {} : { deadline }) }
}

/** Urgency where a request names none (RFC 9218, 4.1). */
const DEFAULT_URGENCY = 3
/** A member of the dictionary of RFC 9218 among others, which say nothing here. */
const URGENCY = /(?:^|,)\s*u=([0-7])\s*(?=[,;]|$)/

/** The priority in `Priority: u=N` (RFC 9218): 3 for `u=0`, the most urgent, to -4 for `u=7`. What cannot be read is ignored, as 4 there has it. */
export function readPriority(header: string | undefined): number | undefined {
  const [, urgency] = URGENCY.exec(header ?? '') ?? []
  return urgency === undefined ? undefined : DEFAULT_URGENCY - Number(urgency)
}

const MAX_DEADLINE_SECONDS = 86_400

/**
 * The deadline in `X-Deadline: N`, seconds from now: clocks of callers differ from ours.
 *
 * @throws Failure TYPE_MISMATCH for anything but a number of seconds from 1 to a day
 */
export function readDeadline(header: string | undefined, now = Date.now()): string | undefined {
  if (header === undefined) return undefined
  const seconds = /^\d{1,5}$/.test(header) ? Number(header) : Number.NaN
  if (seconds >= 1 && seconds <= MAX_DEADLINE_SECONDS) return new Date(now + seconds * 1000).toISOString()
  throw new Failure('TYPE_MISMATCH', `Cannot read X-Deadline "${header}": it is not a number of seconds`, {
    suggestion: `Use whole seconds from 1 to ${MAX_DEADLINE_SECONDS}`,
  })
}
