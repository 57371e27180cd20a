/** What a call is made from, and what it leaves behind. */
import type { Observer } from '../agentese/observer.ts'
import type { Accepted, Browser, Call, Inference, InferOptions } from '../contract/call.ts'
import type { FunctionDefinition } from '../contract/function.ts'
import type { Need } from '../contract/needs.ts'
import type { Db } from '../database/database.ts'
import { Failure } from '../failures.ts'
import type { Identity } from '../identity/identity.ts'
import type { TraceContext } from '../telemetry/trace.ts'
import type { Deadline } from './deadline.ts'
import type { NewJob } from './job-call.ts'
import type { ChangeRow, OutboxRow } from './record.ts'
import type { Runtime } from './runtime.ts'

/** What waits to be written when the handler returns. */
export interface Pending {
  events: OutboxRow[]
  /** Amounts by resource. */
  charges: Record<string, number>
  changes: ChangeRow[]
  jobs: NewJob[]
}

export function nothingPending(): Pending {
  return { events: [], charges: {}, changes: [], jobs: [] }
}

export interface CallParts {
  /** Of the invocation or event that this is part of. */
  id: string
  runtime: Runtime
  function: FunctionDefinition
  /** What the contract of the handler declares. */
  needs: readonly Need[]
  /** The path that was called, where it is an aspect. */
  path?: string | undefined
  identity: Identity | undefined
  observer: Observer | undefined
  db: Db | undefined
  /** Absent where nothing may be left behind. */
  pending: Pending | undefined
  /** Whether events, charges and changes may be pending; a read-only call has jobs at most. */
  mayWrite: boolean
  trace: TraceContext
  deadline: Deadline
  requestedArchetype?: string | undefined
  idempotencyKey?: string | undefined
  address?: string | undefined
  browser?: (() => Browser) | undefined
  /** Absent where nobody is to be notified. */
  repeats?: () => void
  /** Absent where no job can be asked for. */
  infer?: (inference: Inference, options: InferOptions | undefined) => Accepted
  /** Absent where the call cannot be a job. */
  begin?: () => Promise<Accepted>
}

/** @throws Failure INTERNAL where nobody need be known */
export function callerOf(parts: CallParts): Identity {
  return present(parts.identity, 'identity', parts, 'nobody need be known to call it')
}

/** @throws Failure INTERNAL where the call has no such thing: a handler that asks for it is a bug */
export function present<T>(value: T | undefined, member: keyof Call, parts: CallParts, why: string): T {
  if (value === undefined) throw withheld(member, parts, why)
  return value
}

export function withheld(member: keyof Call, { path, function: { name } }: CallParts, why: string): Failure {
  return new Failure('INTERNAL', `Cannot give "${member}" to ${path ?? name}: ${why}`)
}
