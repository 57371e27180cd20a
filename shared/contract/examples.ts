/**
 * Examples of calls that need others before them. An input may name what an earlier call answered, as
 * `{ $from: 'given.0.result.id', like: 'sem-01ab23cd' }`: what runs the example puts the answer there, and what shows
 * it shows `like`, or some UUID.
 */
import type { Example } from './facts.ts'

const SOME_ID = '019a0000-0000-7000-8000-000000000000'

/** The example as it is shown, with the input that is to be run beside it where that is another. */
export function readExample(example: Example): Example {
  const input = replaceFrom(example.input, ({ like = SOME_ID }) => like) as Example['input']
  return JSON.stringify(input) === JSON.stringify(example.input)
    ? example
    : { ...example, input, template: example.input }
}

/** `value` with something in place of each `{ $from }`. */
export function replaceFrom(
  value: unknown,
  replace: (from: { $from: string; like?: string }) => unknown,
): unknown {
  if (Array.isArray(value)) return value.map((each) => replaceFrom(each, replace))
  if (typeof value !== 'object' || value === null) return value
  if ('$from' in value) return replace(value as { $from: string; like?: string })
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, replaceFrom(member, replace)]),
  )
}
