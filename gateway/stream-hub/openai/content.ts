/** Texts, tools and forms of answers, as far as both APIs for conversations have them in common. */
import { z } from 'zod'
import { AnyObject } from '../../../shared/contract/json-object.ts'

/** Text as it is, or in parts; parts that are no text are refused by their type. */
export function text(...types: readonly [string, ...string[]]) {
  const Part = z.looseObject({
    type: z.enum(types),
    text: z.string().optional(),
    refusal: z.string().optional(),
  })
  return z
    .union([z.string(), z.array(Part)])
    .transform((content) =>
      typeof content === 'string' ? content : content.map((part) => part.text ?? part.refusal ?? '').join(''),
    )
}

/** A tool without parameters takes none. */
const NO_PARAMETERS = { type: 'object', properties: {} }

/** A tool, as both APIs describe it. */
export const TOOL = {
  name: z.string(),
  description: z.string().nullish(),
  parameters: AnyObject.nullish(),
  strict: z.unknown().optional(),
}

export function toTool({ name, description, parameters }: z.output<z.ZodObject<typeof TOOL>>) {
  return {
    name,
    ...(typeof description === 'string' ? { description } : {}),
    parameters: parameters ?? NO_PARAMETERS,
  }
}

/** How many tokens a model may answer by; what asks for more gets as many as there can be. */
const MAX_ANSWER_TOKENS = 8192
export const AnswerTokens = z
  .int()
  .min(1)
  .transform((tokens) => Math.min(tokens, MAX_ANSWER_TOKENS))

/** The form that an answer must have, as a JSON Schema; `undefined` is any text. */
export const JsonForm = {
  schema: AnyObject,
  name: z.string().optional(),
  description: z.unknown().optional(),
  strict: z.unknown().optional(),
}
export const ANY_JSON_OBJECT = { type: 'object' }

/** Leaves out what is undefined. */
export function defined<T extends object>(members: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never // reason: that is what it is
}
