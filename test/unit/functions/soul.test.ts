import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isCut, textOf, textsIn } from '../../../functions/agentese/earlier-result.ts'
import {
  AXES,
  CONFIDENCE,
  EIGENVECTORS,
  MODES,
  systemPrompt,
  traitOf,
} from '../../../functions/agentese/self/soul/persona.ts'
import { remarkOf } from '../../../functions/agentese/self/soul/templates.ts'

describe('remarkOf()', () => {
  test.each([
    ['Hello', 'greeting'],
    ['  HI!! ', 'greeting'],
    ['hello, K-gent', 'greeting'],
    ['Good morning.', 'greeting'],
    ['bye', 'closing'],
    ['Goodbye!', 'closing'],
    ["that's all", 'closing'],
    ['ok', 'short'],
    ['I see', 'short'],
    ['not so sure', 'short'],
    ['🙂', 'short'],
    ['   ', 'empty'],
  ])('takes "%s" for a %s', (message, kind) => expect(remarkOf(message)).toEqual({ kind }))

  test.each([
    'advise',
    '/mode advise',
    '/advise',
    'mode: advise',
    'Advise mode',
    'switch to advise',
    'Please switch to advise mode.',
    'change mode to advise',
    'set the mode to advise, please',
  ])('takes "%s" for a wish for another mode', (message) => {
    expect(remarkOf(message)).toEqual({ kind: 'mode switch', mode: 'advise' })
  })

  test.each([
    'I said bye to my old job and now I wonder whether that was right',
    'bye bye American pie is a song that I keep humming',
    'Hello world programs teach the wrong thing first',
    'My mother is in advise mode all the time',
    'The switch to advise mode was hard for the team',
    'What is a house?',
    'Who am I?',
    'why',
    'Tell me a story',
    'Write a poem',
    'Help me',
    'Name some colours',
    'Please go on',
    '你好吗？',
  ])('leaves "%s" to be thought about', (message) => expect(remarkOf(message)).toBeUndefined())

  test('is never hijacked by words inside a longer text', () => {
    const words = fc.constantFrom('bye', 'hello', 'goodbye', 'switch to advise mode', 'thanks')
    const text = fc.constantFrom(
      'I cannot stop thinking about what my father told me',
      'the project has no owner and nobody minds it any more',
    )
    fc.assert(
      fc.property(text, words, text, (before, word, after) => {
        expect(remarkOf(`${before} ${word} ${after}`)).toBeUndefined()
        expect(remarkOf(`${word} ${after}`)).toBeUndefined()
        expect(remarkOf(`${before} ${word}`)).toBeUndefined()
      }),
    )
  })
})

describe('the persona', () => {
  test('stands between 0 and 1 on every axis, and so does its confidence', () => {
    for (const axis of AXES) {
      for (const value of [EIGENVECTORS[axis], CONFIDENCE[axis]]) {
        expect(value).toBeGreaterThanOrEqual(0)
        expect(value).toBeLessThanOrEqual(1)
      }
    }
  })

  test.each([
    [0, 'strongly austere'],
    [0.29, 'strongly austere'],
    [0.3, 'austere'],
    [0.49, 'austere'],
    [0.5, ''],
    [0.51, 'playful'],
    [0.7, 'playful'],
    [0.71, 'strongly playful'],
    [1, 'strongly playful'],
  ])('at %d of joy is told as "%s"', (value, trait) => expect(traitOf('joy', value)).toBe(trait))

  test('says nothing of a neutral axis', () => {
    const neutral = Object.fromEntries(AXES.map((axis) => [axis, 0.5])) as Record<
      (typeof AXES)[number],
      number
    >
    expect(systemPrompt('reflect', neutral)).not.toMatch(/austere|playful|strongly/)
  })

  test('challenges by its strong leanings, and only when it challenges', () => {
    expect(systemPrompt('challenge')).toContain('question complexity')
    expect(systemPrompt('challenge', { ...EIGENVECTORS, aesthetic: 0.3 })).not.toContain(
      'question complexity',
    )
    for (const mode of MODES.filter((each) => each !== 'challenge'))
      expect(systemPrompt(mode)).not.toContain('question complexity')
  })
})

describe('an earlier result', () => {
  test('becomes words, at most 4000 characters and never half of one', () => {
    expect(textOf({ a: 1 })).toBe('{"a":1}')
    expect(textOf(undefined)).toBe('')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
        const long = text.repeat(5000)
        expect(textOf(long).length).toBeLessThanOrEqual(4000)
        expect(textOf(long).isWellFormed()).toBe(true)
        expect(isCut(long)).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  test('shows every text in it, names of members among them', () => {
    expect(textsIn({ a: ['b', { c: 'd\nrm' }], e: 1 })).toEqual(
      expect.arrayContaining(['a', 'b', 'c', 'd\nrm', 'e']),
    )
  })
})
