/** What a `Content-Type` says of the bytes that come with it. */
import { isUtf8 } from 'node:buffer'

const JSON_TYPE = /^[^/;\s]+\/(?:[^/;\s]+\+)?json\s*(?:;|$)/i
/** Types whose bytes are text, whatever they say. */
const TEXT_TYPE =
  /^(?:text\/[^/;\s]+|[^/;\s]+\/(?:[^/;\s]+\+)?(?:xml|yaml)|application\/(?:javascript|x-www-form-urlencoded|x-yaml))\s*(?:;|$)/i
const CHARSET = /;\s*charset\s*=\s*(?:"([^"]*)"|([^\s;]*))/i

/** Whether `type` declares JSON, as CloudEvents define it: a subtype that is `json` or ends in `+json`. */
export function isJsonType(type: string): boolean {
  return JSON_TYPE.test(type)
}

/** Whether `type` declares text in an encoding that is read here. */
export function isTextType(type: string): boolean {
  return TEXT_TYPE.test(type) && charsetOf(type) === 'utf-8'
}

/** The encoding that `type` names, in lower case; `utf-8` where it names none, or ASCII, which is the same in UTF-8. */
export function charsetOf(type: string): string {
  const [, quoted, plain] = CHARSET.exec(type) ?? []
  const charset = (quoted ?? plain ?? 'utf-8').toLowerCase()
  return charset === 'us-ascii' || charset === 'ascii' || charset === 'utf8' ? 'utf-8' : charset
}

/** `bytes` as text, with a byte-order mark where there is one; undefined where they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  if (!isUtf8(bytes)) return undefined
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

/** Without the byte-order mark that some write before JSON, and that parsers may skip (RFC 8259, 8.1). */
export function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text
}
