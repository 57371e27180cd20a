/**
 * One attempt at one job: from the token log over the engine to the stored result.
 *
 * Promises: the text of the result is the text of the token log, which stays empty where vectors were asked for; the
 * engine does nothing for a job that has ended; a cancellation stops it at once. Never acknowledges: that is for the worker, by the outcome.
 */
import type {
  ChatRequest,
  Completion,
  EmbedRequest,
  JobMessage,
  TokenUsage,
} from '../shared/inference/messages.ts'
import { encodeVector } from '../shared/inference/vectors.ts'
import type { Log } from '../shared/telemetry/log.ts'
import { EngineFailure, type Engine } from './engines/engine.ts'
import { checkAnswer } from './check-answer.ts'
import { findUnread } from './known-scripts.ts'
import type { NatsLink } from '../shared/nats/link.ts'
import { announceEvent, createResult, storeEvent } from './results.ts'
import { TokenLog } from './token-log.ts'
import type { Metrics } from './metrics.ts'
import { nameEngineError, observeModelCall } from './model-call.ts'
import { toUnitLength } from './unit-vector.ts'

/**
 * Why an attempt is stopped from outside. `closed`: the job has ended, mostly because it was cancelled.
 * `superseded`: another worker runs it now. `draining`: this worker has to go.
 */
export type StopReason = 'closed' | 'superseded' | 'draining'

export class Stopped extends Error {
  override readonly name = 'Stopped'
  readonly reason: StopReason

  constructor(reason: StopReason) {
    super(`Cannot go on: the job is ${reason}`)
    this.reason = reason
  }
}

export interface JobOptions {
  link: NatsLink
  engine: Engine
  log: Log
  metrics: Pick<Metrics, 'countModelCall'>
  /** Which delivery of the job this is. */
  attempt: number
  /** Aborted by the caller with `Stopped`; this file adds reasons of its own. */
  stop: AbortController
  /** How often to look whether the job is still ours. */
  checkSeconds: number
  /** An engine that says nothing for so long has failed. */
  stallSeconds: number
}

/** What an attempt that came to its end has cost. */
export interface JobReport {
  tokens: TokenUsage
  /** Completion tokens of this attempt alone. */
  generated: number
  seconds: number
  secondsToFirstToken: number
}

/** What the engine generated, for the result, and when the first of it was there. */
interface Answer extends Pick<
  Completion,
  | 'text'
  | 'vectors'
  | 'unread'
  | 'tokens'
  | 'model'
  | 'finishReason'
  | 'server'
  | 'toolCalls'
  | 'messageTokens'
  | 'computeSeconds'
> {
  firstAt: number
  /** Of the prompt, those that had been read before. */
  reusedTokens?: number
}

/** How long the token log may take to be stored before the result goes out without it. */
const SETTLE_SECONDS = 5

/**
 * Runs `job` and publishes `completed`.
 *
 * @throws Stopped where the attempt was stopped; EngineFailure; anything else where NATS or we are at fault
 */
export async function runJob(job: JobMessage, options: JobOptions): Promise<JobReport> {
  const { link, engine, stop, log } = options
  const begunAt = performance.now()
  const tokenLog = await TokenLog.open(link, {
    ...job,
    attempt: options.attempt,
    signal: stop.signal,
    onWait: (error) => log.warn({ err: error }, 'waiting for the token log'),
  })
  if (tokenLog === 'closed') throw new Stopped('closed')
  try {
    const { attempt } = tokenLog
    announceEvent(link, createResult(job, { type: 'started', data: { job: job.job, attempt } }))
    const {
      firstAt,
      reusedTokens: _reused,
      ...answer
    } = await observeModelCall(
      job,
      {
        engine,
        countModelCall: options.metrics.countModelCall,
        tokensBefore: tokenLog.prefix?.tokens ?? 0,
        nameError: (error) => nameError(stop.signal.aborted ? stop.signal.reason : error),
      },
      () => ask(job, tokenLog, options),
    )
    await tokenLog.settle(SETTLE_SECONDS)
    const seconds = (performance.now() - begunAt) / 1000
    const data = { job: job.job, ...answer, engine: engine.name, attempt, durationSeconds: seconds }
    await storeEvent(link, createResult(job, { type: 'completed', data }), { log, signal: stop.signal })
    return {
      tokens: answer.tokens,
      generated: answer.tokens.completion - (tokenLog.prefix?.tokens ?? 0),
      seconds,
      secondsToFirstToken: (firstAt - begunAt) / 1000,
    }
  } catch (error) {
    // Another worker goes on where the log ends; of a cancelled job it says what was generated.
    if (error instanceof Stopped) await tokenLog.settle(1)
    throw error
  } finally {
    tokenLog.close()
  }
}

