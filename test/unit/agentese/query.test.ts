import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CONTEXTS } from '../../../shared/agentese/path.ts'
import { boundsOf, estimateQuery, matchesQuery, parseQuery, toLike } from '../../../shared/agentese/query.ts'
import { Failure } from '../../../shared/failures.ts'
import { fuzz, megabytes, outcomeOf, textsNear } from './texts.ts'

const patterns = fc
  .array(fc.oneof(fc.constant('*'), fc.constantFrom('h', 'o', 'ho', 'us', 'e', '_')), {
    minLength: 1,
    maxLength: 6,
  })
  .map((parts) => parts.join('').replaceAll(/\*+/g, '*').replace(/^_+/, 'h'))

const queries = fc
  .tuple(fc.constantFrom(...CONTEXTS, '*'), fc.array(patterns, { maxLength: 2 }), fc.boolean())
  .map(
    ([context, rest, affordances]) =>
      `?${[context, ...rest, ...(affordances && rest.length === 1 ? ['?'] : [])].join('.')}`,
  )

/** What a glob means, said with a regular expression. */
function matchesSlowly(pattern: string, name: string): boolean {
  return new RegExp(`^${pattern.replaceAll('*', '.*')}$`).test(name)
}

/** What PostgreSQL's LIKE does, one character at a time. */
function like(pattern: string, name: string): boolean {
  const [first, second] = pattern
  if (first === undefined) return name === ''
  if (first === '%') return like(pattern.slice(1), name) || (name !== '' && like(pattern, name.slice(1)))
  if (first === '\\') return name.startsWith(second ?? '') && like(pattern.slice(2), name.slice(1))
  return (first === '_' ? name !== '' : name.startsWith(first)) && like(pattern.slice(1), name.slice(1))
}

const letters = fc
  .array(fc.constantFrom('h', 'o', 'u', 's', 'e', '_'), { maxLength: 3 })
  .map((parts) => parts.join(''))

/** A pattern, and a name that it matches or nearly does: with letters for its stars, or some of it missing. */
const tries = fc
  .record({ pattern: patterns, filling: letters, from: fc.nat(2), cut: fc.nat(2) })
  .map(({ pattern, filling, from, cut }): [string, string] => {
    const name = pattern.replaceAll('*', filling)
    return [pattern, name.slice(from, name.length - cut)]
  })

describe('parseQuery()', () => {
  test.each([
    ['?world', { context: 'world', holon: '*', affordances: false }],
    ['?world.*', { context: 'world', holon: '*', affordances: false }],
    ['?*', { context: '*', holon: '*', affordances: false }],
    ['?world.ho*', { context: 'world', holon: 'ho*', affordances: false }],
    ['?*.*.manifest', { context: '*', holon: '*', aspect: 'manifest', affordances: false }],
    ['?self.memory.?', { context: 'self', holon: 'memory', aspect: '*', affordances: true }],
  ])('takes "%s"', (text, query) => {
    expect(parseQuery(text)).toEqual(query)
  })

  test.each([
    ['', 'does not start with "?"'],
    ['world.*', 'does not start with "?"'],
    ['?', 'names nothing'],
    ['?world.a.b.d', 'segment 4, "d", is more than the 3'],
    ['?a.b.c.d', 'segment 1, "a", is no context'],
    ['?space', 'segment 1, "space", is no context'],
    ['?wo*', 'segment 1, "wo*", is no context'],
    ['?world.', 'segment 2, the holon "", is empty'],
    ['?world..x', 'segment 2, the holon "", is empty'],
    ['?world.Ho*', 'segment 2, the holon "Ho*", is not'],
    ['?world.**', 'two stars in a row'],
    ['?world.?', 'segment 2, the holon "?", is not'],
    ['?world.*.man?', 'segment 3, the aspect "man?", is not'],
    ['?world.a%.x', 'segment 2, the holon "a%", is not'],
    [`?world.${'*a'.repeat(40)}`, 'longer than 64'],
  ])('refuses "%s": %s', (text, why) => {
    expect(() => parseQuery(text)).toThrow(
      expect.objectContaining({ code: 'QUERY_SYNTAX', message: expect.stringContaining(why) }),
    )
  })

  test('offers the query that was probably meant', () => {
    expect(() => parseQuery('world.*')).toThrow(
      expect.objectContaining({ facts: expect.objectContaining({ suggestion: 'Write "?world.*"' }) }),
    )
  })

  test('answers any text at all with a query, or with a failure', fuzz.options, () => {
    fc.assert(
      fc.property(textsNear(queries), (text) => {
        const query = outcomeOf(() => parseQuery(text))
        if (query instanceof Failure) return
        expect(text.startsWith(`?${query.context}`)).toBe(true)
        expect([0.001, 0.01, 0.05, 0.5]).toContain(estimateQuery(query))
        matchesQuery(query, 'world.house.manifest')
      }),
      fuzz.runs,
    )
    for (const text of megabytes) {
      expect(outcomeOf(() => parseQuery(text))).toBeInstanceOf(Failure)
      expect(outcomeOf(() => parseQuery(`?world.${text}`))).toBeInstanceOf(Failure)
    }
  })
})

