/** From when to when a caller asks for usage, and by which clock. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import { Instant } from '../../../shared/instant.ts'
import { quarterOf } from '../../../shared/metering/usage.ts'

/** Of the longest period. */
const MAX_DAYS = 400

/** A day of the calendar in the time zone, or a moment. */
export const Moment = z.union([z.iso.date(), Instant])

/** A name of the IANA database. Offsets are none: PostgreSQL reads their sign the other way round. */
export const TimeZone = z
  .string()
  .max(60)
  .regex(/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/)
  .refine(isTimeZone, 'is no time zone')

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

export interface Period {
  from: Date
  to: Date
}

/**
 * The period that is wanted; by default the month that it is in the time zone. It begins and ends with a quarter of an hour.
 *
 * @throws Failure TYPE_MISMATCH where it is empty or too long
 */
export async function readPeriod(
  { from, to, timezone }: { from?: string | undefined; to?: string | undefined; timezone: string },
  { db }: Pick<Call, 'db'>,
): Promise<Period> {
  const [row] = await db<[{ from: Date; to: Date }]>`
    select ${momentOf(from, db, timezone, db`date_trunc('month', now(), ${timezone})`)} as from,
      ${momentOf(to, db, timezone, db`(date_trunc('month', now() at time zone ${timezone}) + interval '1 month') at time zone ${timezone}`)} as to`
  const period = { from: quarterOf(row.from), to: quarterOf(new Date(row.to.getTime() + 899_999)) }
  const days = (period.to.getTime() - period.from.getTime()) / 86_400_000
  if (days > 0 && days <= MAX_DAYS) return period
  const why = days > 0 ? `it has more than ${MAX_DAYS} days` : 'it ends before it begins'
  throw new Failure('TYPE_MISMATCH', `Cannot read usage from "${from ?? ''}" to "${to ?? ''}": ${why}`, {
    suggestion: 'Send a day or a moment as from, and a later one as to',
  })
}

function momentOf(
  text: string | undefined,
  db: Call['db'],
  timezone: string,
  otherwise: ReturnType<Call['db']>,
) {
  if (text === undefined) return otherwise
  return text.length === 10 ? db`${text}::text::timestamp at time zone ${timezone}` : db`${text}::timestamptz`
}
