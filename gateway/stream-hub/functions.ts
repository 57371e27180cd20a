/** Calls functions for a client, with the credentials that it sent. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { Agent } from 'undici'
import { parseKept } from '../../shared/exact-json.ts'
import { Failure } from '../../shared/failures.ts'
import { ANSWERS } from '../answers.ts'
import type { Resolve } from '../upstream/addresses.ts'
import { isHopByHop } from '../../shared/hop-by-hop.ts'
import { hostOf } from '../../shared/http/host-of.ts'

export interface FunctionCall {
  method: string
  /** With its query. */
  path: string
  headers: Record<string, string>
  body?: Buffer | null
  signal?: AbortSignal
}

export interface FunctionAnswer {
  status: number
  headers: Record<string, string | string[]>
  body: Readable & { text(): Promise<string> }
}

export interface Functions {
  /** @throws Failure DEPENDENCY_UNAVAILABLE */
  call(name: string, call: FunctionCall): Promise<FunctionAnswer>
  /** The same with the body read and parsed; undefined where it is not JSON. */
  callJson(name: string, call: FunctionCall): Promise<{ status: number; body: unknown }>
  close(): Promise<void>
}

/** A cold start and the work behind it may take this long; functions have their own, shorter deadlines. */
const TIMEOUT_MS = 120_000

export function createFunctions(resolve: Resolve): Functions {
  const agent = new Agent({ connections: 1024, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS })

  async function call(
    name: string,
    { method, path, headers, body, signal }: FunctionCall,
  ): Promise<FunctionAnswer> {
    const host = hostOf(name)
    try {
      const answer = await agent.request({
        origin: resolve(host, 80),
        path,
        method,
        headers: { ...headers, host },
        body: body ?? null,
        ...(signal === undefined ? {} : { signal }),
      })
      return { status: answer.statusCode, headers: withoutHopByHop(answer.headers), body: answer.body }
    } catch (cause) {
      signal?.throwIfAborted()
      const { code, message } = ANSWERS.functionUnavailable
      throw new Failure(code, message, { retryAfterSeconds: 1, cause })
    }
  }

  return {
    call,
    async callJson(name, request) {
      const { status, body } = await call(name, request)
      return { status, body: parse(await body.text()) }
    },
    close: () => agent.destroy(),
  }
}

/**
 * What a function gets to see of the client's headers: all but those about waiting, which is done here.
 *
 * @param accept how the function is to write its answer
 */
export function passedHeaders(
  headers: IncomingHttpHeaders,
  accept = 'application/json',
): Record<string, string> {
  const passed: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || isHopByHop(name) || WAITING.has(name)) continue
    passed[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return { ...passed, accept }
}

const WAITING = new Set(['host', 'accept', 'prefer', 'content-length', 'expect'])

function withoutHopByHop(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || isHopByHop(name) ? [] : [[name, value] as const],
    ),
  )
}

function parse(text: string): unknown {
  try {
    return parseKept(text)
  } catch {
    return undefined
  }
}
