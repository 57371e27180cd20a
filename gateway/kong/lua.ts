/**
 * The Lua that Kong runs for kgents: two short snippets, in the `pre-function` plugin. They use nothing outside
 * Kong's sandbox. The local gateway knows them by their text and does the same in its own way.
 */
import type { Failure } from '../../shared/failures.ts'
import { ANSWER_BY_STATUS, ANSWERS } from '../answers.ts'
import { problemMembers } from '../../shared/problem.ts'

/**
 * Headers that only the platform may set, by prefix: event attributes, Kong's consumer, and the headers with which
 * Knative steers requests (a client could reach a tagged revision, or be taken for a probe).
 */
export const STRIPPED_PREFIXES = [
  'ce-',
  'x-consumer-',
  'x-credential-',
  'x-tenant-',
  'knative-',
  'k-',
] as const

/** The same, by full name. `request-transformer` cannot remove by prefix, and runs even where Lua is switched off. */
export const STRIPPED_HEADERS = [
  'X-Tenant-ID',
  'X-Anonymous-Consumer',
  'X-Consumer-ID',
  'X-Consumer-Custom-ID',
  'X-Consumer-Username',
  'X-Credential-Identifier',
  'ce-specversion',
  'ce-id',
  'ce-source',
  'ce-type',
  'ce-time',
  'ce-subject',
  'ce-datacontenttype',
  'ce-dataschema',
  'ce-tenantid',
  'ce-function',
  'ce-signature',
  'ce-traceparent',
  'ce-tracestate',
] as const

/** The prefix of event attributes, which come in headers where events are taken. */
const EVENT_PREFIX = 'ce-'

/** What stays behind of a request that may be an event. */
export const EVENT_STRIPPED_PREFIXES = STRIPPED_PREFIXES.filter((prefix) => prefix !== EVENT_PREFIX)
export const EVENT_STRIPPED_HEADERS = STRIPPED_HEADERS.filter((name) => !name.startsWith(EVENT_PREFIX))

export const STRIP_HEADERS_LUA = stripByPrefix(STRIPPED_PREFIXES)
export const EVENT_STRIP_HEADERS_LUA = stripByPrefix(EVENT_STRIPPED_PREFIXES)

/** Removes headers by prefix. `get_headers(0)` lists all: with its default limit, the 101st would slip through. */
function stripByPrefix(prefixes: readonly string[]): string {
  return `local prefixes = { ${prefixes.map(quote).join(', ')} }
for name in pairs(ngx.req.get_headers(0)) do
  for _, prefix in ipairs(prefixes) do
    if name:sub(1, #prefix) == prefix then kong.service.request.clear_header(name) end
  end
end
`
}

/** Announces a problem where Kong answers itself. An unreachable function is 502 to nginx, and 503 to our clients. */
export const PROBLEM_HEADERS_LUA = `local own = { ${Object.keys(ANSWER_BY_STATUS)
  .map((status) => `[${status}] = true`)
  .join(', ')} }
local status = kong.response.get_status()
if kong.response.get_source() ~= "service" and own[status] then
  kong.response.set_header("Content-Type", "application/problem+json")
  kong.response.clear_header("Content-Length")
  if status == 502 then kong.response.set_status(503) end
  if status == 429 or status == 502 or status == 503 then kong.response.set_header("Retry-After", "1") end
end
`

/**
 * Writes that problem, with the members that only the request knows at its end. Only Kong's own text distinguishes the three
 * reasons of a 401 apart. The path keeps what needs no escaping.
 */
export const PROBLEM_BODY_LUA = `local problems = {
${Object.entries(ANSWER_BY_STATUS)
  .map(([status, failure]) => `  [${status}] = ${quoteProblem(failure)},`)
  .join('\n')}
}
local problem = problems[kong.response.get_status()]
if kong.response.get_source() ~= "service" and problem then
  local body = kong.response.get_raw_body()
  if body then
    if kong.response.get_status() == 401 then
      if body:find("token expired", 1, true) then
        problem = ${quoteProblem(ANSWERS.tokenExpired)}
      elseif body:find('"Unauthorized"', 1, true) then
        problem = ${quoteProblem(ANSWERS.tokenMissing)}
      end
    end
    local path = kong.request.get_path():gsub("[^%w%-%._~/%%]", "")
    problem = problem .. ',"path":"' .. path .. '"'
    local trace = (kong.request.get_header("traceparent") or ""):match("^00%-(%x+)%-") or ngx.var.request_id
    problem = problem .. ',"trace_id":"' .. trace .. '"'
    kong.response.set_raw_body(problem .. "}")
  end
end
`

/** The problem without its closing brace, as a Lua string. */
function quoteProblem(failure: Failure): string {
  return quote(JSON.stringify(problemMembers(failure)).slice(0, -1))
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
