/** One request to the hub, and the ways to answer it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { Failure } from '../../shared/failures.ts'
import { readTraceparent } from '../../shared/telemetry/trace.ts'
import { problemHeaders, problemMembers } from '../../shared/problem.ts'
import type { Target } from '../upstream/request-path.ts'
import type { FunctionAnswer } from './functions.ts'

export interface Client {
  request: IncomingMessage
  response: ServerResponse
  target: Target
  /** Aborted when the client leaves. */
  left: AbortSignal
}

export type AnswerHeaders = FunctionAnswer['headers']

/** Passes on what a function answered. */
export async function passOn({ response }: Client, { status, headers, body }: FunctionAnswer): Promise<void> {
  response.writeHead(status, headers)
  await pipeline(body, response)
}

export function answerBody({ response }: Client, status: number, headers: AnswerHeaders, body: string): void {
  if (response.destroyed) return
  response.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) }).end(body)
}

export function answerJson(client: Client, status: number, body: unknown, headers: AnswerHeaders = {}): void {
  answerBody(client, status, { 'content-type': 'application/json', ...headers }, JSON.stringify(body))
}

/** @param more members of the problem besides those of the failure */
export function answerFailure(
  client: Client,
  failure: Failure,
  headers: AnswerHeaders = {},
  more: Record<string, unknown> = {},
): void {
  const { traceId } = readTraceparent(String(client.request.headers['traceparent'] ?? ''))
  const problem = { ...problemMembers(failure), path: client.target.path, trace_id: traceId, ...more }
  answerJson(client, failure.status, problem, { ...headers, ...problemHeaders(failure) })
}
