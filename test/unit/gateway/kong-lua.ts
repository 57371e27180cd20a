/**
 * Runs the Lua of Kong's `pre-function` in a real interpreter, with what the snippets use of Kong's sandbox around them: request
 * headers that can be changed, regular expressions, an early end of the request, and an answer of Kong itself.
 */
import { LuaFactory } from 'wasmoon'

export interface LuaRequest {
  method?: string
  path?: string
  /** By name in lower case; several values where a header came several times. */
  headers?: Record<string, string | string[]>
  /** Tags of the route. */
  tags?: string[]
  client?: string
  samplingRate?: number
}

export interface LuaAnswer {
  status: number
  headers: Record<string, string>
  body: string
  source?: 'service' | 'exit' | 'error'
}

export interface Outcome {
  /** The request's headers as they go on. */
  headers: Record<string, string>
  /** The method that nginx takes it for. */
  method: string
  /** Absent where the request goes on. */
  exit?: { status: number; code: string; challenge?: string }
}

/** What the snippets find around them; `state` is set anew for each run. */
const SANDBOX = `
local function get_header(name) return state.headers[name:lower()] end
local counts = {}
kong = {
  configuration = {},
  client = { get_forwarded_ip = function() return state.client end },
  router = { get_route = function() return { tags = state.tags } end },
  request = {
    get_method = function() return state.method end,
    get_path = function() return state.path end,
    get_header = function(name)
      local value = get_header(name)
      return type(value) == "table" and value[1] or value
    end,
  },
  service = { request = {
    set_header = function(name, value) state.headers[name:lower()] = value end,
    clear_header = function(name) state.headers[name:lower()] = nil end,
  } },
  response = {
    exit = function(status, code, headers)
      state.exit = { status = status, code = code, challenge = (headers or {})["WWW-Authenticate"] }
      error(state)
    end,
    get_status = function() return state.status end,
    set_status = function(status) state.status = status end,
    get_source = function() return state.source end,
    get_header = function(name) return state.answer[name:lower()] end,
    set_header = function(name, value) state.answer[name:lower()] = value end,
    clear_header = function(name) state.answer[name:lower()] = nil end,
    get_raw_body = function() return state.body end,
    set_raw_body = function(body) state.body = body end,
  },
}
ngx = {
  HTTP_LOCK = "LOCK",
  var = setmetatable({
    client_method = "",
    request_id = "0123456789abcdef0123456789abcdef",
    kong_request_id = "fedcba9876543210fedcba9876543210",
  }, { __index = function(_, name)
    local value = get_header(name:gsub("^http_", ""))
    return type(value) == "table" and table.concat(value, ", ") or value
  end }),
  time = function() return 1700000000 end,
  decode_base64 = function(text) return decodeBase64(text) end,
  req = {
    get_headers = function()
      local copy = {}
      for name, value in pairs(state.headers) do copy[name] = value end
      return copy
    end,
    set_method = function(method) state.method = method end,
  },
  re = {
    find = function(text, pattern) return find(text, pattern) end,
    match = function(text, pattern, flags) return match(text, pattern, flags) end,
  },
  shared = { kong_rate_limiting_counters = { incr = function(_, name, by)
    counts[name] = (counts[name] or 0) + by
    return counts[name]
  end } },
}
function run(snippet)
  local ok, reason = pcall(assert(load(snippet)))
  if not ok and reason ~= state then error(reason) end
end
`

export type LuaSandbox = Awaited<ReturnType<typeof openLuaSandbox>>

export async function openLuaSandbox() {
  const lua = await new LuaFactory().createEngine({ enableProxy: false })
  lua.global.set('find', (text: string, pattern: string) => (new RegExp(pattern).test(text) ? 1 : undefined))
  lua.global.set('match', (text: string, pattern: string, flags: string) => {
    const groups = new RegExp(pattern, flags.includes('i') ? 'i' : '').exec(text)?.slice(1)
    return groups
  })
  lua.global.set('decodeBase64', (text: string) =>
    /^[A-Za-z0-9+/]*$/.test(text) && text.length % 4 !== 1
      ? Buffer.from(text, 'base64').toString()
      : undefined,
  )
  lua.doStringSync(SANDBOX)

  function run(state: Record<string, unknown>, snippets: readonly string[]): Record<string, unknown> {
    lua.global.set('state', state)
    for (const snippet of snippets) {
      lua.global.set('snippet', snippet)
      lua.doStringSync('run(snippet)')
      if (lua.doStringSync('return state.exit ~= nil') === true) break
    }
    return lua.doStringSync('return state') as Record<string, unknown>
  }

  return {
    /** Runs snippets of the access phase, until one ends the request. */
    request(request: LuaRequest, snippets: readonly string[]): Outcome {
      const { samplingRate = 1, ...rest } = request
      lua.doStringSync(`kong.configuration.tracing_sampling_rate = ${samplingRate}`)
      const state = { method: 'GET', path: '/', headers: {}, tags: [], client: '10.0.0.1', ...rest }
      return run(state, snippets) as unknown as Outcome
    },
    /** Runs a snippet each for the headers and the body of an answer. */
    answer({ status, headers, body, source = 'error' }: LuaAnswer, snippets: readonly string[], path = '/') {
      const state = { status, body, source, answer: headers, path, headers: {} }
      const { answer, ...after } = run(state, snippets)
      return { status: after['status'], body: after['body'], headers: answer } as LuaAnswer
    },
    close: () => lua.global.close(),
  }
}
