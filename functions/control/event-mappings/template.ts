/**
 * The input of a mapping: JSON as it is to be sent, in which `{"$from": "/data/text"}` stands for what an event holds there
 * (a JSON pointer, RFC 6901), or for `default` where it holds nothing. There is no other rule, and nothing is computed.
 */
import { z } from 'zod'
import { AnyObject } from '../../../shared/contract/json-object.ts'
import { isExactNumber, isJsonObject } from '../../../shared/exact-json.ts'
import { Failure } from '../../../shared/failures.ts'

const MAX_TEMPLATE_BYTES = 16_384
const MAX_POINTERS = 50
/** Of the input that comes out. */
const MAX_INPUT_BYTES = 524_288

const Pointer = z
  .string()
  .max(512)
  .regex(/^(\/([^~/]|~[01])*)*$/, 'is no JSON pointer, such as /data/text')

const From = z.strictObject({ $from: Pointer, default: z.unknown().optional() })
type From = z.infer<typeof From>

export const Template = AnyObject.superRefine((template, context) => {
  if (Buffer.byteLength(JSON.stringify(template)) > MAX_TEMPLATE_BYTES) {
    context.addIssue({ code: 'custom', message: `is larger than ${MAX_TEMPLATE_BYTES} bytes` })
  }
  const pointers = findPointers(template)
  if (pointers.length > MAX_POINTERS) {
    context.addIssue({ code: 'custom', message: `has more than ${MAX_POINTERS} "$from"` })
  }
  for (const pointer of pointers) {
    const issue = From.safeParse(pointer).error?.issues[0]
    if (issue !== undefined) context.addIssue({ code: 'custom', message: `a "$from" ${issue.message}` })
  }
})

/**
 * The input that `template` makes of `event`.
 *
 * @throws Failure TYPE_MISMATCH where the event has nothing there and no default is given, BODY_TOO_LARGE
 */
export function fill(template: Record<string, unknown>, event: unknown): Record<string, unknown> {
  const input = replace(template, event)
  if (!isJsonObject(input)) throw unfit('what it comes to is no object')
  if (Buffer.byteLength(JSON.stringify(input)) > MAX_INPUT_BYTES) {
    throw new Failure('BODY_TOO_LARGE', `Cannot make an input of more than ${MAX_INPUT_BYTES} bytes`)
  }
  return input
}

function replace(part: unknown, event: unknown): unknown {
  if (Array.isArray(part)) return part.map((each) => replace(each, event))
  if (part === null || typeof part !== 'object' || isExactNumber(part)) return part
  if (isPointer(part)) return valueAt(part, event)
  return Object.fromEntries(Object.entries(part).map(([name, each]) => [name, replace(each, event)]))
}

function valueAt(from: From, event: unknown): unknown {
  const { $from: pointer } = from
  let value: unknown = event
  for (const token of pointer.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
    if (!has(value, name)) {
      if ('default' in from) return from.default
      throw unfit(`the event has nothing at "${pointer}"`)
    }
    value = value[name]
  }
  return value
}

/** Members of objects and of lists, and nothing that either has besides. */
function has(value: unknown, name: string): value is Record<string, unknown> {
  if (Array.isArray(value)) return /^(0|[1-9]\d*)$/.test(name) && Number(name) < value.length
  return isJsonObject(value) && Object.hasOwn(value, name)
}

function unfit(why: string): Failure {
  return new Failure('TYPE_MISMATCH', `Cannot make the input: ${why}`, {
    suggestion: 'Compare the mapping with the event, or give a default',
  })
}

function isPointer(part: object): part is From {
  return Object.hasOwn(part, '$from')
}

function findPointers(part: unknown): unknown[] {
  if (part === null || typeof part !== 'object') return []
  return isPointer(part) ? [part] : Object.values(part).flatMap(findPointers)
}
