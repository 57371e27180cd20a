/**
 * One request on its way through the activator: held until a pod takes it, passed on, and its answer passed back as
 * it comes.
 *
 * It ends exactly once: answered, timed out, given up by the client, or failed with the pod. A failed request is
 * never sent again, because the pod may have acted on it. This is the hot path: the exchange is its own undici
 * handler, and makes no promise and no stream of its own for a small request.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import type { Dispatcher } from 'undici'
import { Failure } from '../../../shared/failures.ts'
import { answerFailure } from '../answer.ts'
import type { Backend, Traveller } from './backend.ts'
import { keepEndToEnd } from './hop-by-hop.ts'

/** What an exchange needs of the function it goes to. */
export interface Passage {
  readonly name: string
  readonly timeoutSeconds: number
  /** Hands it to a pod, now or later. */
  submit(traveller: Traveller): void
  /** Forgets one that waits for a pod. */
  withdraw(traveller: Traveller): void
  /** Called once, when neither the client nor a pod has anything to do with it any more. */
  onOver(): void
}

type Controller = Dispatcher.DispatchController

/** Bodies up to this size are read before a pod is requested, so that a slow sender does not hold a slot. */
const SMALL_BODY_BYTES = 65_536

const ANSWERED = new Error('answered')
const CLIENT_GONE = new Error('the client is gone')
const TIMED_OUT = new Error('activator request timeout')

export class Exchange implements Traveller, Dispatcher.DispatchHandler {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #passage: Passage
  readonly #timer: NodeJS.Timeout
  #body: Buffer | PassThrough | null = null
  /** Set while a pod has the request: its slot is free only when the pod has let go. */
  #backend: Backend | undefined
  #controller: Controller | undefined
  #isLengthKnown = false
  /** Why the client expects nothing more; unset while it does. */
  #settled: Error | undefined

  constructor(request: IncomingMessage, response: ServerResponse, passage: Passage) {
    this.#request = request
    this.#response = response
    this.#passage = passage
    this.#timer = setTimeout(() => this.#timeOut(), passage.timeoutSeconds * 1000)
    response.once('close', () => this.#settle(CLIENT_GONE))
  }

  /** Reads a small body, arranges for a large one, and requests a pod. */
  begin(): void {
    const { headers } = this.#request
    const length = Number(headers['content-length'] ?? 0)
    if (headers['transfer-encoding'] !== undefined || length > SMALL_BODY_BYTES) {
      // Not the request itself: undici destroys a body that it could not send, and with it the client's connection.
      this.#body = this.#request.pipe(new PassThrough())
      this.#passage.submit(this)
    } else if (length === 0) this.#passage.submit(this)
    else this.#readBody()
  }

  #readBody(): void {
    const chunks: Buffer[] = []
    this.#request.on('data', (chunk: Buffer) => chunks.push(chunk))
    this.#request.once('end', () => {
      if (this.#settled !== undefined) return
      this.#body = chunks.length === 1 ? (chunks[0] ?? null) : Buffer.concat(chunks)
      this.#passage.submit(this)
    })
  }

  start(backend: Backend): void {
    if (this.#settled !== undefined) return backend.release()
    this.#backend = backend
    const { url: path = '/', method = 'GET', rawHeaders, headers } = this.#request
    const kept = keepEndToEnd(rawHeaders, headers.connection)
    backend.pool.dispatch({ path, method, headers: kept, body: this.#body }, this)
  }

  refuse(failure: Failure): void {
    if (this.#settled !== undefined) return
    if (this.#response.headersSent) this.#response.destroy()
    else answerFailure(this.#request, this.#response, failure)
    this.#settle(failure)
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    if (this.#settled !== undefined) controller.abort(this.#settled)
  }

  onResponseStart(controller: Controller, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return
    const raw = controller.rawHeaders as Buffer[] // reason: HTTP/1.1 gives no other form
    this.#isLengthKnown = headers['content-length'] !== undefined
    this.#response.writeHead(status, keepEndToEnd(raw, headers.connection))
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }

  onResponseEnd(): void {
    this.#response.end()
    this.#letGo()
    this.#settle(ANSWERED)
  }

  /** The pod failed; or it was stopped, because the client is settled already. */
  onResponseError(_controller: unknown, error: Error): void {
    this.#letGo()
    this.refuse(
      new Failure(
        'DEPENDENCY_UNAVAILABLE',
        `Cannot finish the request: a pod of "${this.#passage.name}" ended`,
        {
          retryAfterSeconds: 1,
          cause: error,
        },
      ),
    )
  }

  /** The whole answer has to be through by now; one that has begun ends with the words that Knative writes into it. */
  #timeOut(): void {
    const { name, timeoutSeconds } = this.#passage
    const message = `activator request timeout: "${name}" did not answer within ${timeoutSeconds} s`
    if (!this.#response.headersSent) {
      return this.refuse(new Failure('DEADLINE_EXCEEDED', message))
    }
    if (this.#isLengthKnown) this.#response.destroy()
    else this.#response.end('request timeout')
    this.#settle(TIMED_OUT)
  }

  #letGo(): void {
    this.#backend?.release()
    this.#backend = undefined
    if (this.#settled !== undefined) this.#passage.onOver()
  }

  /** The client's side is over; whoever has the request, or keeps it waiting, stops. */
  #settle(reason: Error): void {
    if (this.#settled !== undefined) return
    this.#settled = reason
    clearTimeout(this.#timer)
    // What the client still sends is read and dropped, or it would not come to read its answer.
    if (this.#body instanceof PassThrough) this.#request.unpipe(this.#body).resume()
    if (this.#backend !== undefined) return this.#controller?.abort(reason)
    if (this.#controller === undefined) this.#passage.withdraw(this)
    this.#passage.onOver()
  }
}
