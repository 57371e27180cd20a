import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inDetail, summaryOf } from '../../../functions/agentese/self/memory/text.ts'
import { textOf } from '../../../functions/agentese/earlier-result.ts'
import { quote } from '../../../shared/agentese/quote.ts'
import { beginningOf } from '../../../shared/beginning.ts'

/** One character each, of one code unit up to many. */
const CHARACTERS = {
  'a letter': 'a',
  'an emoji': '🌊',
  'an accent that is a code point of its own': 'e\u0301',
  'a family': '👩‍👩‍👧‍👦',
  'a flag': '🇦🇹',
  'a tone of skin': '👍🏽',
  'a keycap': '1\uFE0F\u20E3',
  'a Hangul syllable of jamo': '\u1112\u1161\u11AB',
  'a Devanagari syllable': 'हि',
  'a conjunct': 'क्षि',
  'a Thai letter with its marks': 'กำ',
  'many accents': `o${'\u0308'.repeat(9)}`,
  'a line break of two': '\r\n',
}

const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' })

function charactersIn(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment)
}

describe('beginningOf()', () => {
  test.for(Object.entries(CHARACTERS))('never cuts %s in two', ([, character]) => {
    for (let before = 0; before <= character.length; before++) {
      const text = `${'x'.repeat(20 - before)}${character}${'x'.repeat(20)}`
      const cut = beginningOf(text, 20)
      const whole = before >= character.length
      expect(cut).toBe('x'.repeat(20 - before) + (whole ? character : ''))
    }
  })

  test('gives as many whole characters as fit, of any text', () => {
    const character = fc.oneof(fc.constantFrom(...Object.values(CHARACTERS)), fc.string({ unit: 'grapheme' }))
    const text = fc.array(character, { maxLength: 40 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(text, fc.nat(60), (whole, length) => {
        const cut = beginningOf(whole, length)
        const characters = charactersIn(whole.toWellFormed())
        let fitting = ''
        for (const each of characters) {
          if (fitting.length + each.length > length) break
          fitting += each
        }
        expect(cut).toBe(fitting)
      }),
    )
  })

  test('leaves a text alone that is short enough, and makes it well-formed', () => {
    expect(beginningOf('👩‍👩‍👧‍👦', 11)).toBe('👩‍👩‍👧‍👦')
    expect(beginningOf('a\uD83D', 2)).toBe('a\uFFFD')
    expect(beginningOf('', 0)).toBe('')
  })

  test('leaves out a character that is longer than the length', () => {
    expect(beginningOf('👩‍👩‍👧‍👦', 10)).toBe('')
  })
})

describe.for(Object.entries(CHARACTERS).filter(([name]) => name !== 'a line break of two'))(
  'a text of which each character is %s',
  ([, character]) => {
    /** At each distance from a cut. */
    const texts = Array.from({ length: 12 }, (_, at) => 'x'.repeat(at) + character.repeat(5000))

    const isWhole = (text: string, end: string) => {
      const body = text.replace(/^x*/, '')
      expect(body.endsWith(end)).toBe(true)
      const shown = body.slice(0, body.length - end.length)
      expect(shown).toBe(character.repeat(shown.length / character.length))
    }

    test('has a whole summary and a whole title', () => {
      for (const text of texts) {
        isWhole(summaryOf(text), '…')
        isWhole(inDetail(text, 'title'), '…')
      }
    })

    test('is a whole input of the next stage', () => {
      for (const text of texts) isWhole(textOf(text), '')
    })

    test('is quoted whole', () => {
      for (const text of texts) isWhole(quote(text).slice(1), '..."')
    })
  },
)
