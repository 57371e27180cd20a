/** Reads the query of a URL, as strictly as a body: nothing in it is ignored, guessed or taken twice. */
import { z } from 'zod'
import { Flag } from '../contract/query-values.ts'
import { whatIsWrong } from '../contract/what-is-wrong.ts'
import { Failure } from '../failures.ts'
import { isText } from './read-body.ts'

/** All that the query of a POST may hold; the input is in the body. */
const PostQuery = z.strictObject({ dry_run: Flag.default(false) })
type PostQuery = z.infer<typeof PostQuery>
const NO_QUERY: PostQuery = { dry_run: false }

/**
 * The parameters of a query, decoded.
 *
 * @throws Failure TYPE_MISMATCH for one that stands there twice, and for NUL
 */
export function readQuery(url: string): Record<string, string> {
  if (!url.includes('?')) return {}
  const parameters = [...new URL(url).searchParams]
  const names = parameters.map(([name]) => name)
  const twice = names.find((name, at) => names.indexOf(name) < at)
  if (twice !== undefined) throw unreadable(`"${twice}" stands there more than once`)
  const query = Object.fromEntries(parameters)
  checkUrlText(query)
  return query
}

/**
 * The query of a POST. Whoever requests a dry run must never get a real one, so what is meant has to be clear.
 *
 * @throws Failure TYPE_MISMATCH for anything but one `dry_run` that is yes or no, in a word that `Flag` takes
 */
export function readPostQuery(url: string): PostQuery {
  if (!url.includes('?')) return NO_QUERY
  const parsed = PostQuery.safeParse(readQuery(url))
  if (parsed.success) return parsed.data
  throw unreadable(whatIsWrong(parsed.error), 'Send dry_run=true or dry_run=false, and all else in the body')
}

/** Whether a POST requests a dry run; not where its query cannot be read, since the input then cannot be either. */
export function asksForDryRun(url: string): boolean {
  try {
    return readPostQuery(url).dry_run
  } catch {
    return false
  }
}

/** @throws Failure TYPE_MISMATCH where a decoded part of a URL is no text that can be stored or looked for */
export function checkUrlText(parts: Record<string, string>): void {
  if (!isText(JSON.stringify(parts))) throw unreadable('it contains NUL')
}

function unreadable(why: string, suggestion = 'Name each parameter once, with plain text'): Failure {
  return new Failure('TYPE_MISMATCH', `Cannot read the URL: ${why}`, { suggestion })
}
