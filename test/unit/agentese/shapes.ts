/** Made-up contracts: zod schemas of many shapes, shapes that are near a given one, and values that each may have. */
import fc from 'fast-check'
import { z } from 'zod'

type Scalar = string | number | boolean | null

interface Property {
  shape: Shape
  presence: 'required' | 'optional' | 'default'
}

export type Shape =
  | { kind: 'unknown' }
  | { kind: 'boolean' }
  | { kind: 'null' }
  | { kind: 'tree' }
  | { kind: 'string'; min?: number; max?: number; format?: 'lower' | 'uuid' }
  | { kind: 'number'; whole: boolean; min?: number; max?: number; above?: number; step?: number }
  | { kind: 'literal'; values: [Scalar, ...Scalar[]] }
  | { kind: 'array'; item: Shape; min?: number; max?: number }
  | { kind: 'tuple'; items: Shape[]; rest?: Shape }
  | { kind: 'object'; properties: Record<string, Property>; extra: 'strip' | 'strict' | 'loose' | Shape }
  | { kind: 'record'; names?: string[]; value: Shape }
  | { kind: 'union'; choices: [Shape, Shape, ...Shape[]] }
  | { kind: 'xor'; choices: [Shape, Shape, ...Shape[]] }
  | { kind: 'tagged'; variants: Record<string, Shape> }

const NAMES = ['a', 'b', 'c', 'tag']
const WORDS = ['', 'a', 'ab', 'abc', 'B', '0190a1b2-0000-7000-8000-000000000000']
const NUMBERS = [-1, 0, 0.5, 1, 2, 3, 10]

/** One that refers to itself. */
const Tree = z.object({
  value: z.string(),
  get children() {
    return z.array(Tree)
  },
})

type Of<K extends Shape['kind']> = Extract<Shape, { kind: K }>
type Makers<T> = { [K in Shape['kind']]: (shape: Of<K>) => T }

const SCHEMAS: Makers<z.ZodType> = {
  unknown: () => z.unknown(),
  boolean: () => z.boolean(),
  null: () => z.null(),
  tree: () => Tree,
  string: toZodString,
  number: toZodNumber,
  literal: ({ values }) => z.literal(values),
  array: (shape) => limit(z.array(toZod(shape.item)), shape),
  tuple: ({ items, rest }) => toZodTuple(items.map(toZod), rest),
  object: toZodObject,
  record: ({ names, value }) =>
    names === undefined ? z.record(z.string(), toZod(value)) : z.partialRecord(z.enum(names), toZod(value)),
  union: ({ choices }) => z.union(choices.map(toZod)),
  xor: ({ choices }) => z.xor(choices.map(toZod)),
  tagged: ({ variants }) => toZodTagged(variants),
}

export function toZod(shape: Shape): z.ZodType {
  return makerOf(SCHEMAS, shape)(shape)
}

/** A table's row for a shape takes that shape, which TypeScript cannot tell of a union. */
function makerOf<T>(makers: Makers<T>, { kind }: Shape): (shape: Shape) => T {
  return makers[kind] as (shape: Shape) => T
}

function limit<T extends z.ZodString | z.ZodArray>(
  schema: T,
  { min, max }: { min?: number; max?: number },
): T {
  const least = min === undefined ? schema : schema.min(min)
  return (max === undefined ? least : least.max(max)) as T
}

function toZodString(shape: Shape & { kind: 'string' }): z.ZodType {
  if (shape.format === 'uuid') return z.uuid()
  return limit(shape.format === 'lower' ? z.string().regex(/^[a-z]*$/) : z.string(), shape)
}

function toZodNumber({ whole, min, max, above, step }: Shape & { kind: 'number' }): z.ZodType {
  let schema: z.ZodNumber = whole ? z.int() : z.number()
  if (min !== undefined) schema = schema.min(min)
  if (max !== undefined) schema = schema.max(max)
  if (above !== undefined) schema = schema.gt(above)
  return step === undefined ? schema : schema.multipleOf(step)
}

function toZodTuple(items: z.ZodType[], rest: Shape | undefined): z.ZodType {
  const [first, ...others] = items
  if (first === undefined) return z.array(rest === undefined ? z.never() : toZod(rest))
  return rest === undefined ? z.tuple([first, ...others]) : z.tuple([first, ...others], toZod(rest))
}

function toZodObject({ properties, extra }: Shape & { kind: 'object' }): z.ZodType {
  const members = Object.entries(properties).map(([name, { shape, presence }]) => {
    return [name, toZodProperty(toZod(shape), shape, presence)]
  })
  const schema = z.object(Object.fromEntries(members) as z.ZodRawShape)
  if (typeof extra === 'object') return schema.catchall(toZod(extra))
  return extra === 'strip' ? schema : schema[extra]()
}

