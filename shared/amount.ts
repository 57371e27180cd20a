/**
 * Sums of amounts without the error of binary fractions: 0.1 + 0.2 is 0.3. An amount is the decimal that it prints as,
 * in JavaScript as in a `numeric` column; a sum is the number nearest to the exact one.
 */

/** Amounts by resource. */
export type Amounts = Record<string, number>

/** The sum of two amounts. */
export function addAmounts(a: number, b: number): number {
  if (Number.isSafeInteger(a) && Number.isSafeInteger(b)) return a + b
  const [left, right] = [decimalOf(a), decimalOf(b)]
  const scale = Math.max(left.scale, right.scale)
  return Number(`${unitsAt(left, scale) + unitsAt(right, scale)}e-${scale}`)
}

/** Adds `amounts` to `total`, resource by resource. */
export function addTo(total: Amounts, amounts: Amounts): void {
  for (const [resource, amount] of Object.entries(amounts)) {
    total[resource] = addAmounts(total[resource] ?? 0, amount)
  }
}

interface Decimal {
  units: bigint
  /** Decimals: the value is `units` times ten to the power of minus `scale`. */
  scale: number
}

function decimalOf(value: number): Decimal {
  const [mantissa = '', exponent = '0'] = String(value).split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  const units = BigInt(whole + fraction)
  const scale = fraction.length - Number(exponent)
  return scale >= 0 ? { units, scale } : { units: units * 10n ** BigInt(-scale), scale: 0 }
}

function unitsAt({ units, scale }: Decimal, wanted: number): bigint {
  return units * 10n ** BigInt(wanted - scale)
}
