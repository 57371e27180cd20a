/**
 * CloudEvents in binary mode: attributes in `ce-` headers, data as the body, alike over HTTP and NATS. It has no types, so
 * members that it does not distinguish from others are named apart (`form`) where both ends are ours.
 */
import { parseExactly } from '../exact-json.ts'
import { decodeUtf8, isJsonType, isTextType, withoutMark } from '../media-type.ts'

/** An event in its JSON form: attributes, and `data` or `data_base64`. */
export type JsonForm = Record<string, unknown>

export interface BinaryForm {
  /** By the names of the attributes, encoded for headers; without `datacontenttype`. */
  headers: Record<string, string>
  /** `datacontenttype`, which travels as `content-type`. */
  contentType?: string
  body: Uint8Array
  /** Members of the JSON form that are read from headers and body as something else. */
  form: string[]
}

const PREFIX = 'ce-'
const NAME = /^[a-z0-9]+$/
/** Members that no header has. */
const BESIDE = new Set(['data', 'data_base64', 'datacontenttype'])

/** Where there is no type, JSON is meant (JSON format, 3.1.1). */
export function holdsJson(contentType: string | undefined): boolean {
  return contentType === undefined || isJsonType(contentType)
}

/** @param event an event that was read, so that its data and its type agree */
export function toBinary(event: object): BinaryForm {
  const headers: Record<string, string> = {}
  const form: string[] = []
  for (const [name, value] of Object.entries(event)) {
    if (value === undefined || BESIDE.has(name)) continue
    headers[`${PREFIX}${name}`] = encodeHeader(String(value))
    if (typeof value !== 'string') form.push(name)
  }
  const {
    data,
    data_base64: base64,
    datacontenttype: contentType,
  } = event as JsonForm & {
    data_base64?: string
    datacontenttype?: string
  }
  const body = base64 === undefined ? bytesOf(data, contentType) : Buffer.from(base64, 'base64')
  if (base64 !== undefined) form.push('data_base64')
  else if (data !== undefined && body.length === 0) form.push('data')
  return { headers, ...(contentType === undefined ? {} : { contentType }), body, form }
}

function bytesOf(data: unknown, contentType: string | undefined): Uint8Array {
  if (data === undefined) return new Uint8Array()
  return Buffer.from(!holdsJson(contentType) && typeof data === 'string' ? data : JSON.stringify(data))
}

export interface ReadOptions {
  /** What `toBinary` named. */
  form?: readonly string[] | undefined
  /** How JSON is read. */
  parse?: (text: string) => unknown
}

/**
 * The JSON form of an event.
 *
 * @param headers those of the whole message, in lower case; of those without `ce-` only `content-type` is read
 * @throws TypeError with the reason why it is none; what `parse` throws
 */
export function fromBinary(
  headers: Readonly<Record<string, string | undefined>>,
  body: Uint8Array,
  { form = [], parse = parseExactly }: ReadOptions = {},
): JsonForm {
  const event: JsonForm = {}
  for (const header in headers) {
    const value = headers[header]
    if (value === undefined || !header.startsWith(PREFIX)) continue
    const name = header.slice(PREFIX.length)
    if (BESIDE.has(name)) throw new TypeError(`"${header}" is no header of an event`)
    if (!NAME.test(name)) throw new TypeError(`attribute name "${name}" is not lower-case letters and digits`)
    const text = decodeHeader(value)
    if (text === undefined) throw new TypeError(`header "${header}" is not percent-encoded UTF-8`)
    event[name] = form.includes(name) ? (JSON.parse(text) as unknown) : text
  }
  const contentType = headers['content-type'] || undefined
  if (contentType !== undefined) event['datacontenttype'] = contentType
  return Object.assign(event, readData(contentType, body, { form, parse }))
}

function readData(
  contentType: string | undefined,
  body: Uint8Array,
  { form, parse }: Required<ReadOptions> & { form: readonly string[] },
): JsonForm {
  if (form.includes('data_base64')) return { data_base64: base64Of(body) }
  if (body.length === 0) return form.includes('data') ? { data: '' } : {}
  const text = holdsJson(contentType) || isTextType(contentType ?? '') ? decodeUtf8(body) : undefined
  if (holdsJson(contentType)) {
    if (text === undefined) throw new TypeError('its data is not valid UTF-8')
    return { data: parse(withoutMark(text)) }
  }
  return text === undefined || text.includes('\0') ? { data_base64: base64Of(body) } : { data: text }
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** HTTP binding, 3.1.3.2: what is not printable ASCII, and `"` and `%`, is percent-encoded. */
export function encodeHeader(value: string): string {
  return /^[!#$&-~]*$/.test(value)
    ? value
    : value.replace(/[^!#$&-~]+/gu, (part) => encodeURIComponent(part.toWellFormed()))
}

/**
 * HTTP binding, 3.1.3.2: a quoted string is unquoted, then percent-encoded octets are decoded, once. Octets beyond ASCII that
 * came as they are, each as one character, are taken as the UTF-8 that they are.
 *
 * @returns undefined where the octets are not UTF-8
 */
export function decodeHeader(value: string): string | undefined {
  if (/^[^%"\u0080-\u{10ffff}]*$/u.test(value)) return value
  const quoted = /^"((?:[^"\\]|\\.)*)"$/su.exec(value)?.[1]
  const text = quoted === undefined ? value : quoted.replace(/\\(.)/gsu, '$1')
  const octets = text.replace(/%([\da-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  if (/[\u0100-\u{10ffff}]/u.test(octets)) return undefined
  return decodeUtf8(Buffer.from(octets, 'latin1'))
}
