/** What a call costs. */
import type { EndpointFacts } from '../../../shared/contract/facts.ts'

/** The cost of an aspect's first example, by resource; undefined where there is none. */
export function costOf({ aspect, examples, input }: EndpointFacts): Record<string, number> | undefined {
  const [example] = examples
  const parsed = input.safeParse(example?.input ?? {})
  return parsed.success ? aspect?.cost?.(parsed.data) : undefined
}
