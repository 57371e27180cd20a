/** What a handler is given, and what it may answer besides its output. No HTTP, no connection, no environment. */
import type { Observer } from '../agentese/observer.ts'
import type { Db } from '../database/database.ts'
import type { Identity } from '../identity/identity.ts'
import type { ChatRequest, TokenUsage } from '../inference/messages.ts'
import type { Log } from '../telemetry/log.ts'
import type { TraceContext } from '../telemetry/trace.ts'
import type { Platform } from './platform.ts'

export interface Call {
  /** Who calls; the tenant in it is the only one that this call can see. */
  identity: Identity
  observer: Observer
  /** The tenant's rows, in one transaction that commits when the handler returns. Read-only where nothing may change. */
  db: Db
  /**
   * Tells the world that something happened; leaves with the transaction, or not at all. With `closes`, the event is
   * also the last thing that followers of that job see.
   */
  emit(type: `io.kgents.${string}`, data: Record<string, unknown>, options?: { closes?: string }): void
  /** Asks a model. The job joins the transaction; the endpoint's `complete` goes on with the answer. */
  infer(inference: Inference): Promise<Accepted>
  /** Books what this call used up, in units of the resource; negative gives back. */
  charge(resource: string, amount: number): void
  /** What the caller asked to look as, and its key for repeating; to be passed on. */
  asked: string | undefined
  idempotencyKey: string | undefined
  /** Aborted when the caller is gone or the deadline has passed. */
  signal: AbortSignal
  log: Log
  trace: TraceContext
  /** What the process offers to the few operations that are about the platform itself. */
  platform: Platform
}

/** What a handler asks of a model. */
export interface Inference extends Omit<ChatRequest, 'seed'> {
  /** Tokens to reserve before the model runs; what was really used is settled afterwards. */
  estimateTokens: number
}

/** Tells that work goes on after the answer: the caller gets 202 and a job to follow. */
export class Accepted {
  readonly job: string
  readonly status: string

  constructor(job: string, status = 'queued') {
    this.job = job
    this.status = status
  }
}

/** What a model answered to a call, with the call's own input. */
export interface Completed<I> {
  input: I
  text: string
  tokens: TokenUsage
}
