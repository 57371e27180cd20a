/**
 * JSON in which no number is ever changed.
 *
 * `JSON.parse` rounds what a double does not hold, without a word: integers beyond 2^53, decimals of more than 17 digits. Here
 * such a number stays the text that was sent, as a value that `JSON.stringify` writes as it is. Schemas of numbers refuse it,
 * since nothing can be computed with it; whatever is free in its form carries it through.
 */

/** Characters of a number that messages show. */
const MAX_SHOWN = 40

/** A number as it was written. Its prototype is null, so that it is no text and no number either. */
export interface ExactNumber {
  readonly rawJSON: string
}

declare global {
  // The types of TypeScript do not have this part of the language yet.
  interface JSON {
    rawJSON(text: string): ExactNumber
    isRawJSON(value: unknown): value is ExactNumber
    parse(
      text: string,
      reviver: (name: string, value: unknown, context: { source?: string }) => unknown,
    ): unknown
  }
}

/**
 * The form of any number that a double may change, where a number can stand: 16 characters or more, an exponent of three
 * digits, minus nought. Few texts have one, and the others are parsed at once.
 */
const MAY_CHANGE =
  /(?:^|[\s:,[])-?(?:\d[\d.]{15}|\d+(?:\.\d+)?[eE][+-]?\d{3}|(?<=-)0(?:\.0+)?(?:[eE]|[\s,\]}]|$))/

/**
 * Parses JSON from outside.
 *
 * @throws SyntaxError where it is none, RangeError where a number is larger or smaller than any double: written out it could
 *   take more room than the rest of the world
 */
export function parseExactly(text: string): unknown {
  if (!MAY_CHANGE.test(text)) return JSON.parse(text)
  const value = JSON.parse(text, keepExact)
  const pointer = findBeyondMeasure(value)
  if (pointer === undefined) return value
  throw new RangeError(
    `the number ${pointer === '' ? 'that it is' : `at "${pointer}"`} is beyond all measure`,
  )
}

/** Parses JSON that was kept, and so was judged when it came in. */
export function parseKept(text: string): unknown {
  return MAY_CHANGE.test(text) ? JSON.parse(text, keepExact) : JSON.parse(text)
}

/** Whether `value` is a number that no double holds. Anything that walks through objects has to ask. */
export function isExactNumber(value: unknown): value is ExactNumber {
  return JSON.isRawJSON(value)
}

/** Whether it has no fraction, however it is written. */
export function isWhole({ rawJSON }: ExactNumber): boolean {
  return !decimalOf(rawJSON).includes('e-')
}

/** `value` with something else in the place of each exact number in it; `value` itself where there is none. */
export function replaceExactNumbers(value: unknown, replace: (number: ExactNumber) => unknown): unknown {
  if (isExactNumber(value)) return replace(value)
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).map(
    ([name, member]: [string, unknown]) => [name, member, replaceExactNumbers(member, replace)] as const,
  )
  if (members.every(([, before, after]) => before === after)) return value
  return Array.isArray(value)
    ? members.map(([, , after]) => after)
    : Object.fromEntries(members.map(([name, , after]) => [name, after]))
}

/** `value` with the exact numbers that `original` has at the same places. */
export function restoreExactNumbers(value: unknown, original: unknown): unknown {
  if (isExactNumber(original)) return original
  if (typeof value !== 'object' || value === null || typeof original !== 'object' || original === null)
    return value
  const restore = (name: string | number, member: unknown) =>
    Object.hasOwn(original, name)
      ? restoreExactNumbers(member, (original as Record<string | number, unknown>)[name])
      : member
  if (Array.isArray(value)) return value.map((member: unknown, at) => restore(at, member))
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, restore(name, member)]))
}

/** The message of a schema that wants another number, or none at all; for zod's `error`. */
export function explainExactNumber({ input }: { input?: unknown }): string | undefined {
  return isExactNumber(input)
    ? `${shorten(input.rawJSON)} is a number that would be changed here: send it as text`
    : undefined
}

function shorten(number: string): string {
  return number.length > MAX_SHOWN ? `${number.slice(0, MAX_SHOWN)}...` : number
}

/** Whether `value` is a JSON object: neither a list nor an exact number, which is an object to JavaScript. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isExactNumber(value)
}

function keepExact(_name: string, value: unknown, { source }: { source?: string }): unknown {
  if (typeof value !== 'number' || source === undefined) return value
  return isHeld(source, value) ? value : JSON.rawJSON(source)
}

/** Whether `value`, written as JSON, is the same number as `source`. */
function isHeld(source: string, value: number): boolean {
  if (!Number.isFinite(value) || Object.is(value, -0)) return false
  return decimalOf(source) === decimalOf(String(value))
}

/** One text for each number, whatever its zeros and its exponent: `-12.50e3` is `-125e2`. */
function decimalOf(source: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source) ?? []
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  const significant = digits.replace(/0+$/, '')
  if (significant === '') return '0'
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}

/** JSON pointer (RFC 6901) to the first number that overflows a double or is nought only as one. */
function findBeyondMeasure(value: unknown): string | undefined {
  if (isExactNumber(value)) {
    const { rawJSON } = value
    const isBeyond =
      !Number.isFinite(Number(rawJSON)) || (Number(rawJSON) === 0 && decimalOf(rawJSON) !== '0')
    return isBeyond ? '' : undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  for (const [name, member] of Object.entries(value)) {
    const below = findBeyondMeasure(member)
    if (below !== undefined) return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}${below}`
  }
  return undefined
}
