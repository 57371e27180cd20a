/** The server of the gateway: it leaves to the handler what nginx would refuse, and answers what Node cannot read at all. */
import { createServer, STATUS_CODES, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Failure } from '../../shared/failures.ts'
import { problemHeaders, problemMembers } from '../../shared/problem.ts'
import { startTrace } from '../../shared/telemetry/trace.ts'
import { ANSWERS } from '../answers.ts'
import { faultOf, findFault, MAX_READ_BYTES } from './protocol.ts'

const LINGER_MS = 5_000

/** Every request that can be read is handed to `handle`, whatever it expects. */
export function createLenientServer(handle: RequestListener): Server {
  const options = { keepAliveTimeout: 65_000, maxHeaderSize: MAX_READ_BYTES, requireHostHeader: false }
  const answers = new WeakMap<Duplex, ServerResponse>()
  const take: RequestListener = (request, response) => {
    answers.set(request.socket, response)
    handle(request, response)
  }
  const server = createServer(options, take)
  server.on('checkContinue', take)
  server.on('checkExpectation', take)
  server.on('connect', (request, socket) => endWith(socket, findFault(request) ?? ANSWERS.malformed))
  server.on('clientError', (error, socket) => {
    const answer = answers.get(socket)
    const end = () => endWith(socket, faultOf(error))
    if (answer !== undefined && mustComeFirst(answer)) answer.once('close', end)
    else end()
  })
  return server
}

/** Whether an answer is on its way that what cannot be read comes behind; where it is the last one, nothing is said to the rest. */
function mustComeFirst(answer: ServerResponse): boolean {
  return !answer.closed && (answer.req.complete || answer.headersSent)
}

/**
 * Answers on a connection that no request was read from, and closes it. What still comes is read and thrown away for a while, as
 * nginx does: a client that is cut off while it sends never receives the answer.
 */
function endWith(socket: Duplex, failure: Failure): void {
  if (socket.writableEnded) return
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const linger = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(linger))
  const body = JSON.stringify({ ...problemMembers(failure), path: '', trace_id: startTrace().traceId })
  const headers = {
    ...problemHeaders(failure),
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const status = `HTTP/1.1 ${failure.status} ${STATUS_CODES[failure.status] ?? ''}\r\n`
  socket.end(`${status}${lines.join('')}\r\n${body}`)
}
