/**
 * Whether what one aspect answers is what another takes, by their JSON Schemas as zod writes them: so `a >> b`
 * is refused before `a` runs. The verdict is "fits" only where every value does; where that is unknown, the verdict has the reason.
 * What zod does not write (refinements, flags of a regular expression) it cannot see: the stage still reads its input.
 */
import {
  alternativesOf,
  type AnySchema,
  describe,
  isAmong,
  isNothing,
  type JsonSchema,
  nameOf,
  othersOf,
  ownValue,
  propertyOf,
  resolve,
  restOf,
  typesOf,
  valuesOf,
} from './schema-facts.ts'
import { type Check, type Checks, LIMITS, type Question } from './schema-limits.ts'
import { beginningOf } from '../beginning.ts'

export type { JsonSchema } from './schema-facts.ts'

/** Past these, two schemas are too large to compare. */
const MAX_COMPARISONS = 5000
const DEEPEST = 200
/** Characters of the reasons against all alternatives, which may hold such reasons again. */
const MAX_REASONS = 300

/** One comparison of two whole schemas. */
interface Scope {
  outputRoot: JsonSchema
  inputRoot: JsonSchema
  /** Where in the value each pair was met that is being compared now. */
  open: Map<JsonSchema, Map<JsonSchema, string>>
  depth: number
  left: number
}

interface Comparison extends Question {
  scope: Scope
}

/** The keywords that constrain a value; any other is an annotation. */
const KEYWORDS: Readonly<Checks<Comparison>> = {
  ...LIMITS,
  anyOf: ['any', checkAnyOf],
  oneOf: ['any', checkOneOf],
  allOf: ['any', checkAllOf],
  prefixItems: ['array', checkPositions],
  items: ['array', checkItems],
  required: ['object', checkRequired],
  properties: ['object', checkProperties],
  additionalProperties: ['object', checkOthers],
  propertyNames: ['object', checkNames],
}

/**
 * Why a value of `output` may not be one of `input`, such as "result.amount: string is not number".
 *
 * @param output what `z.toJSONSchema(schema)` makes
 * @param input what `z.toJSONSchema(schema, { io: 'input' })` makes
 * @returns undefined where every value fits
 */
export function misfitOf(output: JsonSchema, input: JsonSchema): string | undefined {
  const scope: Scope = {
    outputRoot: output,
    inputRoot: input,
    open: new Map(),
    depth: 0,
    left: MAX_COMPARISONS,
  }
  return misfit(output, input, 'result', scope)
}

function misfit(given: AnySchema, wanted: AnySchema, at: string, scope: Scope): string | undefined {
  const output = resolve(given, scope.outputRoot)
  const input = resolve(wanted, scope.inputRoot)
  if (output === undefined || input === undefined) return `${at}: its schema refers to nothing`
  if (isNothing(output)) return undefined
  if (isNothing(input)) return `${at}: ${nameOf(output)} is not taken`
  return whileOpen({ output, input, at, scope }, compare)
}

/**
 * Compares a pair once at a time. Met again further inside the value, it adds no reason against it: a value ends
 * somewhere. Met again at the same place, its schema adds nothing.
 */
function whileOpen(question: Comparison, work: Check<Comparison>): string | undefined {
  const { output, input, at, scope } = question
  const pairs = scope.open.get(output) ?? new Map<JsonSchema, string>()
  const before = pairs.get(input)
  if (before !== undefined) return before === at ? `${at}: its schema is defined by itself` : undefined
  scope.left -= 1
  if (scope.left < 0 || scope.depth > DEEPEST) return `${at}: its schema is too large to compare`
  scope.open.set(output, pairs.set(input, at))
  scope.depth += 1
  try {
    return work(question)
  } finally {
    pairs.delete(input)
    scope.depth -= 1
  }
}

/** Of alternatives each has to fit; of what holds at once (`allOf`), one is enough. */
function compare(question: Comparison): string | undefined {
  const { output, input, at, scope } = question
  const alternatives = alternativesOf(output)
  if (alternatives !== undefined) return firstOf(alternatives, (each) => misfit(each, input, at, scope))
  const facts = output.const === undefined ? output : describe(output.const)
  const why = checkKeywords({ ...question, output: facts })
  if (why === undefined || output.allOf === undefined) return why
  return output.allOf.some((each) => misfit(each, input, at, scope) === undefined) ? undefined : why
}

function checkKeywords(question: Comparison): string | undefined {
  const types = typesOf(question.output)
  return firstOf(Object.keys(question.input), (keyword) => {
    const [type, check] = ownValue(KEYWORDS, keyword) ?? []
    if (type === undefined || check === undefined) return undefined
    return type === 'any' || types.some((each) => isAmong(each, [type])) ? check(question) : undefined
  })
}

