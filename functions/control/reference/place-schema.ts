/** Schemas within a larger document. */
import type { JsonSchema } from '../../../shared/contract/schemas.ts'

/**
 * A schema as it has to be written at `pointer` (`#/components/schemas/Name`): what it refers to within itself has moved
 * with it. The dialect is the document's and is not repeated.
 */
export function placeSchema(schema: JsonSchema, pointer: string): JsonSchema {
  const { $schema: _, ...rest } = schema
  return moved(rest, pointer) as JsonSchema
}

function moved(value: unknown, pointer: string): unknown {
  if (Array.isArray(value)) return value.map((each) => moved(each, pointer))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      name === '$ref' && typeof member === 'string' && member.startsWith('#')
        ? pointer + member.slice(1)
        : moved(member, pointer),
    ]),
  )
}