function nameError(error: unknown): string {
  return error instanceof Stopped ? error.reason : nameEngineError(error)
}

/** Lets the engine do what is asked, unless the job is no longer ours or the engine falls silent. */
async function ask(
  { request, tenant }: JobMessage,
  tokenLog: TokenLog,
  options: JobOptions,
): Promise<Answer> {
  const { stop, checkSeconds, stallSeconds } = options
  const checks = setInterval(() => void check(tokenLog, stop), checkSeconds * 1000)
  const stall = setTimeout(() => stop.abort(stalled(stallSeconds)), stallSeconds * 1000)
  try {
    const alive = { ...options, tenant, onProgress: () => void stall.refresh() }
    return await ('texts' in request ? embed(request, alive) : generate(request, tokenLog, alive))
  } finally {
    clearInterval(checks)
    clearTimeout(stall)
  }
}

/** With what reports that the engine is at work. */
type Watched = JobOptions & { tenant: string; onProgress: () => void }

async function embed({ texts }: EmbedRequest, { engine, stop, onProgress }: Watched): Promise<Answer> {
  const embedOptions = { signal: stop.signal, onProgress }
  const { tokens, estimated, ...answer } = await engine.embed(texts, embedOptions)
  const unread = await findUnread(texts, engine, answer.model, embedOptions)
  const vectors = answer.vectors.map((vector) => encodeVector(toUnitLength(vector)))
  const usage = { prompt: tokens, completion: 0, ...(estimated === undefined ? {} : { estimated }) }
  return { ...answer, text: '', vectors, unread, tokens: usage, firstAt: performance.now() }
}

async function generate(
  request: ChatRequest,
  tokenLog: TokenLog,
  { engine, stop, tenant, onProgress }: Watched,
): Promise<Answer> {
  const { prefix } = tokenLog
  const generateOptions = {
    signal: stop.signal,
    tenant,
    onProgress,
    ...(prefix === undefined ? {} : { prefix }),
  }
  let firstAt: number | undefined
  for await (const output of engine.generate(request, generateOptions)) {
    onProgress()
    firstAt ??= performance.now()
    if (output.kind === 'end') {
      const { kind: _, reason: finishReason, usage: tokens, ...by } = output
      if (finishReason === 'stop') checkAnswer(request, tokenLog.text)
      return { text: tokenLog.text, tokens, finishReason, ...by, firstAt }
    }
    if (output.kind === 'restart') tokenLog.restart()
    else tokenLog.append(output.text, output.tokens)
  }
  throw new EngineFailure('Cannot finish the answer: the engine stopped in the middle', { retry: true })
}

/** Finds what no message reported: a cancellation that was missed, or a worker that took over. */
async function check(tokenLog: TokenLog, stop: AbortController): Promise<void> {
  try {
    const state = await tokenLog.check()
    if (state !== 'open') stop.abort(new Stopped(state))
  } catch {
    // NATS is unavailable: the engine goes on, and the next check finds out.
  }
}

function stalled(seconds: number): EngineFailure {
  return new EngineFailure(`Cannot finish the answer: the engine said nothing for ${seconds} s`, {
    retry: true,
  })
}
