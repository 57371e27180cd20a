/**
 * URL templates of tools: `https://api.example.com/users/{id}?lang={lang}`. What is filled in stays where it is put: one
 * segment of the path, or one value of the query. It cannot become a host, another segment, or another parameter.
 */
import { isExactNumber } from '../../../../shared/exact-json.ts'
import { Failure } from '../../../../shared/failures.ts'

export interface Template {
  origin: string
  /** Between slashes, as written. */
  segments: readonly string[]
  query: readonly { name: string; value: string }[]
  /** Names of the arguments that it takes. */
  inPath: readonly string[]
  inQuery: readonly string[]
}

type Arguments = Readonly<Record<string, unknown>>

const SHAPE = /^(https?:\/\/[^/?#\\{}@\s]+)(\/[^?#\\\s]*)?(?:\?([^#\\\s]*))?$/i
const PLACEHOLDER = /\{([a-zA-Z_]\w{0,63})\}/g
/** What a URL parser takes for "here" or "one up", however it is written. */
const DOTS = /^(\.|%2e){1,2}$/i

/**
 * Reads a template.
 *
 * @throws Failure TYPE_MISMATCH where it is none
 */
export function readTemplate(text: string): Template {
  const [, origin = '', path = '/', query = ''] = SHAPE.exec(text) ?? []
  const url = URL.parse(origin)
  if (url === null) {
    throw bad('it is not a URL with a host of its own', 'Write https://host/path/{argument}?name={argument}')
  }
  const segments = path.slice(1).split('/')
  const pairs = query === '' ? [] : query.split('&').map(readPair)
  if (segments.some((segment) => DOTS.test(segment)))
    throw bad('its path climbs', 'Write the path that you mean')
  const names = pairs.map(({ name }) => name)
  if (names.some((name) => /[{}]/.test(name)))
    throw bad('the name of a query parameter is filled in', 'Fill in values only')
  for (const part of [...segments, ...pairs.map(({ value }) => value)]) {
    if (/[{}]/.test(part.replace(PLACEHOLDER, '')))
      throw bad('it has a brace that opens no argument', 'Write {argument}')
  }
  return {
    origin: url.origin,
    segments,
    query: pairs,
    inPath: segments.flatMap(namesIn),
    inQuery: pairs.flatMap(({ value }) => namesIn(value)),
  }
}

function readPair(text: string): { name: string; value: string } {
  const at = text.indexOf('=')
  return at < 0 ? { name: text, value: '' } : { name: text.slice(0, at), value: text.slice(at + 1) }
}

/**
 * Fills `given` in. A query parameter whose argument is absent is omitted.
 *
 * @throws Failure TYPE_MISMATCH for an argument that does not fit where it goes
 */
export function expandTemplate({ origin, segments, query }: Template, given: Arguments): string {
  const path = segments.map((segment) => {
    const filled = fill(segment, given)
    if (DOTS.test(filled) || (filled === '' && segment !== '')) {
      throw bad(`"${namesIn(segment).join(', ')}" does not make a segment of a path`, 'Give it other text')
    }
    return filled
  })
  const pairs = query
    .filter(({ value }) => namesIn(value).every((name) => given[name] !== undefined && given[name] !== null))
    .map(({ name, value }) => `${name}=${fill(value, given)}`)
  return `${origin}/${path.join('/')}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`
}

function fill(text: string, given: Arguments): string {
  return text.replace(PLACEHOLDER, (_, name: string) => encode(name, given[name]))
}

function encode(name: string, value: unknown): string {
  if (typeof value === 'string') return encodeURIComponent(value.toWellFormed())
  if (isExactNumber(value)) return encodeURIComponent(value.rawJSON)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw bad(`"${name}" is neither text nor a number`, 'Such arguments can only go into a body')
}

function namesIn(text: string): string[] {
  return [...text.matchAll(PLACEHOLDER)].map(([, name = '']) => name)
}

function bad(why: string, suggestion: string): Failure {
  return new Failure('TYPE_MISMATCH', `Cannot make a URL: ${why}`, { suggestion })
}
