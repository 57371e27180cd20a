/**
 * Bad input, ten thousand cases for each aspect: whatever comes, a schema decides at once, and what passes the schema
 * comes to an answer that is no 500. `FUZZ_CALLS` says how many of them go through the whole pipeline (default 60).
 */
import * as fc from 'fast-check'
import { describe, expect } from 'vitest'
import { ASPECTS, asAllowed, runExample, urlOf, type KnownAspect } from '../functions/examples.ts'
import { testWith } from '../functions/world.ts'

const test = testWith()

const CASES = 10_000
const CALLS = Number(process.env['FUZZ_CALLS'] ?? 60)
/** A fixed seed, so that what fails here fails again. */
const SEED = 20_261_122

const HOSTILE: unknown[] = [
  null,
  '',
  ' ',
  'x'.repeat(5000),
  '%_\\',
  "'; drop table marks; --",
  '!!:*|&()<->',
  '../../etc/passwd',
  'http://169.254.169.254/',
  '\u202E\u200B',
  '🦆'.repeat(100),
  0,
  -0,
  -1,
  0.1,
  1e308,
  Number.MAX_SAFE_INTEGER + 2,
  true,
  [],
  {},
  [null],
  { input: { input: { input: {} } } },
  JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":{}}}'),
  '00000000-0000-7000-8000-000000000000',
  '2026-02-30T25:61:00Z',
  '9999-12-31T23:59:59Z',
  '-000001-01-01T00:00:00Z',
]

const anyValue = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...HOSTILE) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 60 }) },
  { weight: 1, arbitrary: fc.integer() },
  { weight: 1, arbitrary: fc.double({ noNaN: true }) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
)

/** To make a value costs more than to check it: all aspects get theirs from one pool. */
const pooled = fc.constantFrom(...fc.sample(anyValue, { numRuns: 5000, seed: SEED }))

/** The example, with members replaced, left out or added. */
function inputsFor({ endpoint }: KnownAspect, good: Record<string, unknown>): fc.Arbitrary<unknown> {
  const { properties = {} } = endpoint.input.toJSONSchema({ io: 'input' }) as {
    properties?: Record<string, unknown>
  }
  const names = [...new Set([...Object.keys(properties), ...Object.keys(good)])]
  if (names.length === 0) return pooled
  const changes = fc.array(fc.tuple(fc.constantFrom(...names), fc.option(pooled, { nil: undefined })), {
    maxLength: 3,
  })
  const mutated = changes.map((pairs) => {
    const input = { ...good }
    for (const [name, value] of pairs) {
      if (value === undefined) delete input[name]
      else input[name] = value
    }
    return input
  })
  return fc.oneof({ weight: 12, arbitrary: mutated }, { weight: 1, arbitrary: pooled })
}

/** The verbs that every node has are the same code everywhere: one node stands for all. */
const SHARED = new Set(['witness', 'affordances', 'help', 'alternatives'])
const fuzzed = ASPECTS.filter(({ aspect }) => !SHARED.has(aspect.verb) || aspect.node === 'self.soul')

describe('bad input', () => {
  test.for(fuzzed)(
    'of $path comes to an answer, and to no 500',
    async (known, { newTenant, settles, runtime }) => {
      const tenant = await newTenant('enterprise', ['admin'])
      const [example = { summary: '', input: {} }] = known.endpoint.examples
      const { input } = await runExample(known, example, tenant, settles)
      const cases = fc.sample(inputsFor(known, input), { numRuns: CASES, seed: SEED })
      const { passing = [], failing = [] } = Object.groupBy(cases, (each) =>
        known.endpoint.input.safeParse(each).success ? 'passing' : 'failing',
      )
      const url = urlOf(known, example.holon)
      for (const body of [...passing.slice(0, CALLS / 2), ...failing.slice(0, CALLS / 2)]) {
        const answer = await tenant.calls('POST', url, JSON.stringify(body), asAllowed(known.aspect))
        expect(answer.status, JSON.stringify([body, answer.body]).slice(0, 2000)).not.toBe(500)
        expect(answer.body, JSON.stringify(body).slice(0, 500)).toEqual(expect.any(Object))
      }
      await settles(tenant)
      await runtime.recorder.flush()
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    },
  )
})
