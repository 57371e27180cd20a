/**
 * Requests to the API, with the credential of the session. Nothing of it is kept in the browser: the session is a cookie that
 * no script can read, and what stands in for it lives in the memory of this page alone.
 */
import { createStore } from './store.ts'

export type Json = Record<string, unknown>

export interface ApiRequest {
  method: string
  path: string
  query?: Json
  body?: Json
  headers?: Record<string, string>
}

/** The body of an answer that is a failure (RFC 9457). */
export interface Problem {
  title: string
  status: number
  code: string
  message: string
  suggestion?: string
  available?: string[]
  details?: Json
  trace_id?: string
}

export class ApiError extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.message)
    this.problem = problem
  }
}

export type Credential =
  /** `csrf` proves that a request comes from this page: another site can send the cookie, but not read this. */
  | { kind: 'cookie'; csrf: string }
  | { kind: 'key'; key: string }
  | { kind: 'token'; token: string }
  | { kind: 'none' }

export const credential = createStore<Credential>({ kind: 'none' })

/** Counts the answers that refused the credential: whoever shows the session looks whether it still exists. */
export const refusals = createStore(0)

/**
 * Sends a request.
 *
 * @throws ApiError where the answer is a failure, or none came
 */
export async function send(request: ApiRequest, signal?: AbortSignal): Promise<Response> {
  const response = await reach(request, signal)
  if (response.ok) return response
  const problem = await readProblem(response)
  if (response.status === 401 && credential.get().kind !== 'none') refusals.set(refusals.get() + 1)
  throw new ApiError(problem)
}

/** Sends a request and reads the JSON of its answer. */
export async function call<T = Json>(request: ApiRequest, signal?: AbortSignal): Promise<T> {
  const response = await send(request, signal)
  const text = await response.text()
  return (text === '' ? {} : JSON.parse(text)) as T // reason: the contract of the operation says what it is
}

export function urlOf({ path, query = {} }: ApiRequest): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const search = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]))
  return search.size === 0 ? path : `${path}?${search.toString()}`
}

async function reach(request: ApiRequest, signal?: AbortSignal): Promise<Response> {
  const { method, body, headers } = request
  try {
    return await fetch(urlOf(request), {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...proof(credential.get(), method),
        ...headers,
      },
      credentials: 'same-origin',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    })
  } catch (cause) {
    if (signal?.aborted === true) throw cause
    throw new ApiError({
      title: 'The platform did not answer',
      status: 0,
      code: 'NO_ANSWER',
      message: `Cannot send ${method} ${request.path}: there is no connection`,
      suggestion: 'Check the network, then try again',
    })
  }
}

function proof(held: Credential, method: string): Record<string, string> {
  if (held.kind === 'key') return { 'x-api-key': held.key }
  if (held.kind === 'token') return { authorization: `Bearer ${held.token}` }
  return held.kind === 'cookie' && method !== 'GET' ? { 'x-csrf-token': held.csrf } : {}
}

async function readProblem(response: Response): Promise<Problem> {
  const text = await response.text()
  const { status } = response
  try {
    return { status, title: 'It failed', code: 'UNKNOWN', message: text, ...(JSON.parse(text) as Json) }
  } catch {
    const message = `The answer is ${status} and no problem document`
    return { status, title: 'It failed', code: 'UNKNOWN', message }
  }
}
