import { expect, test } from 'vitest'
import { z } from 'zod'
import type { Schema } from '../../../functions/console/page/core/openapi.ts'
import { kindOf } from '../../../functions/console/page/parts/schema-kind.ts'

const kindFor = (type: z.ZodType) => kindOf(z.toJSONSchema(type, { io: 'input' }) as Schema, {})

test.for<[z.ZodType, object]>([
  [z.enum(['a', 'b']), { kind: 'choice', options: ['a', 'b'] }],
  [z.union([z.literal('a'), z.literal(2)]), { kind: 'choice', options: ['a', 2] }],
  [z.literal('only'), { kind: 'fixed', value: 'only' }],
  [z.array(z.enum(['a', 'b'])), { kind: 'choices', options: ['a', 'b'] }],
  [z.array(z.string()), { kind: 'list' }],
  [z.int().nullable(), { kind: 'number', whole: true }],
  [z.number(), { kind: 'number', whole: false }],
  [z.iso.datetime(), { kind: 'time' }],
  [z.email(), { kind: 'text', type: 'email' }],
  [z.string().max(10_000), { kind: 'text', long: true }],
  [z.boolean().default(true), { kind: 'yes-no' }],
  [z.strictObject({ a: z.string() }), { kind: 'object' }],
  [z.union([z.string(), z.strictObject({ a: z.int() })]), { kind: 'one-of' }],
  [z.record(z.string(), z.unknown()), { kind: 'json' }],
  [z.unknown(), { kind: 'json' }],
])('kindOf() finds a field for %o', ([type, kind]) => {
  expect(kindFor(type)).toMatchObject(kind)
})

test('kindOf() follows references, and ends where they lead nowhere', () => {
  const root: Schema = { $defs: { Tree: { type: 'object', properties: { left: { $ref: '#/$defs/Tree' } } } } }
  expect(kindOf({ $ref: '#/$defs/Tree' }, root)).toMatchObject({ kind: 'object' })
  expect(kindOf({ $ref: '#/$defs/None' }, root)).toEqual({ kind: 'json' })
})
