/** JSON schemas that answers can be held to, and those that are refused: impossible, endless, or made to do harm. */
import { describe, expect, test } from 'vitest'
import { toGrammarSchema } from '../../../gpu-workers/engines/grammar-schema.ts'
import { checkAnswer } from '../../../gpu-workers/check-answer.ts'
import { checkResponseSchema, checkSize } from '../../../shared/models/response-schema.ts'

type Schema = Record<string, unknown>
const list = {
  $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } } },
  $ref: '#/$defs/node',
}

/** So many lists within each other. */
function nested(depth: number): Schema {
  let schema: Schema = { type: 'string' }
  for (let at = 0; at < depth; at++) schema = { type: 'array', items: schema }
  return schema
}

describe('checkResponseSchema()', () => {
  const TAKEN: Record<string, Schema> = {
    'no condition': {},
    'what zod writes': {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: {
        n: { type: 'integer', minimum: 0, maximum: 9 },
        mail: { type: 'string', format: 'email' },
      },
      required: ['n'],
      additionalProperties: false,
    },
    'what pydantic writes': {
      $defs: { Mood: { enum: ['good', 'bad'], title: 'Mood', type: 'string' } },
      properties: {
        mood: { allOf: [{ $ref: '#/$defs/Mood' }], default: 'good' },
        age: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
      },
      type: 'object',
    },
    'recursion that may end': list,
    'recursion by a list': {
      type: 'object',
      properties: { children: { type: 'array', items: { $ref: '#' } } },
      required: ['children'],
    },
    'a property called like a keyword': {
      type: 'object',
      properties: { pattern: { type: 'string' }, $ref: { type: 'null' } },
    },
  }
  test.for(Object.entries(TAKEN))('takes %s', ([, schema]) => {
    expect(() => checkResponseSchema(schema)).not.toThrow()
    expect(toGrammarSchema(schema)).toHaveProperty('oneOf')
  })

  const REFUSED: Record<string, [Schema, RegExp]> = {
    'a pattern': [{ type: 'string', pattern: '(a+)+$' }, /"#": an answer cannot be held to "pattern"/],
    'a pattern deep inside': [
      { properties: { a: { items: { pattern: 'x' } } } },
      /"#\/properties\/a\/items"/,
    ],
    'an unknown type': [{ type: 'file' }, /"file" is no type/],
    false: [{ properties: { a: false } }, /no value meets "false"/],
    'an empty enum': [{ enum: [] }, /"enum" is no list with something in it/],
    'an enum of objects': [{ enum: [{}] }, /only texts, numbers/],
    'bounds that exclude each other': [
      { type: 'string', minLength: 3, maxLength: 2 },
      /"minLength" 3 is more than "maxLength" 2/,
    ],
    'a required property that there is not': [
      { type: 'object', required: ['a'], additionalProperties: false },
      /"a" is required, and no property/,
    ],
    'recursion without an end': [
      {
        $defs: { n: { type: 'object', properties: { n: { $ref: '#/$defs/n' } }, required: ['n'] } },
        $ref: '#/$defs/n',
      },
      /without an end/,
    ],
    'a reference to itself': [{ $defs: { a: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }, /without an end/],
    'an alternative that is itself': [
      { $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }, { type: 'string' }] } }, $ref: '#/$defs/a' },
      /without an end/,
    ],
    'a reference to nothing': [{ $ref: '#/$defs/gone' }, /is no reference into "\$defs"/],
    'a reference to the outside': [{ $ref: 'http://169.254.169.254/' }, /is no reference into "\$defs"/],
    'a reference that is none': [{ $ref: { a: 1 } }, /is no reference/],
    'deep nesting': [nested(70), /more than 64 levels/],
    'too many parts': [
      { properties: Object.fromEntries(Array.from({ length: 2100 }, (_, at) => [`p${at}`, {}])) },
      /more than 2000/,
    ],
    'too many characters': [{ description: 'x'.repeat(70_000) }, /characters long/],
    'too many values': [{ enum: Array.from({ length: 501 }, (_, at) => at) }, /more than 500 values/],
  }
  test.for(Object.entries(REFUSED))('refuses %s', ([, [schema, why]]) => {
    expect(() => checkResponseSchema(schema)).toThrow(
      expect.objectContaining({ code: 'INFERENCE_REFUSED', message: expect.stringMatching(why) }),
    )
  })

  test('ends soon where definitions refer to each other in every way', () => {
    const names = Array.from({ length: 40 }, (_, at) => `d${at}`)
    const all = names.map((name) => ({ $ref: `#/$defs/${name}` }))
    const $defs = Object.fromEntries(names.map((name) => [name, { type: 'array', items: { anyOf: all } }]))
    expect(() => checkResponseSchema({ $defs, $ref: '#/$defs/d0' })).not.toThrow()
  })
})

test('checkSize() refuses lists that are nested deeper than anything could read', () => {
  let value: unknown = 1
  for (let at = 0; at < 50_000; at++) value = [value]
  expect(() => checkSize({ default: value })).toThrow(/more than 64 levels/)
})

describe('toGrammarSchema()', () => {
  const partsOf = (schema: Schema) => JSON.stringify(toGrammarSchema(schema))

  test('lets an object be with and without a property that is like itself', () => {
    expect(partsOf(list)).toContain('{"type":"object","properties":{}}')
    expect(partsOf(list)).toContain('{"type":"object","properties":{"next":{"$ref":"#/$defs/def1"}}}')
  })

  test('writes no part of a schema very often, however many forms the objects around it have', () => {
    let schema: Schema = { type: 'string' }
    for (let depth = 0; depth < 6; depth++) {
      const properties = { in: schema, a: { $ref: '#' }, b: { $ref: '#' }, c: { $ref: '#' } }
      schema = { type: ['object', 'object'], properties, required: ['in'] }
    }
    expect(partsOf(schema).split('{"type":"string"}').length).toBeLessThan(100)
  })

  test('takes what it cannot say for any value', () => {
    expect(partsOf({ properties: { a: {}, b: { $ref: '#/nowhere' }, c: { type: 'file' } } })).not.toMatch(
      /nowhere|file/,
    )
  })
})

describe('checkAnswer()', () => {
  const ask = (responseSchema?: Schema) =>
    ({
      messages: [{ role: 'user' as const, content: 'Hi' }],
      maxTokens: 9,
      temperature: 0,
      ...(responseSchema === undefined ? {} : { responseSchema }),
    }) as Parameters<typeof checkAnswer>[0]

  test('says where an answer is wrong, and not what stands there', () => {
    const schema = {
      $id: 'https://twice.example',
      type: 'object',
      properties: { age: { type: 'integer', minimum: 18 } },
    }
    expect(() => checkAnswer(ask(schema), '{"age": 18}')).not.toThrow()
    expect(() => checkAnswer(ask(schema), '{"age": 7}')).toThrow(/"\/age" must be >= 18/)
    expect(() => checkAnswer(ask(schema), 'secret')).toThrow(/it is no JSON$/)
    expect(() => checkAnswer(ask(), 'secret')).not.toThrow()
  })

  test('gives up where a schema of a caller would keep a worker busy for ever', () => {
    const again = { properties: { a: { $ref: '#' } }, required: ['a'] }
    const schema = { anyOf: [again, { ...again, type: 'object' }, { type: 'null' }] }
    const answer = `${'{"a":'.repeat(60)}1${'}'.repeat(60)}`
    expect(() => checkResponseSchema(schema)).not.toThrow()
    expect(() => checkAnswer(ask(schema), answer)).toThrow(/cannot be checked in 500 ms/)
  })
})
