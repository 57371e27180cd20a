/** Makes what a handler is given, and collects what it asks to be written with its transaction. */
import type { Observer } from '../agentese/observer.ts'
import type { Accepted, Call, Inference } from '../contract/call.ts'
import type { FunctionDefinition } from '../contract/function.ts'
import type { Db } from '../database/database.ts'
import { createEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'
import type { Identity } from '../identity/identity.ts'
import { formatTraceparent, type TraceContext } from '../telemetry/trace.ts'
import { toOutbox, type OutboxRow } from './record.ts'
import type { Runtime } from './runtime.ts'

/** What waits to be written when the handler returns. */
export interface Pending {
  events: OutboxRow[]
  /** Amounts by resource. */
  charges: Record<string, number>
}

export function nothingPending(): Pending {
  return { events: [], charges: {} }
}

export interface CallParts {
  runtime: Runtime
  function: FunctionDefinition
  identity: Identity | undefined
  observer: Observer | undefined
  db: Db | undefined
  pending: Pending
  trace: TraceContext
  signal: AbortSignal
  asked?: string | undefined
  idempotencyKey?: string | undefined
  /** Absent where no job can be asked for: outside an aspect that goes on with the answer. */
  infer?: (inference: Inference) => Promise<Accepted>
}

export function createCall(parts: CallParts): Call {
  const { runtime, pending, trace, signal } = parts
  return {
    get identity() {
      return present(parts.identity, 'no caller')
    },
    get observer() {
      return present(parts.observer, 'no observer')
    },
    get db() {
      return present(parts.db, 'no transaction')
    },
    emit(type, data, { closes } = {}) {
      const tenant = present(parts.identity, 'no caller').tenant
      const source = `/functions/${parts.function.name}`
      const traceparent = formatTraceparent(trace)
      pending.events.push(
        toOutbox(createEvent({ source, type, tenant, traceparent, data }, runtime.eventKey), closes),
      )
    },
    infer(inference) {
      return present(parts.infer, 'no continuation')(inference)
    },
    charge(resource, amount) {
      pending.charges[resource] = (pending.charges[resource] ?? 0) + amount
    },
    asked: parts.asked,
    idempotencyKey: parts.idempotencyKey,
    signal,
    log: runtime.log,
    trace,
    platform: runtime.platform,
  }
}

/** A handler that reaches for what its contract does not give it is a bug, and says so. */
function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Failure('INTERNAL', `The contract of this endpoint gives it ${what}`)
  return value
}
