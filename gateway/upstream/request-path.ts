/** The path that a request is routed by, in the one form that the gateway and functions both understand. */

/** Anything that can make two spellings of one path. */
const SPELLED_ODDLY = /%|\/\/|\/\./
const UNRESERVED = /[A-Za-z0-9\-._~]/

export interface Target {
  path: string
  /** With its `?`, or empty. */
  query: string
}

/**
 * Reads a request target. Dot segments are resolved, repeated slashes merged and needless escapes undone before
 * routing, so that `/v1/x/..%2Fy` cannot pass as one path here and as another one behind.
 */
export function readTarget(url: string): Target {
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  return { path: SPELLED_ODDLY.test(path) ? normalize(path) : path, query: mark < 0 ? '' : url.slice(mark) }
}

function normalize(path: string): string {
  const decoded = path.replace(/%([0-9A-Fa-f]{2})?/g, (escaped, code: string | undefined) => {
    if (code === undefined) return '%25' // a stray one could make up an escape with what is decoded after it
    const character = String.fromCharCode(Number.parseInt(code, 16))
    return UNRESERVED.test(character) ? character : escaped.toUpperCase()
  })
  const kept: string[] = []
  for (const segment of decoded.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '.' && segment !== '') kept.push(segment)
  }
  const directory = /\/\.{0,2}$/.test(decoded) && kept.length > 0
  return `/${kept.join('/')}${directory ? '/' : ''}`
}
