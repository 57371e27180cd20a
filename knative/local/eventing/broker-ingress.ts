/** Where the Broker takes events by HTTP: `POST /<namespace>/<broker>`, answered 202 and no body. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { Failure } from '../../../shared/failures.ts'
import { answerFailure } from '../answer.ts'
import { readBrokerEvent, type BrokerEvent } from './broker-event.ts'
import type { LocalBroker } from './broker.ts'

const MAX_EVENT_BYTES = 4 * 1024 * 1024

/** What a subscriber gets to see of the request that brought the event; `Authorization` is not among it. */
const PASSED_ON = /^(x-request-id|retry-after|traceparent|tracestate|knative-.+|x-b3-.+)$/

/** Answers what is sent to the ingress of `broker`, whose path is `path`. */
export function createBrokerIngress(broker: LocalBroker, path: string) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      checkTarget(request, path)
      const event = await readEvent(request)
      const acceptance = broker.accept({ event, headers: passedOn(request.headers) })
      if (acceptance === 'accepted') response.writeHead(202, { 'Content-Length': 0 }).end()
      else throw refusals[acceptance]()
    } catch (error) {
      answerFailure(
        request,
        response,
        error instanceof Failure ? error : new Failure('INTERNAL', 'Cannot take the event'),
      )
    }
  }
}

const refusals = {
  'in a loop': () =>
    new Failure('EVENT_SYNTAX', 'Cannot take the event: it has been through the Broker too often'),
  full: () =>
    new Failure('DEPENDENCY_UNAVAILABLE', 'Cannot take the event: too many wait', { retryAfterSeconds: 1 }),
}

function checkTarget({ method, url }: IncomingMessage, path: string): void {
  if (url !== path) throw new Failure('ROUTE_NOT_FOUND', `Cannot find broker "${url}"`, { available: [path] })
  if (method !== 'POST') throw new Failure('METHOD_NOT_ALLOWED', `Cannot ${method} an event: use POST`)
}

async function readEvent(request: IncomingMessage): Promise<BrokerEvent> {
  const body = await readBody(request)
  try {
    return readBrokerEvent({ headers: request.headers, body })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'it is not a CloudEvent'
    throw new Failure('EVENT_SYNTAX', `Cannot take the event: ${why}`, { cause })
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_EVENT_BYTES)
      throw new Failure('BODY_TOO_LARGE', 'Cannot take the event: it is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function passedOn(headers: IncomingHttpHeaders): Record<string, string> {
  const entries = Object.entries(headers).filter(([name]) => PASSED_ON.test(name))
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]))
}
