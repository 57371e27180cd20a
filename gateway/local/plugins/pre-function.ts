/**
 * Knows the snippets of Lua that kgents gives to Kong, and does what they do: leave headers behind by prefix, and
 * answer with problem details (as every answer of this gateway does anyway). Other Lua stops the start.
 */
import { z } from 'zod'
import {
  EVENT_STRIP_HEADERS_LUA,
  EVENT_STRIPPED_PREFIXES,
  PROBLEM_BODY_LUA,
  PROBLEM_HEADERS_LUA,
  STRIP_HEADERS_LUA,
  STRIPPED_PREFIXES,
} from '../../kong/lua.ts'
import type { CreatePlugin } from '../plugin.ts'

const Config = z.strictObject({
  access: z.tuple([z.literal([STRIP_HEADERS_LUA, EVENT_STRIP_HEADERS_LUA])]),
  header_filter: z.tuple([z.literal(PROBLEM_HEADERS_LUA)]),
  body_filter: z.tuple([z.literal(PROBLEM_BODY_LUA)]),
})

export const createPreFunction: CreatePlugin = (config) => {
  const [lua] = Config.parse(config).access
  const prefixes = lua === STRIP_HEADERS_LUA ? STRIPPED_PREFIXES : EVENT_STRIPPED_PREFIXES
  return { strips: (name) => prefixes.some((prefix) => name.startsWith(prefix)) }
}
