/** Reads a request's body as JSON, with a distinct failure for every way in which that can fail. */
import { isJsonObject, parseExactly } from '../exact-json.ts'
import { Failure } from '../failures.ts'
import { charsetOf, decodeUtf8, isJsonType, withoutMark } from '../media-type.ts'

/** Bytes of the largest body that a function reads. The gateway has the same limit; this one needs no gateway. */
const BODY_LIMIT = 1_048_576

/**
 * The body as a JSON object; an empty one is `{}`.
 *
 * @throws Failure BODY_TOO_LARGE, CONTENT_TYPE or BODY_SYNTAX
 */
export async function readJsonObject(request: Request): Promise<Record<string, unknown>> {
  const value = await readJson(request)
  if (value === undefined) return {}
  if (!isJsonObject(value)) {
    throw new Failure('BODY_SYNTAX', 'Cannot read the body: it is not a JSON object', {
      suggestion: 'Wrap the input in an object',
    })
  }
  return value
}

/**
 * The body as any JSON; undefined where there is none.
 *
 * @throws Failure BODY_TOO_LARGE, CONTENT_TYPE or BODY_SYNTAX
 */
export async function readJson(request: Request): Promise<unknown> {
  const body = await readBytes(request)
  if (body.length === 0) return undefined
  const type = request.headers.get('content-type') ?? ''
  if (!isJsonType(type)) {
    throw new Failure('CONTENT_TYPE', `Cannot read a body of type "${type}"`, {
      suggestion: 'Send JSON with "Content-Type: application/json"',
    })
  }
  checkCharset(type)
  return parseBody(decodeBody(body))
}

/** @throws Failure CONTENT_TYPE for JSON in any encoding but the one that JSON has (RFC 8259, 8.1) */
export function checkCharset(type: string): void {
  const charset = charsetOf(type)
  if (charset === 'utf-8') return
  throw new Failure('CONTENT_TYPE', `Cannot read JSON in "${charset}"`, {
    suggestion: 'Send JSON in UTF-8',
  })
}

/**
 * The text of a body; a byte-order mark before it is skipped, as RFC 8259 allows.
 *
 * @throws Failure BODY_SYNTAX where it is not UTF-8: to store it as replacement characters would change it
 */
export function decodeBody(body: Uint8Array): string {
  const text = decodeUtf8(body)
  if (text !== undefined) return withoutMark(text)
  throw new Failure('BODY_SYNTAX', 'Cannot read the body: it is not valid UTF-8', {
    suggestion: 'Send JSON in UTF-8',
  })
}

/**
 * JSON out of a body, as it can be stored.
 *
 * @throws Failure BODY_SYNTAX
 */
export function parseBody(text: string): unknown {
  checkDepth(text)
  const value = parseJson(text)
  // Both can only come in as escapes.
  if (text.includes('\\u') && !isText(JSON.stringify(value)))
    throw notStorable('it contains NUL or half a character')
  return value
}

/**
 * The whole body, unless it is too large: then reading stops at the limit.
 *
 * @throws Failure BODY_TOO_LARGE, or CONTENT_TYPE where it is compressed
 */
export async function readBytes(request: Request): Promise<Uint8Array> {
  checkEncoding(request.headers.get('content-encoding') ?? 'identity')
  const declared = Number(request.headers.get('content-length') ?? 0)
  if (declared > BODY_LIMIT) throw tooLarge()
  if (request.headers.has('content-length')) return new Uint8Array(await request.arrayBuffer())
  return request.body === null ? new Uint8Array() : readAtMost(request.body)
}

/** What is compressed may be a thousand times as large as its length; nobody needs it for a megabyte. */
function checkEncoding(encoding: string): void {
  if (encoding.trim().toLowerCase() === 'identity') return
  throw new Failure('CONTENT_TYPE', `Cannot read a body with "Content-Encoding: ${encoding}"`, {
    suggestion: 'Send the body as it is, without Content-Encoding',
  })
}

async function readAtMost(body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > BODY_LIMIT) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parseJson(text: string): unknown {
  try {
    return parseExactly(text)
  } catch (cause) {
    if (cause instanceof RangeError) throw notStorable(cause.message)
    throw new Failure('BODY_SYNTAX', 'Cannot read the body: it is not valid JSON', {
      suggestion: 'Check quotes, commas and braces',
      cause,
    })
  }
}

/** Members inside members that anybody needs; deeper ones only exhaust stacks. */
const MAX_DEPTH = 64

/** @throws Failure BODY_SYNTAX where JSON is nested deeper than anybody needs */
export function checkDepth(text: string): void {
  if (depthOf(text) > MAX_DEPTH) throw notStorable(`it is nested deeper than ${MAX_DEPTH} levels`)
}

/** Whether JSON, as JSON.stringify writes it, holds only text that can be stored: NUL and halves of characters are escapes there. */
export function isText(json: string): boolean {
  return !/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f])/.test(json)
}

function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') inString = !inString
    else if (inString && character === '\\') at++
    else if (!inString && (character === '{' || character === '[')) deepest = Math.max(deepest, ++depth)
    else if (!inString && (character === '}' || character === ']')) depth--
  }
  return deepest
}

function notStorable(why: string): Failure {
  return new Failure('BODY_SYNTAX', `Cannot take the body: ${why}`, {
    suggestion: 'Send plain text in plain objects',
  })
}

function tooLarge(): Failure {
  return new Failure('BODY_TOO_LARGE', `Cannot take a body of more than ${BODY_LIMIT} bytes`, {
    suggestion: 'Send less at once',
  })
}
