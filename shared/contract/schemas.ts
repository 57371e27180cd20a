/**
 * JSON Schemas of contracts: what discovery and the reference show. Each is made when somebody first asks for it and
 * then belongs to everybody, so nobody may change one.
 */
import { z } from 'zod'
import type { EndpointFacts, TriggerFacts } from './facts.ts'

export type JsonSchema = Readonly<Record<string, unknown>>

const inputs = new WeakMap<z.ZodType, JsonSchema>()
const outputs = new WeakMap<z.ZodType, JsonSchema>()
const data = new WeakMap<z.ZodType, JsonSchema>()

/** What a caller may send (2020-12): a member with a default need not be there. */
export function inputSchemaOf({ input }: Pick<EndpointFacts, 'input'>): JsonSchema {
  return remembered(inputs, input, { io: 'input' })
}

/** What a handler returns (2020-12); the envelope of an aspect's answer is not part of it. */
export function outputSchemaOf({ output }: Pick<EndpointFacts, 'output'>): JsonSchema {
  return remembered(outputs, output, { io: 'output' })
}

/** The data of an event as it travels, in draft 7: AsyncAPI's default. */
export function dataSchemaOf({ data: type }: Pick<TriggerFacts, 'data'>): JsonSchema {
  return remembered(data, type, { io: 'input', target: 'draft-7' })
}

function remembered(
  known: WeakMap<z.ZodType, JsonSchema>,
  type: z.ZodType,
  options: z.core.ToJSONSchemaParams,
): JsonSchema {
  let schema = known.get(type)
  if (schema === undefined) {
    schema = z.toJSONSchema(type, options)
    known.set(type, schema)
  }
  return schema
}
