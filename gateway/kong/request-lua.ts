/**
 * The Lua that Kong runs for each request before anything else, in the `pre-function` plugin. The snippets use nothing outside
 * Kong's sandbox, and end a request with the code of a failure, which `problem-lua.ts` turns into the problem. The local gateway
 * knows them by their text and does the same in its own way.
 */
import type { Failure } from '../../shared/failures.ts'
import { problemHeaders } from '../../shared/problem.ts'
import { ANSWERS } from '../answers.ts'
import { BEARER, KID_CLAIM, TOKEN, TOKEN_HEADER, TOKEN_PAYLOAD } from '../token-form.ts'

/** What one address may send in a second, to one node of the gateway. */
export const REQUESTS_PER_SECOND = 10_000

/** The tag of routes that only a token opens. */
export const TOKEN_TAG = 'token'

/** A `traceparent` that the rest of the platform follows (W3C Trace Context, version 00). */
export const TRACEPARENT = '^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$'

/**
 * Gives every request a trace; what is malformed, or came twice, is replaced, with the state that belonged to it. Whether a new trace is
 * sampled depends on its id as in Kong's own sampler, so that both decide alike.
 */
export const TRACE_LUA = `local given = ngx.var.http_traceparent
if not given or not ngx.re.find(given, ${quoteRegex(TRACEPARENT)}, "jo") then
  local trace = ngx.var.request_id
  local weight = tonumber(trace:sub(15, 16) .. trace:sub(13, 14) .. trace:sub(11, 12) .. trace:sub(9, 10), 16)
  local sampled = weight < kong.configuration.tracing_sampling_rate * 2 ^ 32
  local span = ngx.var.kong_request_id:sub(1, 16)
  kong.service.request.set_header("traceparent", "00-" .. trace .. "-" .. span .. (sampled and "-01" or "-00"))
  kong.service.request.clear_header("tracestate")
end
`

/**
 * A dam against one address, before anything is checked: the plugin `rate-limiting` runs after `jwt`, so it would not count
 * refused tokens. The limits that a tenant pays for live in the functions.
 */
export function countRequestsLua(perSecond: number): string {
  return `local name = "requests:" .. kong.client.get_forwarded_ip() .. ":" .. ngx.time()
local count = ngx.shared.kong_rate_limiting_counters:incr(name, 1, 0, 2)
if count and count > ${perSecond} then ${exit(ANSWERS.tooMany)} end
`
}

/** Removes headers by prefix. `get_headers(0)` lists all: with its default limit, the 101st would slip through. */
function stripByPrefixLua(prefixes: readonly string[]): string {
  return `local prefixes = { ${prefixes.map((prefix) => `"${prefix}"`).join(', ')} }
for name in pairs(ngx.req.get_headers(0)) do
  for _, prefix in ipairs(prefixes) do
    if name:sub(1, #prefix) == prefix then kong.service.request.clear_header(name) end
  end
end
`
}

/** Refuses two credentials, writes `Bearer` as Kong's plugin knows it, and keeps from it what it cannot read. */
export const CREDENTIALS_LUA = `local headers = ngx.req.get_headers(0)
local authorization, key = headers["authorization"], headers["x-api-key"]
if (authorization and key) or type(authorization) == "table" or type(key) == "table" then
  ${exit(ANSWERS.twoCredentials)}
end
local bearer = authorization and ngx.re.match(authorization, ${quoteRegex(BEARER)}, "ijo")
if bearer and authorization ~= "Bearer " .. bearer[1] then
  kong.service.request.set_header("Authorization", "Bearer " .. bearer[1])
end

local route, needed = kong.router.get_route(), false
if route and type(route.tags) == "table" then
  for _, tag in ipairs(route.tags) do needed = needed or tag == "${TOKEN_TAG}" end
end
if not needed or kong.request.get_method() == "OPTIONS" then return end

if not bearer then
  ${exit(ANSWERS.tokenMissing)}
end
local function decode(part)
  return ngx.decode_base64((part:gsub("-", "+"):gsub("_", "/"))) or ""
end
local parts = ngx.re.match(bearer[1], ${quoteRegex(TOKEN)}, "jo")
local header = parts and decode(parts[1])
local payload = parts and decode(parts[2])
if not parts
  or not ngx.re.find(header, ${quoteRegex(TOKEN_HEADER)}, "jo")
  or not ngx.re.find(payload, ${quoteRegex(TOKEN_PAYLOAD)}, "jo")
  or ngx.re.find(payload, ${quoteRegex(KID_CLAIM)}, "jo")
then
  ${exit(ANSWERS.tokenInvalid)}
end
`

/**
 * Lets nginx repeat a request only where it was never sent. With `proxy_next_upstream error` it would also repeat one that a
 * function has begun, unless the method is POST, PATCH or LOCK; so nginx takes these for LOCK, and `proxy_method` in kong.conf
 * writes the method as the client did. HEAD stays: nginx has to know that its answer has no body.
 */
export const SEND_ONCE_LUA = `local method = kong.request.get_method()
if ngx.var.client_method and (method == "GET" or method == "DELETE" or method == "PUT") then
  ngx.req.set_method(ngx.HTTP_LOCK)
end
`

/** All of them, in their order. */
export function requestLua(strippedPrefixes: readonly string[]): string[] {
  return [
    TRACE_LUA,
    countRequestsLua(REQUESTS_PER_SECOND),
    stripByPrefixLua(strippedPrefixes),
    CREDENTIALS_LUA,
    SEND_ONCE_LUA,
  ]
}

/** Ends the request with the code of a failure, and with its challenge. */
function exit(failure: Failure): string {
  const challenge = problemHeaders(failure)['www-authenticate']
  const headers = challenge === undefined ? '' : `, { ["WWW-Authenticate"] = '${challenge}' }`
  return `return kong.response.exit(${failure.status}, "${failure.code}"${headers})`
}

function quoteRegex(pattern: string): string {
  return `[=[${pattern}]=]`
}
