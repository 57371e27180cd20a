import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type JsonSchema, misfitOf } from '../../../shared/agentese/schema-fit.ts'
import { type Shape, shapes, shapesNear, toZod, valuesOf } from './shapes.ts'
import { fuzz } from './texts.ts'

const misfit = (output: z.ZodType, input: z.ZodType) =>
  misfitOf(z.toJSONSchema(output), z.toJSONSchema(input, { io: 'input' }))

/** What an aspect with `shape` as its output can answer, as it travels. */
function answersOf(shape: Shape): fc.Arbitrary<unknown[]> {
  const schema = toZod(shape)
  return fc.array(valuesOf(shape), { minLength: 12, maxLength: 12 }).map((values) =>
    values.flatMap((value) => {
      const read = schema.safeParse(JSON.parse(JSON.stringify(value)))
      return read.success ? [JSON.parse(JSON.stringify(read.data)) as unknown] : []
    }),
  )
}

const pairs = shapes.chain((output) =>
  fc.record({ output: fc.constant(output), input: shapesNear(output), answers: answersOf(output) }),
)

const Person = z.strictObject({ name: z.string(), age: z.int().min(0).max(150) })

describe('misfitOf()', () => {
  test.each<[string, z.ZodType, z.ZodType]>([
    ['anything takes all', z.object({ a: z.string().optional() }), z.unknown()],
    ['an integer is a number', z.int(), z.number()],
    ['bounds inside bounds', z.number().min(1).max(2), z.number().gt(0).lt(3)],
    ['a list of words in a longer list', z.enum(['a', 'b']), z.enum(['c', 'b', 'a'])],
    ['a literal in a range', z.literal([3, 5]), z.int().min(3).max(5)],
    ['a literal of a length', z.literal('abc'), z.string().min(3)],
    [
      'what is there where it may be missing',
      z.object({ a: z.string() }),
      z.object({ a: z.string().optional() }),
    ],
    ['what has a default need not be there', z.object({}), z.object({ a: z.string().default('x') })],
    ['what has a default is there', z.object({ a: z.string().default('x') }), z.object({ a: z.string() })],
    ['names beyond what is asked for', z.object({ a: z.string(), b: z.int() }), z.object({ a: z.string() })],
    ['fewer alternatives', z.string().nullable(), z.union([z.string(), z.number(), z.null()])],
    ['one of two objects', Person, z.union([z.strictObject({ id: z.uuid() }), Person])],
    ['a fixed number of items', z.tuple([z.int(), z.int()]), z.array(z.number()).min(2).max(2)],
    [
      'items that stop before the next position',
      z.array(z.string()).min(1).max(1),
      z.tuple([z.string(), z.number().optional()]),
    ],
    ['listed names as a record', z.object({ a: z.int(), b: z.int() }), z.record(z.string(), z.number())],
    ['the same pattern', z.string().regex(/^a/).regex(/b$/), z.string().regex(/b$/)],
    ['any JSON', z.object({ a: z.array(z.json()) }), z.json()],
    ['never answered is always taken', z.never(), z.string()],
  ])('fits: %s', (_why, output, input) => {
    expect(misfit(output, input)).toBeUndefined()
  })

  test.each<[string, z.ZodType, z.ZodType]>([
    [
      'result.amount: string is not number',
      z.object({ amount: z.string() }),
      z.object({ amount: z.number() }),
    ],
    [
      'result.amount: may be missing',
      z.object({ amount: z.int().optional() }),
      z.object({ amount: z.int() }),
    ],
    [
      'result.b: string is not taken',
      z.object({ a: z.string(), b: z.string() }),
      z.strictObject({ a: z.string() }),
    ],
    ['result.*: anything is not taken', z.looseObject({}), z.strictObject({})],
    ['result.a: anything is not string', z.looseObject({}), z.object({ a: z.string().optional() })],
    [
      'result.a[].b: null is not string',
      z.object({ a: z.array(z.object({ b: z.string().nullable() })) }),
      z.object({ a: z.array(z.object({ b: z.string() })) }),
    ],
    ['result: "c" is not "a" or "b"', z.enum(['a', 'c']), z.enum(['a', 'b'])],
    ['result: string is not "a" or "b"', z.string(), z.enum(['a', 'b'])],
    ['result: number is not integer', z.number(), z.int()],
    ['result: number may be less than 0', z.number(), z.number().min(0)],
    ['result: number may be less than 0', z.number().min(0), z.number().gt(0)],
    ['result: number may be more than 5', z.number().max(6), z.number().max(5)],
    ['result: number may be more than 5', z.number().max(5), z.number().lt(5)],
    ['result: integer may not be a multiple of 2', z.int(), z.number().multipleOf(2)],
    ['result: may have fewer than 3 characters', z.string().min(2), z.string().min(3)],
    ['result: may have more than 3 characters', z.string(), z.string().max(3)],
    ['result: may have fewer than 1 items', z.array(z.int()), z.array(z.int()).min(1)],
    ['result[1]: string is not number', z.tuple([z.int(), z.string()]), z.tuple([z.int(), z.number()])],
    ['result: string may not match ^a', z.string(), z.string().regex(/^a/)],
    ['result: anything is not string', z.unknown(), z.string()],
    ['result: string is not taken', z.string(), z.never()],
    [
      'result: string is none of 2 alternatives (result: string is not number; result: string is not array)',
      z.string(),
      z.union([z.number().min(1), z.array(z.int())]),
    ],
    [
      'result: object may be several of 2 alternatives',
      z.object({ a: z.int() }),
      z.xor([z.object({ a: z.int() }), z.object({ b: z.int().optional() })]),
    ],
    [
      'result (its names): "c" is not "a" or "b"',
      z.object({ c: z.int().optional() }),
      z.partialRecord(z.enum(['a', 'b']), z.int()),
    ],
    [
      'result: "patternProperties" cannot be compared',
      z.object({ xa: z.int() }),
      z.looseRecord(z.string().regex(/^x/), z.int()),
    ],
  ])('says "%s"', (why, output, input) => {
    expect(misfit(output, input)).toBe(why)
  })

  test('tells tagged unions apart by their tags', () => {
    const a = z.object({ kind: z.literal('a'), size: z.int() })
    const b = z.object({ kind: z.literal('b'), name: z.string() })
    const both = z.discriminatedUnion('kind', [a, b])
    expect(misfit(b, both)).toBeUndefined()
    expect(misfit(both, both)).toBeUndefined()
    expect(misfit(both, a)).toBe('result.kind: "b" is not "a"')
  })

  test('follows schemas that refer to themselves, to their end', () => {
    const list = <T extends z.ZodType>(item: T) => {
      const List = z.object({
        item,
        get next() {
          return z.nullable(List)
        },
      })
      return List
    }
    expect(misfit(list(z.int()), list(z.number()))).toBeUndefined()
    expect(misfit(z.object({ list: list(z.int()) }), z.object({ list: list(z.number()) }))).toBeUndefined()
    expect(misfit(list(z.string()), list(z.number()))).toBe('result.item: string is not number')
    expect(misfit(list(z.number()), z.json())).toBeUndefined()
  })

  test.each<[string, JsonSchema, JsonSchema]>([
    ['refers to nothing', { $ref: '#/$defs/gone' }, { type: 'string' }],
    ['refers to nothing', { type: 'string' }, { $ref: '#/$defs/constructor', $defs: {} }],
    ['refers to nothing', { type: 'string' }, { $ref: 'https://example.com/schema' }],
    ['refers to nothing', { type: 'string' }, { $ref: '#' }],
    ['is defined by itself', { type: 'string' }, { anyOf: [{ $ref: '#' }, { type: 'number' }] }],
    [
      'may be several',
      { properties: { tag: { const: 'a' } }, required: ['tag'] },
      { oneOf: [{}, { properties: { tag: { const: 'b' } } }] },
    ],
    [
      'anything is not string',
      { type: 'object', patternProperties: { '^x': { type: 'number' } }, additionalProperties: false },
      { type: 'object', properties: { xa: { type: 'string' } } },
    ],
    ['"if" cannot be compared', { type: 'string' }, { if: { type: 'string' }, else: false }],
    ['"not" cannot be compared', { type: 'string' }, { not: { type: 'string', minLength: 1 } }],
    ['"items" cannot be compared', { type: 'array' }, { type: 'array', items: [{ type: 'string' }] }],
  ])('does not pass what it cannot compare: %s', (why, output, input) => {
    expect(misfitOf(output, input)).toContain(why)
  })

  test('takes what an unknown keyword says for a remark', () => {
    expect(misfitOf({ type: 'string' }, { type: 'string', title: 'A name', unit: 'tokens' })).toBeUndefined()
  })

  test('reads a reference together with what stands beside it', () => {
    const $defs = { word: { type: 'string' } as const }
    expect(misfitOf({ $defs, $ref: '#/$defs/word', minLength: 3 }, { type: 'string' })).toBeUndefined()
    expect(misfitOf({ type: 'string' }, { $defs, $ref: '#/$defs/word', minLength: 3 })).toMatch(
      /fewer than 3/,
    )
  })

  test('gives up on what is too large, in either direction', fuzz.options, () => {
    const nested = Array.from({ length: 300 }).reduce<z.ZodType>((inner) => z.array(inner), z.int())
    expect(misfit(nested, nested)).toMatch(/too large/)
    const wide = z.array(
      z.union(Array.from({ length: 200 }, (_, at) => z.strictObject({ [`p${at}`]: z.int() }))),
    )
    expect(misfit(wide, wide)).toMatch(/too large/)
  })

  test('lets every contract fit itself', fuzz.options, () => {
    fc.assert(
      fc.property(
        shapes.filter((shape) => !JSON.stringify(shape).includes('"xor"')),
        (shape) => {
          expect(misfit(toZod(shape), toZod(shape))).toBeUndefined()
        },
      ),
      { numRuns: 400 },
    )
  })

  test('says "fits" only where the next aspect takes every answer', fuzz.options, () => {
    const seen = { fits: 0, misfits: 0 }
    fc.assert(
      fc.property(pairs, ({ output, input, answers }) => {
        const next = toZod(input)
        const why = misfit(toZod(output), next)
        seen[why === undefined ? 'fits' : 'misfits'] += 1
        if (why !== undefined) return
        for (const answer of answers) expect(next.safeParse(answer).error).toBeUndefined()
      }),
      { numRuns: 600 },
    )
    // Both answers have to come often, or the test tells nothing.
    expect(Math.min(seen.fits, seen.misfits)).toBeGreaterThan(100)
  })
})
