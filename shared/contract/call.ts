/**
 * What a handler is given, and what it may answer besides its output. No HTTP, no connection, no environment.
 *
 * `Call` is all that there is; a handler is given the part of it that its contract declares, `Given`. A helper names what
 * it uses: `Pick<Call, 'db' | 'identity'>`, or `Given<'postgres', 'caller'>` to make transactions of its own.
 */
import type { Sql } from 'postgres'
import type { Observer } from '../agentese/observer.ts'
import type { Db } from '../database/database.ts'
import type { TenantEvent } from '../events/tenant-event.ts'
import type { Identity } from '../identity/identity.ts'
import type { ChatRequest, EmbedRequest, FinishReason, TokenUsage, ToolCall } from '../inference/messages.ts'
import type { Log } from '../telemetry/log.ts'
import type { TraceContext } from '../telemetry/trace.ts'
import type { JobEnd, JobStatus } from './job-end.ts'
import type { Gives, Need } from './needs.ts'
import type { Platform } from './platform.ts'

/** What every handler is given. */
export interface EveryCall {
  /** Who calls; the tenant in it is the only one that this call can see. */
  identity: Identity
  observer: Observer
  /** The holon of the path that was called: `house` of `world.house.manifest`. */
  holon: string
  /** Marks the answer as one that was given before, under the same key for repeating. */
  repeats(): void
  /** What the caller asked to look as, and its key for repeating; to be passed on. */
  requestedArchetype: string | undefined
  idempotencyKey: string | undefined
  /** IP address that the request came from, as the gateway reports it. */
  address: string | undefined
  /** Aborted when the caller is gone or the deadline has passed. */
  signal: AbortSignal
  log: Log
  trace: TraceContext
}

export interface Call extends EveryCall, Platform {
  /** The tenant's rows, in one transaction that commits when the handler returns. Read-only where nothing may change. */
  db: Db
  /** A transaction of its own, for work that must not hold one while it waits; commits when `work` returns. */
  transact: Transact<Need>
  /**
   * A transaction where the rows are that move with the tenant, for a function whose own rows stay in the pool: that of the call,
   * where there is one and both are in the same database.
   */
  inOwn: InOwn
  /** A transaction of a tenant that the handler has chosen and no caller named; the identity has the rights that it names. */
  actFor: ActFor
  /** For the few statements that are about no tenant. */
  ofNoTenant: Sql
  /** What a browser says besides its credential. */
  browser: Browser
  /** Who calls, where somebody who is unknown may call. */
  caller: Identity | undefined
  /** Books what this call used up, in units of the resource; negative gives back. */
  charge(resource: string, amount: number): void
  /**
   * Publishes that something happened; leaves with the transaction, or not at all. With `closes`, the event is
   * also the last thing that followers of that job see.
   */
  emit(type: `io.kgents.${string}`, data: Record<string, unknown>, options?: { closes?: string }): void
  /** Passes on an event of the tenant's own systems, as it is; leaves with the transaction, or not at all. Answers its message id. */
  passOn(event: TenantEvent): string
  /** Records the state that `target` (`context.holon`) has from now on, and notifies subscribers; null when it is gone. */
  changed(target: string, state: Record<string, unknown> | null): void
  /**
   * Queues work for a model. The job is written with the call; `complete` of the aspect goes on with the answer. Returned by the
   * handler, the caller gets 202 and follows it; otherwise it runs in the background. `as` names another aspect of
   * this node whose job it is to be, with an input of its own.
   */
  infer(inference: Inference, options?: InferOptions): Accepted
  /**
   * Gives a held job of this function its request, in the transaction of the call: it is queued from then on. False where it
   * has ended meanwhile.
   */
  release(job: string, request: ChatRequest | EmbedRequest): Promise<boolean>
  /**
   * Begins the job that this call is, for work of many steps: no worker gets it, events go on with it, and `endJob` ends it.
   * Returned by the handler, the caller gets 202 and follows it.
   */
  begin(): Promise<Accepted>
  /** Ends a job in this transaction; answers the status that it then has, undefined where there is no such job. */
  endJob(end: JobEnd): Promise<JobStatus | undefined>
}

/** How a handler is called: by whom, in a transaction that is open already, and whether it may change anything. */
export type How = 'caller' | 'transaction' | 'writes'

type Withheld<H extends How> =
  | ('caller' extends H ? never : 'identity')
  | ('transaction' extends H ? 'transact' : 'db' | 'endJob' | 'release')
  | ('writes' extends H ? never : 'charge' | 'emit' | 'passOn' | 'changed' | 'endJob' | 'release')

/** What a handler with these needs is given. */
export type Given<N extends Need = never, H extends How = How> = Pick<
  Call,
  Exclude<keyof EveryCall | Gives<N>, Withheld<H> | 'transact'>
> &
  ('transact' extends Exclude<Gives<N>, Withheld<H>> ? { transact: Transact<N> } : unknown)

/** Gives `work` what a handler with these needs is given in a transaction. */
export interface Transact<N extends Need> {
  <T>(mode: 'read', work: (call: Given<N, 'caller' | 'transaction'>) => Promise<T>): Promise<T>
  <T>(mode: 'write', work: (call: Given<N>) => Promise<T>): Promise<T>
}

/** Runs `work` in a transaction of the tenant of `identity`, and as if it had called. */
export type ActFor = <T>(
  identity: Identity,
  mode: 'read' | 'write',
  work: (call: Given<Need>) => Promise<T>,
) => Promise<T>

/** Runs `work` in the tenant's own database. */
export type InOwn = <T>(mode: 'read' | 'write', work: (call: Given<Need>) => Promise<T>) => Promise<T>

export interface InferOptions {
  /** Another aspect of this node whose job it is to be, with an input of its own. */
  as?: string
  input?: unknown
  /** Whether it waits, with its reservation, until it is released with what a model is asked then. */
  held?: boolean
  /** An event to this function that is published when the job has ended, however it did. */
  whenEnded?: EndEvent
}

/** An event that the end of a job brings, besides those about the job itself. */
export interface EndEvent {
  type: `io.kgents.${string}`
  data: Record<string, unknown>
}

export interface Browser {
  /** Of the address that was called, such as `https://kgents.example`. */
  origin: string
  /** What binds a sign-in to the browser that began it. */
  signIn: string | undefined
}

/** What a handler asks of a model: an answer to messages, or the vectors of texts. */
export type Inference = (ChatRequest | EmbedRequest) & {
  /** Tokens to reserve before the model runs; what was really used is settled afterwards. */
  estimateTokens: number
  /** Among the waiting jobs of the tenant alone: higher ones come first; 0 where it is absent. */
  priority?: number
  /** When the answer is of no use any more. A job that cannot begin by then is refused, or fails while it waits. */
  deadline?: Date
}

/** Marks that work goes on after the answer: the caller gets 202 and a job to follow. */
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
  job: string
  /** Empty where vectors were asked for. */
  text: string
  /**
   * One for each text, in their order, each of length 1; undefined for a text that the model cannot read. Empty where text
   * was asked for.
   */
  vectors: readonly (Float32Array | undefined)[]
  /** What the model wants to be called; empty where it answered by text. */
  toolCalls: readonly ToolCall[]
  finishReason: FinishReason | undefined
  /** Tokens of each message that the model was sent, by its own tokenizer; undefined where the engine does not know. */
  messageTokens: readonly number[] | undefined
  model: string
  tokens: TokenUsage
}

/** Why a model gave no answer to a call, with the call's own input. */
export interface Failed<I> {
  input: I
  job: string
  reason: string
}