function toZodTagged(variants: Record<string, Shape>): z.ZodType {
  const [first, ...rest] = Object.entries(variants).map(([tag, shape]) =>
    z.object({ tag: z.literal(tag), payload: toZod(shape) }),
  )
  return first === undefined ? z.never() : z.discriminatedUnion('tag', [first, ...rest])
}

/** A default is not read by its own schema, so it has to be one that passes; without one there is none. */
function toZodProperty(schema: z.ZodType, shape: Shape, presence: Property['presence']): z.ZodType {
  if (presence === 'optional') return schema.optional()
  if (presence === 'required') return schema
  const passing = fc.sample(valuesOf(shape), { numRuns: 4, seed: 1 }).map((value) => schema.safeParse(value))
  const found = passing.find(({ success }) => success)
  return found === undefined ? schema : schema.default(found.data)
}

// Building these takes longer than drawing from them.
const anyJson = fc.jsonValue({ maxDepth: 1 })
const anyString = fc.oneof(fc.constantFrom(...WORDS), fc.string({ maxLength: 4 }), fc.uuid())
const anyNumber = fc.oneof(fc.constantFrom(...NUMBERS), fc.double({ noNaN: true }), fc.integer())

const VALUES: Makers<fc.Arbitrary<unknown>> = {
  unknown: () => anyJson,
  boolean: () => fc.boolean(),
  null: () => fc.constant(null),
  tree: () => treesOf(2),
  string: () => anyString,
  number: () => anyNumber,
  literal: ({ values }) => fc.constantFrom(...values),
  array: ({ item }) => fc.array(valuesOf(item), { maxLength: 4 }),
  tuple: ({ items, rest }) =>
    fc
      .tuple(...items.map(valuesOf))
      .chain((head) =>
        rest === undefined
          ? fc.constant(head)
          : fc.array(valuesOf(rest), { maxLength: 2 }).map((tail) => [...head, ...tail]),
      ),
  object: valuesOfObject,
  record: ({ names, value }) =>
    fc.dictionary(fc.constantFrom(...(names ?? [...NAMES, 'x'])), valuesOf(value)),
  union: ({ choices }) => fc.oneof(...choices.map(valuesOf)),
  xor: ({ choices }) => fc.oneof(...choices.map(valuesOf)),
  tagged: ({ variants }) =>
    fc.oneof(
      ...Object.entries(variants).map(([tag, payload]) =>
        fc.record({ tag: fc.constant(tag), payload: valuesOf(payload) }),
      ),
    ),
}

/** Values of `shape`, and some that are nearly so: what its schema refuses is for the test to leave out. */
export function valuesOf(shape: Shape): fc.Arbitrary<unknown> {
  return makerOf(VALUES, shape)(shape)
}

function treesOf(depth: number): fc.Arbitrary<unknown> {
  const children = depth === 0 ? fc.constant([]) : fc.array(treesOf(depth - 1), { maxLength: 2 })
  return fc.record({ value: fc.string(), children })
}

function valuesOfObject({ properties, extra }: Shape & { kind: 'object' }): fc.Arbitrary<unknown> {
  const members = Object.entries(properties)
  const known = fc.record(Object.fromEntries(members.map(([name, { shape }]) => [name, valuesOf(shape)])), {
    requiredKeys: members.filter(([, { presence }]) => presence === 'required').map(([name]) => name),
  })
  if (extra === 'strict') return known
  const others = fc.dictionary(
    fc.constantFrom(...NAMES, 'x'),
    typeof extra === 'object' ? valuesOf(extra) : anyJson,
    { maxKeys: 2 },
  )
  return fc.tuple(others, known).map(([more, own]) => ({ ...more, ...own }))
}

const scalars = fc.constantFrom<Scalar>(...WORDS, ...NUMBERS, true, false, null)
const bound = fc.option(fc.constantFrom(0, 1, 2, 3), { nil: undefined })
const presence = fc.constantFrom('required', 'required', 'optional', 'default')

const strings = given({
  kind: fc.constant('string'),
  min: bound,
  max: bound,
  format: fc.constantFrom(undefined, undefined, 'lower', 'uuid'),
})
const numbers = given({
  kind: fc.constant('number'),
  whole: fc.boolean(),
  min: bound,
  max: bound,
  above: bound,
  step: fc.constantFrom(undefined, undefined, 1, 2, 4, 0.5),
})

