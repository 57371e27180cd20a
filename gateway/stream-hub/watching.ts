/** Clients that follow a job: by a stream, or by one answer when it has ended. */
import type { Log } from '../../shared/telemetry/log.ts'
import { readTraceparent } from '../../shared/telemetry/trace.ts'
import { answerFailure, answerJson, type AnswerHeaders, type Client } from './client.ts'
import { failureOf, JobRow, type Completed, type Ending } from './ending.ts'
import { createCoalescer } from './coalesce.ts'
import { openEventStream } from './event-stream.ts'
import { followJob } from './follow-job.ts'
import { passedHeaders, type Functions } from './functions.ts'
import type { HubMetrics } from './metrics.ts'
import type { Revocations } from './revocations.ts'
import type { TokenLogs } from './token-logs.ts'
import { Transcript, type StreamEvent } from './transcript.ts'
import { waitForJob } from './wait-for-job.ts'
import { JOB_WIRE, type Wire } from './wire.ts'

export interface WatchingOptions {
  functions: Functions
  logs: TokenLogs
  log: Log
  metrics: HubMetrics
  revocations: Revocations
  heartbeatMs: number
}

/** A job that a client may follow. */
export interface Followed {
  tenant: string
  job: string
  /** What is known of its row already. */
  row?: JobRow
}

/** Where a stream begins, and how it is written; absent is from the start, in our own form. */
export interface Streaming {
  headers?: AnswerHeaders
  /** Index of the last event that the client has. */
  lastEventId?: number
  wire?: Wire
}

export interface Watching {
  /** Delivers everything to the client, from where it left off. */
  openStream(client: Client, followed: Followed, streaming: Streaming): void
  /** The end of a job, where it comes in time and the client does not leave before. */
  untilEnd(client: Client, followed: Followed, seconds: number): Promise<Ending | undefined>
  /** Answers with the result if it is there in time; false where it is not, and nothing is answered. */
  answerInTime(client: Client, followed: Followed, seconds: number, headers: AnswerHeaders): Promise<boolean>
  /** Ends all of it; streams can be resumed elsewhere. */
  end(): void
}

export const createWatching = (options: WatchingOptions): Watching => new JobWatching(options)

class JobWatching implements Watching {
  readonly #options: WatchingOptions
  readonly #ended = new AbortController()
  readonly #streams = new Set<() => void>()

  constructor(options: WatchingOptions) {
    this.#options = options
  }

  openStream(
    client: Client,
    followed: Followed,
    { headers = {}, lastEventId, wire = JOB_WIRE }: Streaming,
  ): void {
    const { metrics } = this.#options
    const { response } = client
    if (response.destroyed) return
    let how: 'ended' | 'left' | 'slow' | 'drained' | 'revoked' = 'left'
    const transcript = new Transcript(followed.job, lastEventId)
    const stream = openEventStream(response, headers, wire.opening, () => (how = 'slow'))
    metrics.streamOpened()
    const coalescer = createCoalescer((event: StreamEvent) => {
      const text = wire.write(event)
      if (text === '') return
      metrics.delivered()
      stream.send(text)
    })
    const stop = followJob({
      ...this.#followingOf(client, followed),
      onMessage(message) {
        const event = transcript.eventFor(message)
        if (event !== undefined) coalescer.add(event)
      },
      onBeat: () => stream.beat(),
      onEnd(ending) {
        how = 'ended'
        for (const event of transcript.end(ending)) coalescer.add(event)
        stream.end()
      },
    })
    const drain = () => {
      how = 'drained'
      stream.end()
    }
    this.#streams.add(drain)
    const unwatch = this.#watchCredential(client, followed, () => {
      how = 'revoked'
      stream.end()
    })
    response.once('close', () => {
      stop()
      coalescer.close()
      unwatch()
      this.#streams.delete(drain)
      metrics.streamClosed(how)
    })
    if (this.#ended.signal.aborted) drain()
  }

  async answerInTime(
    client: Client,
    followed: Followed,
    seconds: number,
    headers: AnswerHeaders,
  ): Promise<boolean> {
    const ending = await this.untilEnd(client, followed, seconds)
    if (ending === undefined) return false
    const applied = { ...headers, 'preference-applied': `wait=${seconds}` }
    if (ending.status === 'completed')
      answerJson(client, 200, envelopeOf(followed.job, ending, headers), applied)
    else answerFailure(client, failureOf(ending), applied, { job: followed.job })
    return true
  }

  async untilEnd(client: Client, followed: Followed, seconds: number): Promise<Ending | undefined> {
    const revoked = new AbortController()
    const signal = AbortSignal.any([client.left, this.#ended.signal, revoked.signal])
    const unwatch = this.#watchCredential(client, followed, () => revoked.abort())
    const waiting = waitForJob({ ...this.#followingOf(client, followed), seconds, signal })
    const ending = await waiting.finally(unwatch)
    this.#options.metrics.waited(client.left.aborted ? 'left' : ending === undefined ? 'too_long' : 'in_time')
    return ending
  }

  end(): void {
    this.#ended.abort()
    for (const drain of this.#streams) drain()
  }

  /** Calls back when the client may no longer follow the job; a stream that is resumed is answered why. */
  #watchCredential({ request }: Client, { tenant, job }: Followed, onEnd: () => void): () => void {
    const { functions, log, revocations } = this.#options
    const path = `/v1/jobs/${job}?follow=true`
    const call = { method: 'GET', path, headers: passedHeaders(request.headers) }
    return revocations.watch(tenant, () => {
      functions.callJson('jobs', call).then(
        ({ status }) => [401, 403, 404].includes(status) && onEnd(),
        (error: unknown) => log.debug({ err: error, job }, 'a credential could not be checked again'),
      )
    })
  }

  #followingOf({ request }: Client, followed: Followed) {
    const { functions, logs, log, heartbeatMs } = this.#options
    const call = { method: 'GET', path: `/v1/jobs/${followed.job}`, headers: passedHeaders(request.headers) }
    const readRow = async () => {
      try {
        const { status, body } = await functions.callJson('jobs', call)
        return status === 200 ? JobRow.parse(body).job : undefined
      } catch (error) {
        log.debug({ err: error, job: followed.job }, 'a job could not be read')
        return undefined
      }
    }
    return { ...followed, logs, readRow, heartbeatMs }
  }
}

/** The answer that the call would have had without a job, and the job beside it. */
function envelopeOf(
  job: string,
  { path, result, tokens, finish_reason, server, cost_usd, charges }: Completed,
  headers: AnswerHeaders,
) {
  const self = `/v1/jobs/${job}`
  const { traceparent } = headers
  const trace = typeof traceparent === 'string' ? { trace_id: readTraceparent(traceparent).traceId } : {}
  return {
    path,
    result,
    job: { id: job, status: 'completed' },
    links: { self, stream: `${self}/stream` },
    meta: { charges: charges ?? {}, tokens, finish_reason, server, cost_usd, ...trace },
  }
}
