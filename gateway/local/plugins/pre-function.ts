/**
 * Knows the snippets of Lua that kgents gives to Kong, and does what they do: count requests by address, refuse two credentials,
 * leave headers behind by prefix, and answer with problem details (as every answer of this gateway does anyway). Traces begin and
 * requests are sent once for all routes alike (`gateway.ts`, `forward.ts`), and tokens are read by `jwt.ts`. Other Lua stops the
 * start.
 */
import { z } from 'zod'
import { ANSWERS } from '../../answers.ts'
import { PROBLEM_BODY_LUA, PROBLEM_HEADERS_LUA } from '../../kong/problem-lua.ts'
import { REQUESTS_PER_SECOND, requestLua } from '../../kong/request-lua.ts'
import { EVENT_STRIPPED_PREFIXES, STRIPPED_PREFIXES } from '../../kong/stripped-headers.ts'
import type { Answer, CreatePlugin } from '../plugin.ts'

const Config = z.strictObject({
  access: z.array(z.string()),
  header_filter: z.tuple([z.literal(PROBLEM_HEADERS_LUA)]),
  body_filter: z.tuple([z.literal(PROBLEM_BODY_LUA)]),
})

const TOO_MANY: Answer = { failure: ANSWERS.tooMany }
const TWO_CREDENTIALS: Answer = { failure: ANSWERS.twoCredentials }

export const createPreFunction: CreatePlugin = (config, { countRequest }) => {
  const lua = Config.parse(config).access.join('')
  const prefixes = [STRIPPED_PREFIXES, EVENT_STRIPPED_PREFIXES].find(
    (each) => requestLua(each).join('') === lua,
  )
  if (prefixes === undefined) throw new TypeError('This Lua is not known here')
  return {
    access({ request, client }) {
      if (countRequest(client) > REQUESTS_PER_SECOND) return TOO_MANY
      const { authorization, 'x-api-key': key } = request.headers
      if (key === undefined) return undefined
      const isOne = authorization === undefined && request.headersDistinct['x-api-key']?.length === 1
      return isOne ? undefined : TWO_CREDENTIALS
    },
    strips: (name) => prefixes.some((prefix) => name.startsWith(prefix)),
  }
}

/** Creates the counter of requests by address, in windows of a second; it returns how many there were in this one. */
export function createRequestCounter(): (client: string) => number {
  const counts = new Map<string, number>()
  let window = 0
  return (client) => {
    const now = Math.floor(Date.now() / 1000)
    if (now !== window) {
      window = now
      counts.clear()
    }
    const count = (counts.get(client) ?? 0) + 1
    counts.set(client, count)
    return count
  }
}
