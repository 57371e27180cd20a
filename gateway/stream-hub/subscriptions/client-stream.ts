/**
 * One stream of events to one client, who may read slowly or not at all. What is delivered live waits in a bounded
 * buffer: when that is full the oldest go, are counted, and the client receives their number before anything else.
 * What can wait where it is (replay, events to be acknowledged) is sent at the client's own pace instead.
 */
import type { ServerResponse } from 'node:http'
import type { Failure } from '../../../shared/failures.ts'
import { problemMembers } from '../../../shared/problem.ts'
import { EVENT_STREAM_HEADERS, OPENING, writeEventMessage } from '../../../shared/http/event-message.ts'

export interface ClientStreamOptions {
  response: ServerResponse
  /** Events that may wait. */
  buffer: number
  /** After which a client that reads nothing is cut off. */
  stalledMs: number
  onDropped(count: number): void
}

/** Whatever the number of events, no client may hold more of the hub's memory. */
const MAX_WAITING_CHARACTERS = 4 * 1024 * 1024

export class ClientStream {
  readonly #response: ServerResponse
  readonly #options: ClientStreamOptions
  readonly #waiting: string[] = []
  #characters = 0
  #dropped = 0
  /** Nothing more is taken at present. */
  #full = true
  #stalled: NodeJS.Timeout | undefined
  #onRoom = Promise.withResolvers<void>()

  constructor(options: ClientStreamOptions) {
    const { response } = options
    this.#response = response
    this.#options = options
    response.on('drain', () => this.#flow()).once('close', () => this.#close())
  }

  /** Answers; what was offered before comes behind `first`. */
  start(first: string): void {
    this.#response.writeHead(200, EVENT_STREAM_HEADERS)
    this.#full = false
    this.send(OPENING + first)
    this.#flow()
  }

  /** Whether everything offered so far is on its way. */
  get idle(): boolean {
    return !this.#full && this.#waiting.length === 0
  }

  /** Sends now, or as soon as the client reads; may drop what is older. */
  offer(text: string): void {
    if (this.idle) return this.send(text)
    this.#waiting.push(text)
    this.#characters += text.length
    while (this.#waiting.length > this.#options.buffer || this.#characters > MAX_WAITING_CHARACTERS)
      this.#drop()
  }

  /** Sends at once. Await `room` before there is more. */
  send(text: string): void {
    const response = this.#response
    if (response.destroyed || response.writableEnded || response.write(text)) return
    this.#wait()
  }

  #wait(): void {
    this.#full = true
    this.#stalled ??= setTimeout(() => this.#response.destroy(), this.#options.stalledMs)
  }

  /** Resolves when the client has read what it was sent, or has left. */
  room(): Promise<void> {
    if (!this.#full) return Promise.resolve()
    return this.#onRoom.promise
  }

  /** Sends a heartbeat, with the position up to which it has delivered, unless the client has something to read anyway. */
  beat(position?: number): void {
    if (!this.idle) return
    const data = { event_type: 'heartbeat', path: 'system.heartbeat', timestamp: new Date().toISOString() }
    this.send(writeEventMessage({ event: 'heartbeat', id: position, data }))
  }

  /** @param failure why, where it is not just that the client may come again */
  end(failure?: Failure): void {
    if (failure !== undefined) this.send(writeEventMessage({ event: 'error', data: problemMembers(failure) }))
    if (!this.#response.destroyed) this.#response.end()
  }

  #drop(): void {
    this.#characters -= this.#waiting.shift()?.length ?? 0
    this.#dropped++
    this.#options.onDropped(1)
  }

  #flow(): void {
    this.#full = this.#response.writableNeedDrain
    clearTimeout(this.#stalled)
    this.#stalled = undefined
    if (this.#full) return this.#wait()
    while (!this.#full && this.#next()) continue
    if (this.#full) return
    this.#onRoom.resolve()
    this.#onRoom = Promise.withResolvers()
  }

  /** Sends the next of what waits; false where nothing does. */
  #next(): boolean {
    if (this.#dropped > 0) {
      const count = this.#dropped
      this.#dropped = 0
      this.send(
        writeEventMessage({
          event: 'dropped',
          data: { event_type: 'dropped', count, reason: 'buffer_full' },
        }),
      )
      return true
    }
    const text = this.#waiting.shift()
    if (text === undefined) return false
    this.#characters -= text.length
    this.send(text)
    return true
  }

  #close(): void {
    clearTimeout(this.#stalled)
    this.#full = false
    this.#onRoom.resolve()
  }
}
