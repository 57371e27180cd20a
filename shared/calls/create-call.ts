/** Makes what a handler is given, and collects what it asks to be written with its transaction. */
import { addTo } from '../amount.ts'
import type { Observer } from '../agentese/observer.ts'
import type { Accepted, Call, Inference } from '../contract/call.ts'
import type { FunctionDefinition } from '../contract/function.ts'
import type { Platform } from '../contract/platform.ts'
import { withTenant, type Db } from '../database/database.ts'
import type { ChangeData } from '../events/agentese-events.ts'
import { createEvent, type NewEvent } from '../events/event.ts'
import { isReserved, tenantSource } from '../events/tenant-event.ts'
import { Failure } from '../failures.ts'
import type { Identity } from '../identity/identity.ts'
import { newId } from '../new-id.ts'
import type { Log } from '../telemetry/log.ts'
import { formatTraceparent, type TraceContext } from '../telemetry/trace.ts'
import type { Deadline } from './deadline.ts'
import type { NewJob } from './job-call.ts'
import { settledCharges, toOutbox, writeRecords, type ChangeRow, type OutboxRow } from './record.ts'
import type { Runtime } from './runtime.ts'

/** Notified of each change of a target's state; its subject is the target and `state`. */
const CHANGED = 'io.kgents.agentese.changed'

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
  /** Absent where nobody is to be notified. */
  repeats?: () => void
  /** Absent where no job can be asked for. */
  infer?: (inference: Inference, as: { as: string; input: unknown } | undefined) => Accepted
}

export function createCall(parts: CallParts): Call {
  return new HandlerCall(parts)
}

/** A class, since an object literal with accessors is fifty times as dear to make (6 us, measured). */
class HandlerCall implements Call {
  readonly requestedArchetype: string | undefined
  readonly idempotencyKey: string | undefined
  readonly log: Log
  readonly trace: TraceContext
  readonly platform: Platform
  readonly #parts: CallParts

  constructor(parts: CallParts) {
    this.#parts = parts
    this.requestedArchetype = parts.requestedArchetype
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

  get holon(): string {
    return present(this.#parts.path, 'no path').split('.')[1] ?? ''
  }

  get signal(): AbortSignal {
    return this.#parts.deadline.signal
  }

  // As members of their own, so that a handler may take them out of the call.
  readonly emit: Call['emit'] = (type, data, { closes } = {}) => {
    this.#writing().events.push(toOutbox(this.#event({ type, data }), closes))
  }

  readonly passOn: Call['passOn'] = (given) => {
    if (isReserved(given.type))
      throw new Failure('EVENT_SYNTAX', `Cannot pass on "${given.type}": it is ours`)
    const event = this.#event({ ...given, source: tenantSource(given.source) })
    this.#writing().events.push(toOutbox(event))
    return event.id
  }

  readonly changed: Call['changed'] = (target, state) => {
    const { changes, events } = this.#writing()
    const { id, path = '' } = this.#parts
    const at = new Date().toISOString()
    const { tenant, user } = this.identity
    changes.push({
      id: newId(),
      tenant_id: tenant,
      target,
      state,
      path,
      user_id: user,
      invocation_id: id,
      at,
    })
    const data: ChangeData = { target, path, state, at, user }
    events.push(toOutbox(this.#event({ type: CHANGED, subject: `${target}.state`, data })))
  }

  readonly infer: Call['infer'] = (inference, as) => present(this.#parts.infer, 'no model')(inference, as)

  readonly repeats: Call['repeats'] = () => this.#parts.repeats?.()

  readonly charge: Call['charge'] = (resource, amount) => {
    const { charges } = this.#writing()
    addTo(charges, { [resource]: amount })
  }

  readonly transact: Call['transact'] = (mode, work) => transactApart(this.#parts, mode, work)

  #writing(): Pending {
    return present(this.#parts.mayWrite ? this.#parts.pending : undefined, 'no events and no charges')
  }

  #event(event: Omit<NewEvent, 'source' | 'tenant'> & { source?: string }) {
    const { runtime, function: definition } = this.#parts
    const source = `/functions/${definition.name}`
    const traceparent = formatTraceparent(this.trace)
    return createEvent({ source, tenant: this.identity.tenant, traceparent, ...event }, runtime.eventKey)
  }
}

/** Commits what `work` leaves behind with its own transaction. */
async function transactApart<T>(
  parts: CallParts,
  mode: 'read' | 'write',
  work: (call: Call) => Promise<T>,
): Promise<T> {
  const { tenant } = present(parts.identity, 'no caller')
  return withTenant(parts.runtime.database, tenant, mode, async (db) => {
    const pending = nothingPending()
    const mayWrite = mode === 'write'
    const result = await work(createCall({ ...parts, db, pending, mayWrite }))
    const { events, changes } = pending
    const charges = settledCharges(tenant, newId(), parts.path ?? parts.function.name, pending.charges)
    writeRecords(db, { marks: [], events, charges, changes })
    return result
  })
}

/** A handler that reaches for what its contract does not give it is a bug, and says so. */
function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Failure('INTERNAL', `The contract of this endpoint gives it ${what}`)
  return value
}
