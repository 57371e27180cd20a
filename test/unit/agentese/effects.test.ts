import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  checkEffects,
  compose,
  composeEffects,
  EMPTY_EFFECTS,
  parseEffect,
  scopesOf,
} from '../../../shared/agentese/effects.ts'
import { Failure } from '../../../shared/failures.ts'
import { fuzz, megabytes, outcomeOf, segments, textsNear } from './texts.ts'

const kinds = [
  'reads',
  'writes',
  'deletes',
  'charges',
  'earns',
  'calls',
  'emits',
  'forces',
  'audits',
] as const
const resources = fc.oneof(fc.constantFrom('entity', 'tokens', 'llm'), segments)
const effects = fc.tuple(fc.constantFrom(...kinds), resources).map((parts) => parts.join(':'))
const amounts = fc.dictionary(
  fc.constantFrom('tokens', 'entropy'),
  fc.double({ min: 0, max: 1000, noNaN: true }),
  { maxKeys: 3 },
)
const given = fc.record(
  { effects: fc.array(effects, { maxLength: 6 }), charges: amounts, earns: amounts },
  { requiredKeys: [] },
)
const composed = given.map((each) => composeEffects([each]))

describe('parseEffect()', () => {
  test('reads kind and resource', () => {
    fc.assert(
      fc.property(effects, (text) => {
        const { kind, resource } = parseEffect(text)
        expect(`${kind}:${resource}`).toBe(text)
      }),
    )
  })

  test.each([
    ['', 'does not start with reads:, writes:'],
    ['reads', 'does not start with'],
    [':entity', 'does not start with'],
    ['constructor:entity', 'does not start with'],
    ['Reads:entity', 'does not start with'],
    ['reads:', 'its resource "" is empty'],
    ['reads:a:b', 'its resource "a:b" is not'],
    ['reads:Entity', 'its resource "Entity" is not'],
    [`reads:${'a'.repeat(65)}`, 'longer than 64'],
  ])('refuses "%s": %s', (text, why) => {
    expect(() => parseEffect(text)).toThrow(
      expect.objectContaining({ code: 'EFFECT_SYNTAX', message: expect.stringContaining(why) }),
    )
  })

  test('answers any text at all with that effect, or with a failure', fuzz.options, () => {
    fc.assert(
      fc.property(textsNear(effects), (text) => {
        const effect = outcomeOf(() => parseEffect(text))
        if (!(effect instanceof Failure)) expect(`${effect.kind}:${effect.resource}`).toBe(text)
      }),
      fuzz.runs,
    )
    for (const text of megabytes) expect(outcomeOf(() => parseEffect(text))).toBeInstanceOf(Failure)
  })
})

describe('compose()', () => {
  test('unites what both do, and adds what both cost and earn', () => {
    const a = { effects: ['writes:entity', 'charges:tokens'], charges: { tokens: 500 } }
    const b = {
      effects: ['charges:tokens', 'calls:llm'],
      charges: { tokens: 0.1, entropy: 0.2 },
      earns: { thanks: 1 },
    }
    expect(compose(a, b)).toEqual({
      effects: ['calls:llm', 'charges:tokens', 'writes:entity'],
      charges: { tokens: 500.1, entropy: 0.2 },
      earns: { thanks: 1 },
    })
  })

  test('holds everything that either operand does', () => {
    fc.assert(
      fc.property(given, given, (a, b) => {
        const both = compose(a, b)
        expect(both.effects).toEqual(expect.arrayContaining([...(a.effects ?? []), ...(b.effects ?? [])]))
        expect(new Set(both.effects).size).toBe(both.effects.length)
      }),
    )
  })

  test('is associative and commutative, also in the last digit of a sum', fuzz.options, () => {
    fc.assert(
      fc.property(given, given, given, (a, b, c) => {
        expect(compose(compose(a, b), c)).toEqual(compose(a, compose(b, c)))
        expect(compose(a, b)).toEqual(compose(b, a))
        expect(composeEffects([a, b, c])).toEqual(compose(compose(a, b), c))
      }),
      { numRuns: 500 },
    )
    expect(compose({ charges: { e: 0.1 } }, { charges: { e: 0.2 } }).charges).toEqual({ e: 0.3 })
  })

  test('has no effects at all as its unit', () => {
    fc.assert(
      fc.property(composed, (f) => {
        expect(compose(EMPTY_EFFECTS, f)).toEqual(f)
        expect(compose(f, EMPTY_EFFECTS)).toEqual(f)
      }),
    )
    expect(composeEffects([])).toEqual(EMPTY_EFFECTS)
  })

  test.each([-1, NaN, Infinity])('refuses "%d" as an amount', (amount) => {
    expect(() => compose({ charges: { tokens: amount } }, {})).toThrow(RangeError)
  })

  test('keeps an amount of "__proto__" an amount', () => {
    const { charges } = compose({ charges: Object.fromEntries([['__proto__', 2]]) }, EMPTY_EFFECTS)
    expect(Object.entries(charges)).toEqual([['__proto__', 2]])
  })
})

describe('scopesOf()', () => {
  test.each([
    ['reads:entity', 'entity:read'],
    ['writes:session', 'session:write'],
    ['deletes:memory_crystals', 'memory_crystals:delete'],
    ['charges:tokens', 'tokens:charge'],
    ['earns:gratitude', 'gratitude:earn'],
    ['calls:llm', 'llm:call'],
    ['emits:event', 'event:emit'],
    ['forces:house', 'house:force'],
    ['audits:decision', 'decision:audit'],
  ])('asks for "%s": %s', (effect, scope) => {
    expect(scopesOf([effect])).toEqual([scope])
  })

  test('asks a composition for what both of its parts need', () => {
    fc.assert(
      fc.property(fc.array(effects), fc.array(effects), (a, b) => {
        const both = scopesOf(compose({ effects: a }, { effects: b }).effects)
        expect(new Set(both)).toEqual(new Set([...scopesOf(a), ...scopesOf(b)]))
      }),
    )
  })
})

describe('checkEffects()', () => {
  test.each(['P', 'C', 'I'] as const)('lets category %s neither write nor delete', (category) => {
    expect(() => checkEffects('world.house.look', category, ['reads:house', 'writes:house'])).toThrow(
      TypeError,
    )
    expect(() => checkEffects('world.house.look', category, ['deletes:house'])).toThrow(/may not declare/)
    expect(() => checkEffects('world.house.look', category, ['reads:house', 'calls:llm'])).not.toThrow()
  })

  test.each(['M', 'G', 'E'] as const)('lets category %s do so', (category) => {
    expect(() => checkEffects('world.house.do', category, ['writes:house', 'deletes:house'])).not.toThrow()
  })

  test('refuses an effect that is none', () => {
    expect(() => checkEffects('world.house.do', 'M', ['wrecks:house'])).toThrow(/kind:resource/)
  })
})
