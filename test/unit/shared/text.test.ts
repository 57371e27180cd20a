import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldText } from '../../../shared/text/fold.ts'
import { quoteLexeme, vectorsOf } from '../../../shared/text/forms.ts'
import { identifierOf } from '../../../shared/text/identifier.ts'
import { shareOf, termsOf, wordQueryOf } from '../../../shared/text/question.ts'
import { tokensOf } from '../../../shared/text/tokens.ts'

/** How much of a question a text has by its own lexemes, without what is only like them. */
function share(question: string, text: string): number {
  const terms = termsOf(question)
  const { words } = vectorsOf(tokensOf(text))
  const { lexemes } = wordQueryOf(terms)
  return shareOf(terms, new Set(lexemes.filter((each) => words.includes(`${quoteLexeme(each)}:`))), new Map())
}

describe('termsOf() and tokensOf()', () => {
  test('cut by one rule: whatever a text is, it has all of its own words', () => {
    const letters = fc.constantFrom(
      ...Array.from("aéßİı9٣.@-/'’\\ \u0301\u200D\u200B鈴虫のแม高हिन्दी가👍🏽ـא".normalize('NFD')),
    )
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.array(letters, { maxLength: 30 }).map((all) => all.join('')),
    )
    fc.assert(
      fc.property(texts, (text) => {
        if (termsOf(text).length > 0) expect(share(text, text)).toBe(1)
        if (termsOf(text).length > 0) expect(share(foldText(text), `(${text})`)).toBeGreaterThan(0.7)
      }),
      { seed: 4, numRuns: 1000 },
    )
  })

  test('take a number for itself alone, and a whole for more than its parts', () => {
    expect(share('10.0.0.1', '10.0.0.2')).toBe(0)
    expect(share('4711', '47 11')).toBe(0)
    expect(share('a@b.de', 'a@b.de')).toBe(1)
    expect(share('well-known', 'known well')).toBeCloseTo(0.8)
    expect(share('the who', 'the')).toBeCloseTo(0.5)
  })
})

test('identifierOf() is the same for a name in any case and composition', () => {
  for (const name of ['Zürich', 'ZÜRICH', 'Zu\u0308rich', 'ｚｕｒｉｃｈ'])
    expect(identifierOf(name)).toBe('zurich')
  expect(['Straße', 'STRASSE', 'STRAẞE'].map(identifierOf)).toEqual(['strasse', 'strasse', 'strasse'])
  expect([identifierOf('a__b1'), identifierOf('賢者'), identifierOf('2nd Try!')]).toEqual([
    'a__b1',
    '',
    'nd_try_',
  ])
})
