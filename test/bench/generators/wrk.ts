/**
 * Load by `wrk`. It knows no rate, but asks a script how long to wait before each request: ours keeps a timetable that
 * all connections share. A request that finds all of them busy leaves late, and its wait does not count.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { HttpRequest } from '../http-request.ts'
import type { Load, LoadResult } from './load.ts'
import type { OfferedLoad } from './offer-load.ts'

/** Prints microseconds. `status` counts answers from 400 on; `requests` counts those as well. */
const DONE = `
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\nDONE {"requests":%d,"microseconds":%d,"errors":%d,"p50":%d,"p95":%d,"p99":%d}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end`

interface Done {
  requests: number
  microseconds: number
  errors: number
  p50: number
  p95: number
  p99: number
}

export function pushWithWrk(port: number, load: Load): Promise<LoadResult> {
  return run(port, load, '')
}

export function offerWithWrk(port: number, load: OfferedLoad): Promise<LoadResult> {
  return run(port, load, timetable(load.rate))
}

async function run(
  port: number,
  { connections, seconds, requests }: Load,
  pace: string,
): Promise<LoadResult> {
  const folder = await mkdtemp(join(tmpdir(), 'kgents-bench-'))
  try {
    const script = join(folder, 'requests.lua')
    await writeFile(script, [inTurn(requests), pace, DONE].join('\n'))
    const { stdout } = await promisify(execFile)('wrk', [
      '--threads=1',
      `--connections=${connections}`,
      `--duration=${seconds}s`,
      '--timeout=10s',
      `--script=${script}`,
      `http://127.0.0.1:${port}`,
    ])
    return read(stdout)
  } finally {
    await rm(folder, { recursive: true })
  }
}

function inTurn(requests: readonly HttpRequest[]): string {
  return `
local requests = {${requests.map((each) => JSON.stringify(toText(each))).join(',\n')}}
local at = 0
request = function()
  at = at % #requests + 1
  return requests[at]
end`
}

/** As it goes over the wire; JSON's way of writing a string is Lua's as well, as long as it is ASCII. */
function toText({ method, path, headers, body = '' }: HttpRequest): string {
  const all = { host: 'localhost', ...headers, 'content-length': String(Buffer.byteLength(body)) }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return [`${method} ${path} HTTP/1.1`, ...lines, '', body].join('\r\n')
}

function timetable(rate: number): string {
  return `
local ffi = require('ffi')
ffi.cdef('typedef struct { long s; long us; } clock; int gettimeofday(clock *, void *);')
local clock = ffi.new('clock')
local due
delay = function()
  ffi.C.gettimeofday(clock, nil)
  local now = tonumber(clock.s) * 1000 + tonumber(clock.us) / 1000
  due = due and due + ${1000 / rate} or now
  return math.max(0, due - now)
end`
}

function read(output: string): LoadResult {
  const [, text] = /^DONE (.*)$/m.exec(output) ?? []
  if (text === undefined) throw new Error(`Cannot read what wrk says:\n${output}`)
  const { requests, microseconds, errors, p50, p95, p99 } = JSON.parse(text) as Done
  const answers = requests - errors
  return {
    requestsPerSecond: (answers / microseconds) * 1e6,
    p50: p50 / 1000,
    p95: p95 / 1000,
    p99: p99 / 1000,
    errors,
    answers,
  }
}