describe('matchesQuery()', () => {
  test.each([
    ['?world', 'world.house', true],
    ['?world', 'world.house.manifest', false],
    ['?world', 'self.soul', false],
    ['?*', 'self.soul', true],
    ['?*.*.manifest', 'void.entropy.manifest', true],
    ['?*.*.manifest', 'void.entropy.sip', false],
    ['?*.*.manifest', 'void.entropy', false],
    ['?world.ho*', 'world.house', true],
    ['?world.ho*', 'world.who', false],
    ['?world.ho*o', 'world.ho', false],
    ['?world.*ho*', 'world.who', true],
    ['?self.memory.?', 'self.memory.recall', true],
    ['?self.memory.?', 'self.soul.mode', false],
    ['?world.*.*', 'world.a.b.c', false],
  ])('"%s" and "%s": %s', (text, path, expected) => {
    expect(matchesQuery(parseQuery(text), path)).toBe(expected)
  })

  test('matches patterns as a regular expression would', fuzz.options, () => {
    fc.assert(
      fc.property(tries, ([pattern, name]) => {
        const query = { context: '*', holon: pattern, affordances: false } as const
        expect(matchesQuery(query, `world.${name}`)).toBe(matchesSlowly(pattern, name))
      }),
      { numRuns: 2000 },
    )
  })

  test('takes the worst pattern for a name that nearly matches', () => {
    const query = { context: '*', holon: '*a'.repeat(32), affordances: false } as const
    expect(matchesQuery(query, `world.${'a'.repeat(1_000_000)}b`)).toBe(false)
    expect(matchesQuery({ ...query, holon: `*${'a'.repeat(62)}*` }, `world.${'ab'.repeat(500_000)}`)).toBe(
      false,
    )
  })
})

describe('toLike()', () => {
  test.each([
    ['ho*', 'ho%'],
    ['a_*', 'a\\_%'],
    ['100%\\', '100\\%\\\\'],
  ])('makes of "%s": %s', (pattern, expected) => {
    expect(toLike(pattern)).toBe(expected)
  })

  test('selects the names that the pattern matches', fuzz.options, () => {
    fc.assert(
      fc.property(tries, ([pattern, name]) => {
        expect(like(toLike(pattern), name)).toBe(matchesSlowly(pattern, name))
      }),
      { numRuns: 2000 },
    )
  })
})

test.each([
  ['?self.memory.?', 0.001],
  ['?self.memory', 0.01],
  ['?self.memory.recall', 0.01],
  ['?self.mem*.?', 0.05],
  ['?self', 0.05],
  ['?*', 0.5],
  ['?*.memory.?', 0.5],
])('estimateQuery() counts what "%s" looks at: %d', (text, cost) => {
  expect(estimateQuery(parseQuery(text))).toBe(cost)
})

describe('boundsOf()', () => {
  test.each([
    [{}, { limit: 100, offset: 0 }],
    [
      { limit: 1000, offset: 5 },
      { limit: 1000, offset: 5 },
    ],
    [
      { limit: 0, offset: -1 },
      { limit: 1, offset: 0 },
    ],
    [{ limit: -5 }, { limit: 1, offset: 0 }],
    [
      { limit: 2.9, offset: 1.9 },
      { limit: 2, offset: 1 },
    ],
  ])('makes of %j: %j', (asked, bounds) => {
    expect(boundsOf(asked)).toEqual(bounds)
  })

  test.each([
    { limit: 1001 },
    { limit: Infinity },
    { limit: NaN },
    { offset: Infinity },
    { offset: NaN },
    { offset: 1e300 },
  ])('refuses %j and suggests to page', (asked) => {
    expect(() => boundsOf(asked)).toThrow(
      expect.objectContaining({
        code: 'QUERY_BOUND',
        facts: expect.objectContaining({ suggestion: expect.stringMatching(/offset/) }),
      }),
    )
  })
})
