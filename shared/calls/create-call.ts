/** Makes what a handler is given, and writes what it leaves behind in transactions of its own. */
import type { Observer } from '../agentese/observer.ts'
import type { ActFor, Call, EveryCall, InOwn, Transact } from '../contract/call.ts'
import { NEEDS, type Need } from '../contract/needs.ts'
import { areTogether, withTenant } from '../database/database.ts'
import type { Identity } from '../identity/identity.ts'
import { newId } from '../new-id.ts'
import type { Log } from '../telemetry/log.ts'
import type { TraceContext } from '../telemetry/trace.ts'
import { checkNeed, give } from './call-members.ts'
import { callerOf, nothingPending, present, withheld, type CallParts } from './call-parts.ts'
import { chargedFor, settledCharges, writeRecords } from './record.ts'
import { databaseOf } from './runtime.ts'

export function createCall(parts: CallParts): Call {
  return new HandlerCall(parts) as unknown as Call // reason: what needs give is defined by their table
}

/** A class, since an object literal with accessors is fifty times as dear to make (6 us, measured). */
class HandlerCall implements EveryCall {
  readonly requestedArchetype: string | undefined
  readonly idempotencyKey: string | undefined
  readonly address: string | undefined
  readonly log: Log
  readonly trace: TraceContext
  readonly #parts: CallParts

  static {
    for (const need of Object.keys(NEEDS) as Need[]) {
      for (const member of NEEDS[need].gives) {
        if (member === 'transact' || member === 'inOwn' || member === 'actFor') continue
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
    this.requestedArchetype = parts.requestedArchetype
    this.idempotencyKey = parts.idempotencyKey
    this.address = parts.address
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

  get transact(): Transact<Need> {
    const parts = this.#parts
    checkNeed('transact', 'postgres', parts)
    if (parts.db !== undefined) throw withheld('transact', parts, 'its transaction is open already')
    return <T>(mode: 'read' | 'write', work: (call: Call) => Promise<T>) => transactApart(parts, mode, work)
  }

  get inOwn(): InOwn {
    const parts = this.#parts
    checkNeed('inOwn', 'postgres', parts)
    return (mode, work) => transactInOwn(parts, mode, work)
  }

  get actFor(): ActFor {
    const parts = this.#parts
    checkNeed('actFor', 'any-tenant', parts)
    return (identity, mode, work) => transactApart({ ...parts, identity, db: undefined }, mode, work)
  }

  // As a member of its own, so that a handler may take it out of the call.
  readonly repeats = () => this.#parts.repeats?.()
}

/** In the tenant's own database, of which the transaction of the call is part unless the tenant has a silo. */
async function transactInOwn<T>(
  parts: CallParts,
  mode: 'read' | 'write',
  work: (call: Call) => Promise<T>,
): Promise<T> {
  const { database } = parts.runtime
  const isHere = parts.db !== undefined && (await areTogether(database, callerOf(parts).tenant))
  return isHere ? work(createCall(parts)) : transactApart({ ...parts, db: undefined }, mode, work, database)
}

/** Commits what `work` leaves behind with its own transaction. */
export async function transactApart<T>(
  parts: CallParts,
  mode: 'read' | 'write',
  work: (call: Call) => Promise<T>,
  database = databaseOf(parts.runtime, parts.function),
): Promise<T> {
  const { tenant } = callerOf(parts)
  return withTenant(database, tenant, mode, async (db) => {
    const pending = nothingPending()
    const mayWrite = mode === 'write'
    const result = await work(createCall({ ...parts, db, pending, mayWrite }))
    const { events, changes } = pending
    const path = parts.path ?? parts.function.name
    const charges = settledCharges(tenant, newId(), path, pending.charges, chargedFor(callerOf(parts)))
    writeRecords(db, { marks: [], events, charges, changes })
    return result
  })
}
