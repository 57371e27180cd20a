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
    schema = z.toJSONSchema(type, { ...options, override: completed })
    known.set(type, schema)
  }
  return schema
}

type Written = Parameters<NonNullable<z.core.ToJSONSchemaParams['override']>>[0]

/** Adds what zod leaves out: the default of what is converted, and that a text of blanks is empty where it is trimmed. */
function completed({ zodSchema, jsonSchema }: Written): void {
  const { def } = zodSchema._zod
  if (def.type === 'default') jsonSchema.default = def.defaultValue
  if (def.type === 'string' && (jsonSchema.minLength ?? 0) > 0 && (def.checks ?? []).some(trims)) {
    jsonSchema.pattern ??= String.raw`\S`
  }
}

function trims({ _zod: { def } }: z.core.$ZodCheck): boolean {
  return def.check === 'overwrite' && (def as z.core.$ZodCheckOverwriteDef).tx(' a ') === 'a'
}
