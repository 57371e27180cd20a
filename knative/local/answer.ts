/** What the stand-in itself answers: JSON, and failures as every part of the platform words them. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Failure } from '../../shared/failures.ts'
import { problemOf } from '../../shared/http/problem.ts'
import { readTraceparent } from '../../shared/telemetry/trace.ts'

/** Answers `failure` as problem details. */
export function answerFailure(request: IncomingMessage, response: ServerResponse, failure: Failure): void {
  const { traceparent } = request.headers
  const trace = readTraceparent(typeof traceparent === 'string' ? traceparent : undefined)
  const { status, headers, body } = problemOf(failure, request.url ?? '/', trace.traceId)
  send(response, status, headers, JSON.stringify(body))
}

/** Answers `body` as JSON. */
export function answerJson(response: ServerResponse, body: unknown): void {
  send(response, 200, { 'Content-Type': 'application/json' }, JSON.stringify(body))
}

function send(response: ServerResponse, status: number, headers: Record<string, string>, text: string): void {
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(text) }).end(text)
}
