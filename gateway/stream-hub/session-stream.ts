/**
 * Streams of conversations: each is followed by its person, in as many places as they like. Events say only that something happened, so
 * each message is read as whoever follows; the pieces of an answer come from the token log of its job.
 *
 * An id is the sequence of the last event, and while an answer is on its way, the index of its last piece: `sequence.index`. Any hub
 * goes on behind both, so that nothing is missed or repeated.
 */
import { z } from 'zod'
import type { JsMsg } from 'nats'
import { SESSION_EVENTS, SessionEventData } from '../../shared/events/session-events.ts'
import { Failure } from '../../shared/failures.ts'
import { EVENT_STREAM_HEADERS, LAST_EVENT_ID, writeEventMessage } from '../../shared/http/event-message.ts'
import { fromNats } from '../../shared/nats/event-message.ts'
import type { NatsLink } from '../../shared/nats/link.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { ANSWERS } from '../answers.ts'
import type { ReadCaller } from './callers.ts'
import { passOn, type Client } from './client.ts'
import { openEventStream, type EventStream } from './event-stream.ts'
import { passedHeaders, type Functions } from './functions.ts'
import type { HubMetrics } from './metrics.ts'
import { hasSeenTheEnd, lastEventId } from './preference.ts'
import type { Revocations } from './revocations.ts'
import { latestSequence, readSessionLog } from './session-log.ts'
import { watchCredential } from './subscriptions/credential-watch.ts'
import type { TokenLogs } from './token-logs.ts'
import { Transcript } from './transcript.ts'
import { JOB_WIRE } from './wire.ts'

export interface SessionStreamOptions {
  functions: Functions
  link: NatsLink
  logs: TokenLogs
  readCaller: ReadCaller
  revocations: Revocations
  metrics: HubMetrics
  log: Log
  heartbeatMs: number
  /** Between questions whether a credential is still good. */
  recheckMs: number
}

export interface SessionStreams {
  /** @throws Failure DEPENDENCY_UNAVAILABLE */
  open(client: Client, session: string): Promise<void>
  /** Ends all of them; they can be resumed elsewhere. */
  end(): void
}

/** Of the answer of `GET /v1/kgent/sessions/{id}`. */
const SessionState = z.looseObject({ status: z.string(), running_job: z.uuid().nullable() })
type SessionState = z.infer<typeof SessionState>

export function createSessionStreams(options: SessionStreamOptions): SessionStreams {
  const open = new Set<SessionStream>()
  return {
    async open(client, session) {
      const stream = new SessionStream(options, client, session)
      open.add(stream)
      client.response.once('close', () => open.delete(stream))
      await stream.open()
    },
    end() {
      for (const stream of open) stream.end('drained')
    },
  }
}

/** Where a client left off. */
interface Origin {
  sequence: number
  /** Of the answer that was on its way; -1 where none was. */
  index: number
}

class SessionStream {
  readonly #options: SessionStreamOptions
  readonly #client: Client
  readonly #session: string
  readonly #path: string
  #tenant = ''
  #out: EventStream | undefined
  #how: Parameters<HubMetrics['streamClosed']>[0] = 'left'
  /** Events are dealt with one after another. */
  #turn: Promise<void> = Promise.resolve()
  /** Of the last event that was sent. */
  #sequence = 0
  /** The answer that is on its way, and its last piece that was sent. */
  #answer: { job: string; index: number; stop: () => void } | undefined
  readonly #followed = new Set<string>()

  constructor(options: SessionStreamOptions, client: Client, session: string) {
    this.#options = options
    this.#client = client
    this.#session = session
    this.#path = `/v1/kgent/sessions/${session}`
  }

