/** The keywords of a JSON Schema that limit a value as such, and not what is inside it; for `schema-fit.ts`. */
import { isAmong, type JsonSchema, nameOf, type SchemaType, typesOf, valuesOf } from './schema-facts.ts'

/** May every value of `output` pass one keyword of `input`? */
export interface Question {
  /** One alternative: never a union or a list of values. */
  output: JsonSchema
  input: JsonSchema
  /** Where in the value, for messages. */
  at: string
}

/** Why some value may not pass. */
export type Check<Q extends Question = Question> = (question: Q) => string | undefined

/** Keywords: the values of which type each constrains, and how that is checked. */
export type Checks<Q extends Question = Question> = Record<string, readonly [SchemaType | 'any', Check<Q>]>

type Count = 'minLength' | 'maxLength' | 'minItems' | 'maxItems'
type Label = 'format' | 'contentEncoding' | 'contentMediaType'

export const LIMITS: Checks = {
  type: ['any', checkType],
  const: ['any', checkValues],
  enum: ['any', checkValues],
  minimum: ['number', checkMinimum],
  exclusiveMinimum: ['number', checkMinimum],
  maximum: ['number', checkMaximum],
  exclusiveMaximum: ['number', checkMaximum],
  multipleOf: ['number', checkMultiple],
  minLength: ['string', checkLeast('minLength', 'characters')],
  maxLength: ['string', checkMost('maxLength', 'characters')],
  pattern: ['string', checkPattern],
  format: ['string', checkLabel('format')],
  contentEncoding: ['string', checkLabel('contentEncoding')],
  contentMediaType: ['string', checkLabel('contentMediaType')],
  minItems: ['array', checkLeast('minItems', 'items')],
  maxItems: ['array', checkMost('maxItems', 'items')],
  ...incomparable('any', ['not', 'if', 'then', 'else', '$dynamicRef']),
  ...incomparable('array', ['contains', 'uniqueItems', 'unevaluatedItems', 'additionalItems']),
  ...incomparable('object', ['patternProperties', 'minProperties', 'maxProperties', 'dependentRequired']),
  ...incomparable('object', ['dependentSchemas', 'dependencies', 'unevaluatedProperties']),
}

function checkType({ output, input, at }: Question): string | undefined {
  const wanted = typesOf(input)
  if (typesOf(output).every((type) => isAmong(type, wanted))) return undefined
  return `${at}: ${nameOf(output)} is not ${wanted.join(' or ')}`
}

function checkValues({ output, input, at }: Question): string | undefined {
  const wanted = valuesOf(input) ?? []
  if (valuesOf(output)?.every((value) => wanted.includes(value))) return undefined
  return `${at}: ${nameOf(output)} is not ${nameOf(input)}`
}

function checkMinimum({ output, input, at }: Question): string | undefined {
  const [least, above] = [input.minimum ?? -Infinity, numberOf(input.exclusiveMinimum, -Infinity)]
  const [minimum, exclusive] = [output.minimum ?? -Infinity, numberOf(output.exclusiveMinimum, -Infinity)]
  const fits = Math.max(minimum, exclusive) >= least && (exclusive >= above || minimum > above)
  return fits ? undefined : `${at}: ${nameOf(output)} may be less than ${Math.max(least, above)}`
}

function checkMaximum({ output, input, at }: Question): string | undefined {
  const [most, below] = [input.maximum ?? Infinity, numberOf(input.exclusiveMaximum, Infinity)]
  const [maximum, exclusive] = [output.maximum ?? Infinity, numberOf(output.exclusiveMaximum, Infinity)]
  const fits = Math.min(maximum, exclusive) <= most && (exclusive <= below || maximum < below)
  return fits ? undefined : `${at}: ${nameOf(output)} may be more than ${Math.min(most, below)}`
}

/** Old drafts write `true` here, which zod does not. */
function numberOf(value: number | boolean | undefined, fallback: number): number {
  return typeof value === 'number' ? value : fallback
}

function checkMultiple({ output, input, at }: Question): string | undefined {
  const { multipleOf: wanted = 1 } = input
  const steps = output.multipleOf ?? (typesOf(output).includes('integer') ? 1 : NaN)
  const divides = Number.isInteger(steps) && Number.isInteger(wanted) && steps % wanted === 0
  if (steps === wanted || divides) return undefined
  return `${at}: ${nameOf(output)} may not be a multiple of ${wanted}`
}

function checkLeast(keyword: Count, unit: string): Check {
  return ({ output, input, at }) => {
    const least = input[keyword] ?? 0
    return (output[keyword] ?? 0) >= least ? undefined : `${at}: may have fewer than ${least} ${unit}`
  }
}

function checkMost(keyword: Count, unit: string): Check {
  return ({ output, input, at }) => {
    const most = input[keyword] ?? Infinity
    return (output[keyword] ?? Infinity) <= most ? undefined : `${at}: may have more than ${most} ${unit}`
  }
}

/** Patterns are compared by their text: what two of them match is not compared. */
function checkPattern({ output, input, at }: Question): string | undefined {
  const patterns = [output.pattern, ...(output.allOf ?? []).map(({ pattern }) => pattern)]
  if (patterns.includes(input.pattern)) return undefined
  return `${at}: ${nameOf(output)} may not match ${input.pattern}`
}

function checkLabel(keyword: Label): Check {
  return ({ output, input, at }) => {
    if (output[keyword] === input[keyword]) return undefined
    return `${at}: ${nameOf(output)} may not be ${input[keyword]}`
  }
}

function incomparable(type: SchemaType | 'any', keywords: readonly string[]): Checks {
  return Object.fromEntries(
    keywords.map((keyword) => [keyword, [type, ({ at }) => `${at}: "${keyword}" cannot be compared`]]),
  )
}
