/** Clients that follow a job: by a stream, or by one answer when it has ended. */
import type { Log } from '../../shared/telemetry/log.ts'
import { readTraceparent } from '../../shared/telemetry/trace.ts'
import { answerFailure, answerJson, type AnswerHeaders, type Client } from './client.ts'
import { failureOf, JobRow, type Completed } from './ending.ts'
import { openEventStream } from './event-stream.ts'
import { followJob } from './follow-job.ts'
import { passedHeaders, type Functions } from './functions.ts'
import type { HubMetrics } from './metrics.ts'
import type { Revocations } from './revocations.ts'
import type { TokenLogs } from './token-logs.ts'
import { Transcript } from './transcript.ts'
import { waitForJob } from './wait-for-job.ts'
import { readLastEventId } from './preference.ts'

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

export interface Watching {
  /** Delivers everything to the client, from where it left off. */
  openStream(client: Client, followed: Followed, headers: AnswerHeaders): void
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

  openStream(client: Client, followed: Followed, headers: AnswerHeaders): void {
    const { metrics } = this.#options
    const { request, response, target } = client
    if (response.destroyed) return
    let how: 'ended' | 'left' | 'slow' | 'drained' | 'revoked' = 'left'
    const transcript = new Transcript(followed.job, readLastEventId(request.headers, target.query))
    const stream = openEventStream(response, headers, () => (how = 'slow'))
    metrics.streamOpened()
    const stop = followJob({
      ...this.#followingOf(client, followed),
      onMessage(message) {
        const event = transcript.eventFor(message)
        if (event === undefined) return
        metrics.delivered()
        stream.send(event)
      },
      onBeat: () => stream.beat(),
      onEnd(ending) {
        how = 'ended'
        stream.send(transcript.end(ending))
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
    const revoked = new AbortController()
    const signal = AbortSignal.any([client.left, this.#ended.signal, revoked.signal])
    const unwatch = this.#watchCredential(client, followed, () => revoked.abort())
    const waiting = waitForJob({ ...this.#followingOf(client, followed), seconds, signal })
    const ending = await waiting.finally(unwatch)
    this.#options.metrics.waited(client.left.aborted ? 'left' : ending === undefined ? 'too_long' : 'in_time')
    if (ending === undefined) return false
    const applied = { ...headers, 'preference-applied': `wait=${seconds}` }
    if (ending.status === 'completed')
      answerJson(client, 200, envelopeOf(followed.job, ending, headers), applied)
    else answerFailure(client, failureOf(ending), applied, { job: followed.job })
    return true
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