/** A record without what is undefined. */
function given(model: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Shape> {
  return fc
    .record(model)
    .map(
      (each) => Object.fromEntries(Object.entries(each).filter(([, value]) => value !== undefined)) as Shape,
    )
}

const leaves: fc.Arbitrary<Shape> = fc.oneof(
  fc.constantFrom<Shape>({ kind: 'unknown' }, { kind: 'boolean' }, { kind: 'null' }, { kind: 'tree' }),
  strings,
  numbers,
  given({ kind: fc.constant('literal'), values: fc.uniqueArray(scalars, { minLength: 1, maxLength: 4 }) }),
)

/** Shapes of any kind, a few levels deep. */
export const shapes: fc.Arbitrary<Shape> = fc.letrec<{ shape: Shape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 3, depthSize: 'small', withCrossShrink: true },
    leaves,
    ...holding(tie('shape')),
  ),
})).shape

function holding(inner: fc.Arbitrary<Shape>): fc.Arbitrary<Shape>[] {
  const properties = fc.dictionary(fc.constantFrom(...NAMES), fc.record({ shape: inner, presence }), {
    maxKeys: 3,
  })
  const extra = fc.oneof(fc.constantFrom('strip', 'strict', 'loose'), inner)
  const choices = fc.array(inner, { minLength: 2, maxLength: 3 })
  const names = fc.option(fc.uniqueArray(fc.constantFrom(...NAMES), { minLength: 1 }), { nil: undefined })
  const variants = fc.dictionary(fc.constantFrom('x', 'y', 'z'), inner, { minKeys: 1 })
  return [
    given({ kind: fc.constant('array'), item: inner, min: bound, max: bound }),
    given({
      kind: fc.constant('tuple'),
      items: fc.array(inner, { maxLength: 3 }),
      rest: fc.option(inner, { nil: undefined }),
    }),
    given({ kind: fc.constant('object'), properties, extra }),
    given({ kind: fc.constant('record'), names, value: inner }),
    given({ kind: fc.constantFrom('union', 'union', 'xor'), choices }),
    given({ kind: fc.constant('tagged'), variants }),
  ]
}

/** Shapes that differ from `shape` in a place or two: those of which the question is interesting. */
export function shapesNear(shape: Shape): fc.Arbitrary<Shape> {
  return fc.oneof(
    { weight: 6, arbitrary: alike(shape) },
    { weight: 1, arbitrary: shapes },
    { weight: 1, arbitrary: fc.constant<Shape>({ kind: 'unknown' }) },
    { weight: 1, arbitrary: shapes.map((other): Shape => ({ kind: 'union', choices: [other, shape] })) },
    { weight: 1, arbitrary: leaves.map((other): Shape => ({ kind: 'xor', choices: [shape, other] })) },
  )
}

function alike(shape: Shape): fc.Arbitrary<Shape> {
  switch (shape.kind) {
    case 'string':
      return fc.oneof(fc.constant(shape), strings)
    case 'number':
      return fc.oneof(fc.constant(shape), numbers)
    case 'literal':
      return fc.oneof(
        scalars.map((more): Shape => ({ kind: 'literal', values: [...shape.values, more] })),
        strings,
        numbers,
      )
    case 'array':
      return given({ kind: fc.constant('array'), item: shapesNear(shape.item), min: bound, max: bound })
    case 'tuple':
      return given({
        kind: fc.constant('tuple'),
        items: fc.tuple(...shape.items.map(shapesNear)),
        rest: fc.oneof(fc.constant(shape.rest), shapes),
      })
    case 'object':
      return given({
        kind: fc.constant('object'),
        properties: propertiesNear(shape.properties),
        extra: fc.oneof(fc.constantFrom('strip', 'strict', 'loose'), shapes, fc.constant(shape.extra)),
      })
    case 'record':
      return given({ kind: fc.constant('record'), value: shapesNear(shape.value) })
    case 'union':
    case 'xor':
      return given({ kind: fc.constant(shape.kind), choices: fc.tuple(...shape.choices.map(shapesNear)) })
    case 'tagged':
      return given({ kind: fc.constant('tagged'), variants: variantsNear(shape.variants) })
    default:
      return fc.constant(shape)
  }
}

/** Each property, or none, or another one like it. */
function propertiesNear(properties: Record<string, Property>): fc.Arbitrary<Record<string, Property>> {
  const near = Object.entries(properties).map(([name, each]) =>
    fc.option(
      fc
        .record({ shape: shapesNear(each.shape), presence: fc.oneof(fc.constant(each.presence), presence) })
        .map((property): [string, Property] => [name, property]),
      { freq: 8 },
    ),
  )
  return fc.tuple(...near).map((all) => Object.fromEntries(all.filter((each) => each !== null)))
}

function variantsNear(variants: Record<string, Shape>): fc.Arbitrary<Record<string, Shape>> {
  const near = Object.entries(variants).map(([tag, each]) => [tag, shapesNear(each)])
  return fc.record(Object.fromEntries(near) as Record<string, fc.Arbitrary<Shape>>)
}
