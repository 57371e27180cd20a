/** The members of a call that needs give, and how each is made when a handler asks for it. */
import { addTo } from '../amount.ts'
import type { Call } from '../contract/call.ts'
import type { Gives, Need } from '../contract/needs.ts'
import type { Platform } from '../contract/platform.ts'
import type { ChangeData } from '../events/agentese-events.ts'
import { createEvent, isReserved, messageIdOf, signEvent, type NewEvent } from '../events/event.ts'
import { Failure } from '../failures.ts'
import { newId } from '../new-id.ts'
import { formatTraceparent } from '../telemetry/trace.ts'
import { callerOf, present, withheld, type CallParts, type Pending } from './call-parts.ts'
import { toOutbox } from './record.ts'

/** Notified of each change of a target's state; its subject is the target and `state`. */
const CHANGED = 'io.kgents.agentese.changed'

const NO_TRANSACTION = 'it has no transaction'

type Member = Gives<Need>

/** Members of one call; all others are the process's. Functions need no `this`, so that a handler may take them out. */
const OF_CALL: {
  [M in Exclude<Member, keyof Platform | 'transact' | 'inOwn' | 'actFor'>]: (parts: CallParts) => Call[M]
} = {
  db: (parts) => present(parts.db, 'db', parts, NO_TRANSACTION),

  ofNoTenant: (parts) => parts.runtime.database.sql,

  caller: (parts) => parts.identity,

  browser: (parts) => parts.browser?.() ?? { origin: '', signIn: undefined },

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
    const { tenant } = callerOf(parts)
    return (event) => {
      if (isReserved(event.type))
        throw new Failure('EVENT_SYNTAX', `Cannot pass on "${event.type}": it is ours`)
      events.push(toOutbox(signEvent({ ...event, tenantid: tenant }, parts.runtime.eventKey)))
      return messageIdOf(event)
    }
  },

  changed(parts) {
    const pending = writing('changed', parts)
    return (target, state) => recordChange(parts, pending, target, state)
  },

  infer: (parts) => present(parts.infer, 'infer', parts, 'nothing may be left behind'),

  release(parts) {
    const { events } = writing('release', parts)
    const db = present(parts.db, 'release', parts, NO_TRANSACTION)
    const { releaseJob, eventKey } = parts.runtime
    return (job, request) => releaseJob({ job, request }, { db, events, eventKey })
  },

  begin: (parts) => present(parts.begin, 'begin', parts, 'it has no transaction that changes anything'),

  endJob(parts) {
    writing('endJob', parts)
    const db = present(parts.db, 'endJob', parts, NO_TRANSACTION)
    return (end) => parts.runtime.endJob(end, { db, signal: parts.deadline.signal })
  },
}

/**
 * What a handler asks its call for, other than `transact`.
 *
 * @throws Failure INTERNAL where its contract does not give it that: a bug
 */
export function give(member: Member, need: Need, parts: CallParts): unknown {
  checkNeed(member, need, parts)
  const ofCall = OF_CALL as Partial<Record<Member, (parts: CallParts) => unknown>>
  return ofCall[member]?.(parts) ?? parts.runtime.platform[member as keyof Platform]
}

/** @throws Failure INTERNAL where the contract of the handler does not declare `need` */
export function checkNeed(member: Member, need: Need, parts: CallParts): void {
  if (parts.needs.includes(need)) return
  throw withheld(member, parts, `its contract does not declare the need "${need}"`)
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
