/** Where a browser goes when it has signed in: a path of this platform, and no other site. */
import { Failure } from '../../../shared/failures.ts'

const MAX_LENGTH = 1000

/**
 * `text` as a path of `origin`, with its query and fragment.
 *
 * @throws Failure TYPE_MISMATCH where it leads anywhere else
 */
export function readReturnTo(text: string, origin: string): string {
  // What a browser makes of a URL differs from what one reads: backslashes are slashes, tabs and line ends are skipped.
  const isPlain = /^\/(?![/\\])[!-~]*$/.test(text) && !text.includes('\\') && text.length <= MAX_LENGTH
  const url = isPlain ? URL.parse(text, origin) : null
  if (url === null || url.origin !== new URL(origin).origin || url.pathname.startsWith('//')) {
    throw new Failure('TYPE_MISMATCH', 'Cannot sign in: return_to is no path of this platform', {
      suggestion: 'Send a path such as "/console"',
    })
  }
  return `${url.pathname}${url.search}${url.hash}`
}
