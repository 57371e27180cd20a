/**
 * The Lua that turns every answer of Kong itself, and of the nginx in it, into a problem: one snippet for the headers, one for the
 * body. It uses nothing outside Kong's sandbox. The local gateway knows it by its text and does the same in its own way.
 */
import type { Failure } from '../../shared/failures.ts'
import { problemHeaders, problemMembers } from '../../shared/problem.ts'
import { ANSWER_BY_STATUS, ANSWERS } from '../answers.ts'

/**
 * Kong answers 400 where a header is too large. Only its text differs then from that of other answers with 400, and before the
 * text is sent only its length is known: that of "Request header or cookie too large" in the templates of Kong 3.9.
 */
const TOO_LARGE_LENGTHS = {
  'text/plain': 80,
  'application/json': 103,
  'text/html': 243,
  'application/xml': 170,
}

/** Announces the problem. An unreachable function is 502 to nginx, and 503 to our clients. */
export const PROBLEM_HEADERS_LUA = `local own = {
${Object.entries(ANSWER_BY_STATUS)
  .map(([status, failure]) => `  [${status}] = ${quoteTable(extraHeaders(failure))},`)
  .join('\n')}
}
local too_large = ${quoteTable(TOO_LARGE_LENGTHS)}
local status = kong.response.get_status()
if kong.response.get_source() == "service" or not own[status] then return end
local get_header, set_header = kong.response.get_header, kong.response.set_header
if status == 400 then
  local length = too_large[(get_header("Content-Type") or ""):match("^[^;]*")]
  if length and length == get_header("Content-Length") then status = 431 end
elseif status == 502 then
  status = 503
end
kong.response.set_status(status)
kong.response.clear_header("Content-Length")
set_header("Content-Type", "application/problem+json")
for name, value in pairs(own[status]) do
  if not get_header(name) then set_header(name, value) end
end
`

/**
 * Writes the problem, with the members that only the request knows at its end. A snippet of ours ends a request with the code of
 * a failure; that a token expired is in the text of Kong's plugin alone. The path keeps what needs no escaping.
 */
export const PROBLEM_BODY_LUA = `local problems = {
${Object.values(ANSWERS)
  .map((failure) => `  ${failure.code} = ${quote(JSON.stringify(problemMembers(failure)).slice(0, -1))},`)
  .join('\n')}
}
local codes = { ${Object.entries(ANSWER_BY_STATUS)
  .map(([status, { code }]) => `[${status}] = "${code}"`)
  .join(', ')} }
local status = kong.response.get_status()
if kong.response.get_source() == "service" or not codes[status] then return end
local body = kong.response.get_raw_body()
if not body then return end
local code = problems[body] and body or codes[status]
if status == 401 and body:find("token expired", 1, true) then code = "${ANSWERS.tokenExpired.code}" end
local path = kong.request.get_path():gsub("[^%w%-%._~/%%]", "")
local trace = (kong.request.get_header("traceparent") or ""):match("^00%-(%x+)%-%x+%-%x%x$") or ngx.var.request_id
kong.response.set_raw_body(problems[code] .. ',"path":"' .. path .. '","trace_id":"' .. trace .. '"}')
`

function extraHeaders(failure: Failure): Record<string, string> {
  const { 'content-type': _, ...extra } = problemHeaders(failure)
  return extra
}

function quoteTable(entries: Record<string, string | number>): string {
  const members = Object.entries(entries).map(([name, value]) => `["${name}"] = ${quote(String(value))}`)
  return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
