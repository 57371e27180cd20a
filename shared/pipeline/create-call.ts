/** Makes what a handler is given, and collects what it asks to be written with its transaction. */
import type { Observer } from '../agentese/observer.ts'
import type { Accepted, Call, Inference } from '../contract/call.ts'
import type { FunctionDefinition } from '../contract/function.ts'
import type { Platform } from '../contract/platform.ts'
import type { Db } from '../database/database.ts'
import { createEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'
import type { Identity } from '../identity/identity.ts'
import type { Log } from '../telemetry/log.ts'
import { formatTraceparent, type TraceContext } from '../telemetry/trace.ts'
import type { Deadline } from './deadline.ts'
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
  /** Absent where nothing may be left behind. */
  pending: Pending | undefined
  trace: TraceContext
  deadline: Deadline
  asked?: string | undefined
  idempotencyKey?: string | undefined
  /** Absent where no job can be asked for: outside an aspect that goes on with the answer. */
  infer?: (inference: Inference) => Promise<Accepted>
}

export function createCall(parts: CallParts): Call {
  return new HandlerCall(parts)
}

/** A class, since an object literal with accessors is fifty times as dear to make (6 us, measured). */
class HandlerCall implements Call {
  readonly asked: string | undefined
  readonly idempotencyKey: string | undefined
  readonly log: Log
  readonly trace: TraceContext
  readonly platform: Platform
  readonly #parts: CallParts

  constructor(parts: CallParts) {
    this.#parts = parts
    this.asked = parts.asked
    this.idempotencyKey = parts.idempotencyKey
    this.log = parts.runtime.log
    this.trace = parts.trace
    this.platform = parts.runtime.platform
  }

  get identity(): Identity {
    return present(this.#parts.identity, 'no caller')
  }

  get observer(): Observer {
    return present(this.#parts.observer, 'no observer')
  }

  get db(): Db {
    return present(this.#parts.db, 'no transaction')
  }

  get signal(): AbortSignal {
    return this.#parts.deadline.signal
  }

  // As members of their own, so that a handler may take them out of the call.
  readonly emit: Call['emit'] = (type, data, { closes } = {}) => {
    const { runtime, function: definition } = this.#parts
    const pending = present(this.#parts.pending, 'no events and no charges')
    const source = `/functions/${definition.name}`
    const traceparent = formatTraceparent(this.trace)
    const event = createEvent(
      { source, type, tenant: this.identity.tenant, traceparent, data },
      runtime.eventKey,
    )
    pending.events.push(toOutbox(event, closes))
  }

  readonly infer: Call['infer'] = (inference) => present(this.#parts.infer, 'no continuation')(inference)

  readonly charge: Call['charge'] = (resource, amount) => {
    const { charges } = present(this.#parts.pending, 'no events and no charges')
    charges[resource] = (charges[resource] ?? 0) + amount
  }
}

/** A handler that reaches for what its contract does not give it is a bug, and says so. */
function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Failure('INTERNAL', `The contract of this endpoint gives it ${what}`)
  return value
}
