import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isExactNumber, parseExactly } from '../../../shared/exact-json.ts'

describe('parseExactly()', () => {
  test.each([
    '9007199254740993',
    '-9007199254740993',
    '12345678901234567890',
    '123456789012345678901234567890',
    '0.1234567890123456789',
    '1234567890.1234567890',
    '9007199254740993.0',
    '1.0000000000000000000000001',
    '-0',
    '-0.0',
    '-0e5',
    '4.9e-324',
  ])('keeps %s as it was written', (number) => {
    for (const text of [number, `[${number}]`, `{"a":${number}}`, `{"a":{"b":[1,${number}]}}`]) {
      expect(JSON.stringify(parseExactly(text))).toBe(text)
      expect(JSON.stringify(parseExactly(text.replace(/[:,]/g, '$& ')))).toBe(text)
    }
  })

  test.each([
    ['0', 0],
    ['1.0', 1],
    ['1e2', 100],
    ['9007199254740992', 2 ** 53],
    ['100000000000000000000', 1e20],
    ['0.30000000000000004', 0.1 + 0.2],
    ['0.10000000000000000000', 0.1],
    ['1.7976931348623157e308', Number.MAX_VALUE],
    ['0e999', 0],
  ])('makes a number of %s, which a double holds', (text, number) => {
    expect(parseExactly(`{"a":${text}}`)).toEqual({ a: number })
  })

  test.each(['1e400', '-1e400', '1e-400', `1${'0'.repeat(400)}`, `0.${'0'.repeat(400)}1`])(
    'refuses %s, which is beyond all measure, and says where it is',
    (number) =>
      expect(() => parseExactly(`{"a/b":[0,${number}]}`)).toThrow(/^the number at "\/a~1b\/1" is beyond/),
  )

  test('reads everything else as JSON.parse does, also names that objects take for something else', () => {
    const text = '{"__proto__":{"id":9007199254740993},"a":"9007199254740993","rawJSON":"1"}'
    const value = parseExactly(text) as Record<string, unknown>
    expect(JSON.stringify(value)).toBe(text)
    expect(isExactNumber(value)).toBe(false)
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(() => parseExactly('{')).toThrow(SyntaxError)
  })

  test('changes no number of any size', () => {
    const digits = fc.stringMatching(/^(0|[1-9]\d{0,40})$/)
    const fraction = fc.option(fc.stringMatching(/^\d{1,40}$/), { nil: undefined })
    const exponent = fc.option(fc.integer({ min: -200, max: 200 }), { nil: undefined })
    fc.assert(
      fc.property(fc.boolean(), digits, fraction, exponent, (negative, whole, part, power) => {
        const number = `${negative ? '-' : ''}${whole}${part === undefined ? '' : `.${part}`}${power === undefined ? '' : `e${power}`}`
        const written = JSON.stringify(parseExactly(`{"a":${number}}`)).slice(5, -1)
        expect(valueOf(written)).toEqual(valueOf(number))
      }),
      { numRuns: 1000 },
    )
  })
})

/** Sign, digits and power of ten, so that equal numbers are equal. */
function valueOf(number: string) {
  const [, sign, whole = '', part = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(number) ?? []
  const scale = 500
  const shifted = `${whole}${part}`
  const zeros = scale + Number(power) - part.length
  return { sign, value: BigInt(shifted) * 10n ** BigInt(zeros) }
}
