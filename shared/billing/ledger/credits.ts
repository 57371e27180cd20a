/** What credits are: their kinds, in the order in which they are spent, and how long each lasts. One credit is $0.01. */
import { z } from 'zod'

export const CREDIT_KINDS = ['promotional', 'rollover', 'prepaid', 'compensation'] as const
export type CreditKind = (typeof CREDIT_KINDS)[number]

/** Credits of one grant, one hold or one spending. */
export const MAX_CREDITS = 1_000_000_000
const DECIMALS = 6

/** An amount of credits as callers send it: more than nothing, with six decimals at most. */
export const Credits = z
  .number()
  .positive()
  .max(MAX_CREDITS)
  .refine((amount) => hasFewDecimals(amount), `has more than ${DECIMALS} decimals`)

/** Lifetime of each kind where a grant names no end. */
const LIFETIMES: Record<CreditKind, { days: number } | { months: number }> = {
  promotional: { days: 90 },
  rollover: { months: 1 },
  prepaid: { months: 12 },
  compensation: { months: 12 },
}

/** When a grant made at `from` expires; months are those of UTC, and end with the last day of a shorter one. */
export function defaultExpiry(kind: CreditKind, from: Date): Date {
  const lifetime = LIFETIMES[kind]
  const end = new Date(from)
  if ('days' in lifetime) {
    end.setUTCDate(end.getUTCDate() + lifetime.days)
    return end
  }
  end.setUTCMonth(end.getUTCMonth() + lifetime.months)
  // The 31st of January plus a month is no day of February.
  if (end.getUTCDate() !== from.getUTCDate()) end.setUTCDate(0)
  return end
}

/** @throws TypeError where an amount is not one that the ledger holds exactly: an error of the calling code */
export function checkCredits(amount: number, minimum: 'zero' | 'more'): void {
  const isLargeEnough = minimum === 'zero' ? amount >= 0 : amount > 0
  if (isLargeEnough && amount <= MAX_CREDITS && hasFewDecimals(amount)) return
  throw new TypeError(
    `Cannot book "${amount}" credits: it is negative, larger than ${MAX_CREDITS}, or has more than ${DECIMALS} decimals`,
  )
}

/** Characters of a source. */
export const MAX_SOURCE = 500

/** A hold that nobody ends is free again after this long at the latest. */
const MAX_HOLD_SECONDS = 31 * 86_400

/** @throws TypeError */
export function checkHold(seconds: number): void {
  if (Number.isInteger(seconds) && seconds > 0 && seconds <= MAX_HOLD_SECONDS) return
  throw new TypeError(
    `Cannot hold credits for "${seconds}" seconds: it is no whole number of 1 to ${MAX_HOLD_SECONDS}`,
  )
}

function hasFewDecimals(amount: number): boolean {
  return Number(amount.toFixed(DECIMALS)) === amount
}
