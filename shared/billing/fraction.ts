/** Exact fractions of whole numbers: prices per thousand, parts of a period and percentages, without rounding in between. */

export interface Fraction {
  readonly numerator: bigint
  /** Above 0. */
  readonly denominator: bigint
}

export const ZERO: Fraction = { numerator: 0n, denominator: 1n }

/** @throws RangeError where `denominator` is 0 */
export function fraction(numerator: bigint | number, denominator: bigint | number = 1n): Fraction {
  const [top, bottom] = [BigInt(numerator), BigInt(denominator)]
  if (bottom === 0n) throw new RangeError('A fraction has no denominator of 0')
  const divisor = greatestDivisor(top < 0n ? -top : top, bottom < 0n ? -bottom : bottom)
  const sign = bottom < 0n ? -1n : 1n
  return { numerator: (sign * top) / divisor, denominator: (sign * bottom) / divisor }
}

const DECIMAL = /^(-?)(\d{1,30})(?:\.(\d{1,30}))?$/

/**
 * A decimal as PostgreSQL writes a `numeric`, such as `12.345600`.
 *
 * @throws RangeError where it is none
 */
export function fractionOf(decimal: string): Fraction {
  const [, sign = '', whole, rest = ''] = DECIMAL.exec(decimal) ?? []
  if (whole === undefined) throw new RangeError(`"${decimal}" is no decimal`)
  return fraction(BigInt(`${sign}${whole}${rest}`), 10n ** BigInt(rest.length))
}

export function add(a: Fraction, b: Fraction): Fraction {
  return fraction(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator)
}

export function subtract(a: Fraction, b: Fraction): Fraction {
  return add(a, negate(b))
}

export function negate({ numerator, denominator }: Fraction): Fraction {
  return { numerator: -numerator, denominator }
}

export function multiply(a: Fraction, b: Fraction): Fraction {
  return fraction(a.numerator * b.numerator, a.denominator * b.denominator)
}

/** Below 0 where `a` is less than `b`, 0 where they are equal. */
export function compare(a: Fraction, b: Fraction): number {
  const difference = a.numerator * b.denominator - b.numerator * a.denominator
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** The largest whole number that is not above. */
export function floor({ numerator, denominator }: Fraction): bigint {
  const down = numerator / denominator
  return numerator % denominator < 0n ? down - 1n : down
}

/** The nearest whole number; a half is rounded up. */
export function round(value: Fraction): bigint {
  return floor(add(value, { numerator: 1n, denominator: 2n }))
}

function greatestDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a || 1n : greatestDivisor(b, a % b)
}
