/** Makes what a handler is given, and collects what it asks to be written with its transaction. */
import { addTo } from '../amount.ts'
import type { Observer } from '../agentese/observer.ts'
import type { Accepted, Call, EveryCall, Inference } from '../contract/call.ts'
import type { FunctionDefinition } from '../contract/function.ts'
import { NEEDS, type Gives, type Need } from '../contract/needs.ts'
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

/** Told of each change of a target's state; its subject is the target and `state`. */
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
  /** What the contract of the handler declares. */
  needs: readonly Need[]
  /** The path that was called, where it is an aspect. */
  path?: string | undefined
  identity: Identity | undefined
  observer: Observer | undefined
  db: Db | undefined
  /** Absent where nothing may be left behind. */
  pending: Pending | undefined
  /** Whether events, charges and changes may be pending; a look has jobs at most. */
  mayWrite: boolean
  trace: TraceContext
  deadline: Deadline
  asked?: string | undefined
  idempotencyKey?: string | undefined
  /** Absent where there is nobody to be told. */
  repeats?: () => void
  /** Absent where no job can be asked for. */
  infer?: (inference: Inference, as: { as: string; input: unknown } | undefined) => Accepted
}

export function createCall(parts: CallParts): Call {
  return new HandlerCall(parts) as unknown as Call // reason: what needs give is defined by their table
}

/** A class, since an object literal with accessors is fifty times as dear to make (6 us, measured). */
class HandlerCall implements EveryCall {
  readonly asked: string | undefined
  readonly idempotencyKey: string | undefined
  readonly log: Log
  readonly trace: TraceContext
  readonly #parts: CallParts

  static {
    for (const need of Object.keys(NEEDS) as Need[]) {
      for (const member of NEEDS[need].gives) {
        Object.defineProperty(HandlerCall.prototype, member, {
          get(this: HandlerCall) {
            return give(member, need, this.#parts)
          },
        })
      }
    }
  }

  constructor(parts: CallParts) {
    this.#parts = parts
    this.asked = parts.asked
    this.idempotencyKey = parts.idempotencyKey
    this.log = parts.runtime.log
    this.trace = parts.trace
  }

  get identity(): Identity {
    return callerOf(this.#parts)
  }

  get observer(): Observer {
    return present(this.#parts.observer, 'observer', this.#parts, 'nobody observes')
  }

  get holon(): string {
    return present(this.#parts.path, 'holon', this.#parts, 'it is no aspect').split('.')[1] ?? ''
  }

  get signal(): AbortSignal {
    return this.#parts.deadline.signal
  }

  // As a member of its own, so that a handler may take it out of the call.
  readonly repeats = () => this.#parts.repeats?.()
}

type Member = Gives<Need>

/** Members that belong to one call; all others are the process's. As functions, so that a handler may take them out. */
const OF_CALL: { [M in Exclude<Member, keyof Platform>]: (parts: CallParts) => Call[M] } = {
  db: (parts) => present(parts.db, 'db', parts, NO_TRANSACTION),

  transact(parts) {
    if (parts.db !== undefined) throw withheld('transact', parts, 'its transaction is open already')
    return <T>(mode: 'read' | 'write', work: (call: Call) => Promise<T>) => transactApart(parts, mode, work)
  },

  charge(parts) {
    const { charges } = writing('charge', parts)
    return (resource, amount) => {
      addTo(charges, { [resource]: amount })
    }
  },

  emit(parts) {
    const { events } = writing('emit', parts)
    return (type, data, { closes } = {}) => {
      events.push(toOutbox(eventOf(parts, { type, data }), closes))
    }
  },

  passOn(parts) {
    const { events } = writing('passOn', parts)
    return (given) => {
      if (isReserved(given.type))
        throw new Failure('EVENT_SYNTAX', `Cannot pass on "${given.type}": it is ours`)
      const event = eventOf(parts, { ...given, source: tenantSource(given.source) })
      events.push(toOutbox(event))
      return event.id
    }
  },

  changed(parts) {
    const pending = writing('changed', parts)
    return (target, state) => recordChange(parts, pending, target, state)
  },

  infer: (parts) => present(parts.infer, 'infer', parts, 'nothing may be left behind'),

  endJob(parts) {
    writing('endJob', parts)
    const db = present(parts.db, 'endJob', parts, NO_TRANSACTION)
    return (end) => parts.runtime.endJob(end, { db, signal: parts.deadline.signal })
  },
}

const NO_TRANSACTION = 'it has no transaction'

/**
 * What a handler asks its call for.
 *
 * @throws Failure INTERNAL where its contract does not give it that: a bug
 */
function give(member: Member, need: Need, parts: CallParts): unknown {
  if (!parts.needs.includes(need))
    throw withheld(member, parts, `its contract does not declare the need "${need}"`)
  const ofCall = OF_CALL as Partial<Record<Member, (parts: CallParts) => unknown>>
  return ofCall[member]?.(parts) ?? parts.runtime.platform[member as keyof Platform]
}

function writing(member: Member, parts: CallParts): Pending {
  return present(parts.mayWrite ? parts.pending : undefined, member, parts, 'it may not change anything')
}

function recordChange(
  parts: CallParts,
  { changes, events }: Pending,
  target: string,
  state: Record<string, unknown> | null,
): void {
  const { id, path = '' } = parts
  const { tenant, user } = callerOf(parts)
  const at = new Date().toISOString()
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
  events.push(toOutbox(eventOf(parts, { type: CHANGED, subject: `${target}.state`, data })))
}

function eventOf(parts: CallParts, event: Omit<NewEvent, 'source' | 'tenant'> & { source?: string }) {
  const source = `/functions/${parts.function.name}`
  const traceparent = formatTraceparent(parts.trace)
  const { tenant } = callerOf(parts)
  return createEvent({ source, tenant, traceparent, ...event }, parts.runtime.eventKey)
}

function callerOf(parts: CallParts): Identity {
  return present(parts.identity, 'identity', parts, 'nobody need be known to call it')
}

/** Commits what `work` leaves behind with its own transaction. */
export async function transactApart<T>(
  parts: CallParts,
  mode: 'read' | 'write',
  work: (call: Call) => Promise<T>,
): Promise<T> {
  const { tenant } = callerOf(parts)
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

function present<T>(value: T | undefined, member: keyof Call, parts: CallParts, why: string): T {
  if (value === undefined) throw withheld(member, parts, why)
  return value
}

function withheld(member: keyof Call, { path, function: { name } }: CallParts, why: string): Failure {
  return new Failure('INTERNAL', `Cannot give "${member}" to ${path ?? name}: ${why}`)
}
