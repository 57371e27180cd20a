import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fill, Template } from '../../../functions/control/event-mappings/template.ts'

const event = { id: 'e', data: { 'a/b': 1, 'c~d': [10, { x: 'y' }], nothing: null } }
const at = (pointer: string) => fill({ value: { $from: pointer } }, event)['value']

describe('fill()', () => {
  test('leaves JSON without "$from" as it is', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string().filter((name) => name !== '$from'),
          fc.jsonValue(),
        ),
        (template) => {
          if (JSON.stringify(template).includes('$from')) return
          expect(JSON.stringify(fill(template, event))).toBe(JSON.stringify(template))
        },
      ),
    )
  })

  test('follows pointers as RFC 6901 has them', () => {
    expect(at('/data/a~1b')).toBe(1)
    expect(at('/data/c~0d/1/x')).toBe('y')
    expect(at('/data/nothing')).toBe(null)
    expect(at('')).toEqual(event)
    expect(fill({ $from: '/data' }, event)).toEqual(event.data)
  })

  test('finds every member of any event by its pointer, and nothing that is not one', () => {
    const name = fc.string({ maxLength: 8 })
    fc.assert(
      fc.property(fc.dictionary(name, fc.jsonValue(), { minKeys: 1 }), (data) => {
        for (const [key, value] of Object.entries(data)) {
          const pointer = `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
          expect(fill({ value: { $from: pointer } }, data)['value']).toEqual(value)
        }
      }),
    )
    const missing = [
      '/data/constructor',
      '/data/__proto__',
      '/data/c~0d/length',
      '/data/c~0d/01',
      '/data/c~0d/2',
      '/data/c~0d/-',
      '/id/0',
      '/data/nothing/x',
    ]
    for (const pointer of missing) {
      expect(() => at(pointer)).toThrow(expect.objectContaining({ code: 'TYPE_MISMATCH' }))
      expect(fill({ value: { $from: pointer, default: 7 } }, event)).toEqual({ value: 7 })
    }
  })

  test('makes no input that is not an object, and none without bounds', () => {
    expect(() => fill({ $from: '/data/a~1b' }, event)).toThrow(
      expect.objectContaining({ code: 'TYPE_MISMATCH' }),
    )
    const large = { data: 'x'.repeat(200_000) }
    const template = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, { $from: '/data' }]))
    expect(() => fill(template, large)).toThrow(expect.objectContaining({ code: 'BODY_TOO_LARGE' }))
  })
})

test('Template takes pointers and defaults, and no other rule', () => {
  const takes = (template: object) => Template.safeParse(template).success
  expect(takes({ a: [{ b: { $from: '/data/x', default: null } }] })).toBe(true)
  for (const pointer of ['data', '/a~2', '/~', 5, null, { $from: '/a' }])
    expect(takes({ a: { $from: pointer } })).toBe(false)
  expect(takes({ a: { $from: '/data', $eval: 'x' } })).toBe(false)
})