  async open(): Promise<void> {
    const { functions, link, readCaller } = this.#options
    const { request, response, target, left } = this.#client
    if (hasSeenTheEnd(request.headers, target.query)) return void response.writeHead(204).end()
    // Before the conversation is read: whatever happens meanwhile comes as an event.
    const latest = await latestSequence(link)
    const call = { method: 'GET', path: this.#path, headers: passedHeaders(request.headers), signal: left }
    const answer = await functions.call('self-kgent', call)
    if (answer.status !== 200) return passOn(this.#client, answer)
    const state = SessionState.parse(JSON.parse(await answer.body.text()))
    if (request.method === 'HEAD') return void response.writeHead(200, EVENT_STREAM_HEADERS).end()
    const caller = await readCaller(request.headers)
    if (caller === undefined) throw ANSWERS.functionUnavailable
    this.#tenant = caller.tenant
    if (response.destroyed) return
    await this.#begin(state, latest)
  }

  end(how: 'drained' | 'revoked' | 'ended' | 'left' = 'drained'): void {
    this.#how = how
    this.#out?.end()
  }

  async #begin(state: SessionState, latest: number): Promise<void> {
    const { link } = this.#options
    const { request, target } = this.#client
    const origin = readOrigin(lastEventId(request.headers, target.query)) ?? { sequence: latest, index: -1 }
    this.#sequence = origin.sequence
    let seen = 0
    let stored: number | undefined
    const caughtUp = () => {
      if (seen === stored) this.#then(() => this.#catchUp(state, origin))
    }
    const from = { tenant: this.#tenant, sequence: origin.sequence, latest }
    const log = await readSessionLog(link, from, (message) => {
      this.#then(() => this.#take(message, origin))
      seen++
      caughtUp()
    })
    stored = log.stored
    this.#start(log.stop)
    if (seen >= stored) this.#then(() => this.#catchUp(state, origin))
  }

  /** Opens the stream to the client, and what watches over it. */
  #start(stopReading: () => void): void {
    const { metrics, heartbeatMs } = this.#options
    const { response } = this.#client
    const out = openEventStream(response, {}, JOB_WIRE.opening, () => (this.#how = 'slow'))
    this.#out = out
    metrics.streamOpened()
    const beating = setInterval(() => out.beat(), heartbeatMs)
    const stops = [stopReading, () => clearInterval(beating), this.#watchNats(), this.#watchCredential()]
    response.once('close', () => {
      for (const stop of stops) stop()
      this.#unfollow()
      metrics.streamClosed(this.#how)
    })
    this.#go()
  }

  /** All that was stored has been sent: an answer that began before is gone on with, and a conversation that is over ends. */
  #catchUp({ running_job: job, ...state }: SessionState, { index }: Origin): void {
    if (state.status === 'closed') return this.#close(state)
    if (job !== null && !this.#followed.has(job)) this.#follow(job, index)
  }

  /** Nothing is sent before the stream is open. */
  #go: () => void = () => {}
  readonly #opened = new Promise<void>((resolve) => (this.#go = resolve))

  #then(work: () => Promise<void> | void): void {
    this.#turn = this.#turn
      .then(() => this.#opened)
      .then(work)
      .catch((error: unknown) => {
        // The client resumes behind what it has.
        this.#options.log.debug({ err: error, session: this.#session }, 'a conversation cannot be followed')
        this.end()
      })
  }

  async #take(message: JsMsg, origin: Origin): Promise<void> {
    const { type, data } = fromNats(message)
    const event = SessionEventData.safeParse(data)
    if (!event.success || event.data.session !== this.#session) return
    const { role, job } = event.data
    if (origin.sequence === message.seq) {
      // The client has this event; of the answer that it began, it has what stands up to the index.
      if (role === 'user' && job !== undefined) this.#follow(job, origin.index)
      return
    }
    const name = NAMES.get(type)
    if (name === undefined) return
    this.#sequence = message.seq
    if (name === 'message') return this.#message(event.data)
    if (name === 'ended') return this.#close(event.data)
    this.#send(name, event.data)
  }

  async #message({ message, role, job }: SessionEventData): Promise<void> {
    const { functions } = this.#options
    const path = `${this.#path}/messages/${message}`
    const headers = passedHeaders(this.#client.request.headers)
    const { status, body } = await functions.callJson('self-kgent', { method: 'GET', path, headers })
    if (REVOKED.has(status)) return this.end('revoked')
    if (status !== 200) throw ANSWERS.functionUnavailable
    const begins = role === 'user' && job !== undefined
    if (begins || job === this.#answer?.job) this.#unfollow()
    this.#send('message', body as Record<string, unknown>) // reason: the answer of a route that has such members
    if (begins) this.#follow(job, -1)
  }

  /** @param index of the last piece that the client has */
  #follow(job: string, index: number): void {
    this.#unfollow()
    this.#followed.add(job)
    const transcript = new Transcript(job, index)
    const stop = this.#options.logs.read(this.#tenant, job, {
      onMessage: (message) => {
        const event = transcript.eventFor(message)
        if (event === undefined || this.#answer?.job !== job) return
        this.#answer.index = message.index
        this.#send(event.event, { job, ...event.data })
      },
      onClosed: () => {},
      onReopened: () => {},
    })
    this.#answer = { job, index, stop }
  }

  #unfollow(): void {
    this.#answer?.stop()
    this.#answer = undefined
  }

  #close(data: Record<string, unknown>): void {
    const { status, ended_reason, reason = ended_reason } = data
    this.#out?.send(
      writeEventMessage({
        event: 'ended',
        id: LAST_EVENT_ID,
        data: { session: this.#session, status, reason },
      }),
    )
    this.end('ended')
  }

  #send(event: string, data: Record<string, unknown>): void {
    this.#options.metrics.delivered()
    const { index = -1 } = this.#answer ?? {}
    const id = index < 0 ? String(this.#sequence) : `${this.#sequence}.${index}`
    this.#out?.send(writeEventMessage({ event, id, data }))
  }

  /** Where it comes back, its streams may be others; the client resumes, and they are looked at anew. */
  #watchNats(): () => void {
    return this.#options.link.watch((nc) => nc !== undefined && this.end('drained'))
  }

  #watchCredential(): () => void {
    const { functions, revocations, recheckMs, log } = this.#options
    const { headers } = this.#client.request
    const call = { method: 'GET', path: this.#path, headers: passedHeaders(headers) }
    return watchCredential({
      headers,
      recheckMs,
      onRevoked: (check) => revocations.watch(this.#tenant, check),
      async ask() {
        try {
          const { status } = await functions.callJson('self-kgent', call)
          return REVOKED.has(status) ? GONE : undefined
        } catch (error) {
          log.debug({ err: error }, 'a credential could not be checked again')
          return undefined
        }
      },
      onEnd: () => this.end('revoked'),
    })
  }
}

const REVOKED = new Set([401, 403, 404])
const GONE = new Failure('CREDENTIALS_INVALID', 'Cannot follow the conversation: the credential has ended')
const NAMES = new Map<string, string>(Object.entries(SESSION_EVENTS).map(([name, type]) => [type, name]))

/** `sequence`, or `sequence.index`; anything else is no place to go on from. */
function readOrigin(text: string): Origin | undefined {
  const [, sequence, index = '-1'] = /^(\d{1,15})(?:\.(\d{1,9}))?$/.exec(text) ?? []
  return sequence === undefined ? undefined : { sequence: Number(sequence), index: Number(index) }
}