function checkAnyOf({ output, input, at, scope }: Comparison): string | undefined {
  return noneOf(input.anyOf ?? [], output, at, scope)
}

/** One takes all, and no other takes any: `oneOf` refuses what fits two. */
function checkOneOf({ output, input, at, scope }: Comparison): string | undefined {
  const choices = input.oneOf ?? []
  const chosen = choices.find((each) => misfit(output, each, at, scope) === undefined)
  if (chosen === undefined) return noneOf(choices, output, at, scope)
  const alone = choices.every((each) => each === chosen || areApart(output, each, scope))
  return alone ? undefined : `${at}: ${nameOf(output)} may be several of ${choices.length} alternatives`
}

function noneOf(choices: readonly AnySchema[], output: JsonSchema, at: string, scope: Scope) {
  const reasons = choices.map((each) => misfit(output, each, at, scope))
  if (reasons.includes(undefined)) return undefined
  const why = beginningOf(reasons.join('; '), MAX_REASONS)
  return `${at}: ${nameOf(output)} is none of ${choices.length} alternatives (${why})`
}

/** Whether no value of `given` is one of `wanted`, by types and listed values, also those of properties. */
function areApart(given: AnySchema, wanted: AnySchema, scope: Scope, depth = 0): boolean {
  const a = resolve(given, scope.outputRoot)
  const b = resolve(wanted, scope.inputRoot)
  if (a === undefined || b === undefined || depth > 2) return false
  const types = typesOf(a)
  if (!types.some((each) => typesOf(b).some((other) => isAmong(each, [other]) || isAmong(other, [each]))))
    return true
  const values = valuesOf(b)
  if (values !== undefined && valuesOf(a)?.every((value) => !values.includes(value))) return true
  if (types.some((each) => each !== 'object')) return false
  return (a.required ?? []).some((name) => {
    return areApart(propertyOf(a, name), ownValue(b.properties, name) ?? true, scope, depth + 1)
  })
}

function checkAllOf({ output, input, at, scope }: Comparison): string | undefined {
  return firstOf(input.allOf ?? [], (each) => misfit(output, each, at, scope))
}

function checkPositions({ output, input, at, scope }: Comparison): string | undefined {
  const reached = (input.prefixItems ?? []).slice(0, output.maxItems)
  return firstOf([...reached.entries()], ([position, wanted]) => {
    const given = output.prefixItems?.[position] ?? restOf(output)
    return misfit(given, wanted, `${at}[${position}]`, scope)
  })
}

/** What stands behind the positions that the input describes one by one. */
function checkItems({ output, input, at, scope }: Comparison): string | undefined {
  if (Array.isArray(input.items)) return `${at}: "items" cannot be compared`
  const { prefixItems: described = [], maxItems = Infinity } = output
  const from = input.prefixItems?.length ?? 0
  const wanted = restOf(input)
  const positions = [...described.entries()].slice(from, maxItems)
  const why = firstOf(positions, ([position, given]) => misfit(given, wanted, `${at}[${position}]`, scope))
  if (why !== undefined || maxItems <= Math.max(from, described.length)) return why
  return misfit(restOf(output), wanted, `${at}[]`, scope)
}

function checkRequired({ output, input, at }: Comparison): string | undefined {
  const missing = input.required?.find((name) => !output.required?.includes(name))
  return missing === undefined ? undefined : `${at}.${missing}: may be missing`
}

function checkProperties({ output, input, at, scope }: Comparison): string | undefined {
  return firstOf(Object.entries(input.properties ?? {}), ([name, wanted]) =>
    misfit(propertyOf(output, name), wanted, `${at}.${name}`, scope),
  )
}

/** What the output has under names that the input does not mention. */
function checkOthers({ output, input, at, scope }: Comparison): string | undefined {
  const wanted = othersOf(input)
  const unmentioned = Object.entries(output.properties ?? {}).filter(
    ([name]) => ownValue(input.properties, name) === undefined,
  )
  const why = firstOf(unmentioned, ([name, given]) => misfit(given, wanted, `${at}.${name}`, scope))
  return why ?? misfit(othersOf(output), wanted, `${at}.*`, scope)
}

function checkNames({ output, input, at, scope }: Comparison): string | undefined {
  const wanted = input.propertyNames ?? true
  const names = Object.keys(output.properties ?? {})
  const why = firstOf(names, (name) => misfit(describe(name), wanted, `${at} (its names)`, scope))
  if (why !== undefined || isNothing(resolve(othersOf(output), scope.outputRoot) ?? {})) return why
  return misfit(output.propertyNames ?? { type: 'string' }, wanted, `${at} (its names)`, scope)
}

/** The first reason that there is among `all`. */
function firstOf<T>(all: readonly T[], reason: (each: T) => string | undefined): string | undefined {
  for (const each of all) {
    const why = reason(each)
    if (why !== undefined) return why
  }
  return undefined
}
