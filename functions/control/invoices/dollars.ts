/** Amounts as people read them. */

/** Cents as US dollars, such as `-$1,234.50`. */
export function dollars(cents: number): string {
  const whole = Math.abs(cents)
  const text = `${Math.floor(whole / 100).toLocaleString('en-US')}.${String(whole % 100).padStart(2, '0')}`
  return `${cents < 0 ? '-' : ''}$${text}`
}
