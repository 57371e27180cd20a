/**
 * CloudEvents: those that kgents makes, with a UUIDv7 as id and JSON data, and those of tenants, as they were sent. Each has
 * the tenant, and a signature that binds them.
 *
 * Whoever can reach the Broker can post an event, so the tenant in an event is believed only when the
 * signature fits. Events of the platform are signed with a key that only functions hold. A worker holds no such key: each
 * job carries one of its own, derived from the platform's, which is good for that job's results alone.
 */
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { v5 as uuidv5 } from 'uuid'
import { isExactNumber, parseExactly } from '../exact-json.ts'
import { Failure } from '../failures.ts'
import { newId } from '../new-id.ts'
import { holdsJson } from './binary-form.ts'

/** A CloudEvent 1.0 in its JSON form, with the extensions that kgents uses; a tenant's may have any others. */
export interface KgentsEvent {
  specversion: '1.0'
  id: string
  /** The function or part that speaks, such as `/functions/void-entropy`, or what a tenant's own system said. */
  source: string
  type: string
  /** RFC 3339, as it was written; each of ours has one. */
  time?: string
  /** What it is about: a path or a job id. */
  subject?: string
  /** Absent is JSON. */
  datacontenttype?: string
  dataschema?: string
  tenantid: string
  /** The one function that this event is for, where there is just one. */
  function?: string
  traceparent?: string
  signature?: string
  /** JSON, or text where `datacontenttype` says so. */
  data?: unknown
  /** Data that is neither. */
  data_base64?: string
}

/** What the caller decides about a new event; id, time and signature are added. */
export interface NewEvent {
  source: string
  type: string
  tenant: string
  subject?: string
  function?: string
  traceparent?: string
  /** Of an event that happened elsewhere; absent is now. */
  time?: string
  data: unknown
}

/** Types that only the platform itself may use, however they are written. */
export function isReserved(type: string): boolean {
  return /^io\.kgents(\.|$)/i.test(type)
}

/** Those of its own that a tenant may have delivered by their types: what happens to its people. */
export const MEMBER_EVENTS = {
  invited: 'io.kgents.members.invited',
  joined: 'io.kgents.members.joined',
  removed: 'io.kgents.members.removed',
  recovered: 'io.kgents.members.recovered',
} as const
/** And what happens to a person's conversations, which is delivered to that person and to admins: that they are over, never what was said. */
const DELIVERABLE = new Set<string>([
  ...Object.values(MEMBER_EVENTS),
  'io.kgents.session.idle',
  'io.kgents.session.ended',
])

/** What happens to a tenant as a whole; `event-types.ts` has the shapes. */
export const TENANT_EVENTS = {
  provisioned: 'io.kgents.tenants.provisioned',
  deleted: 'io.kgents.tenants.deleted',
  restored: 'io.kgents.tenants.restored',
  exported: 'io.kgents.tenants.exported',
} as const

/** Whether webhooks may ask for events of `type` by this type: a tenant's own, and some about its people and their conversations. */
export function isDeliverable(type: string): boolean {
  return !isReserved(type) || DELIVERABLE.has(type)
}

/**
 * By which the platform knows an event: the id of its own; of a tenant's, a UUID made of tenant, source and id, which are what
 * distinguishes it from all others.
 */
export function messageIdOf({
  id,
  source,
  type,
  tenantid,
}: Pick<KgentsEvent, 'id' | 'source' | 'type' | 'tenantid'>): string {
  return isReserved(type) ? id : uuidv5(JSON.stringify([source, id]), tenantid)
}

/** Events that a worker may sign: those about the job whose key it was handed. */
const SIGNED_BY_JOB = /^io\.kgents\.inference\.(started|completed|failed)$/

/** Events that the sender of webhooks may sign: what became of one subscription. */
const SIGNED_BY_SENDER = /^io\.kgents\.subscription\.(failed|recovered|dead|disabled)$/

/** Whether an event of `type` is believed for the keys of webhooks, and not for those of events. */
export function isSenderReport(type: string): boolean {
  return SIGNED_BY_SENDER.test(type)
}

export function createEvent(event: NewEvent, key: string): KgentsEvent {
  const { tenant, ...rest } = event
  return signEvent(
    {
      specversion: '1.0',
      id: newId(),
      time: new Date().toISOString(),
      datacontenttype: 'application/json',
      tenantid: tenant,
      ...rest,
    },
    key,
  )
}

export function signEvent(event: KgentsEvent, key: string): KgentsEvent {
  return { ...event, signature: sign(event, key) }
}

/**
 * Checks that `event` was signed by the platform, by the worker that holds its job, or by the sender of webhooks.
 *
 * @param keys the platform's event signing keys, base64url; several while they rotate. The key of webhooks where
 *   `isSenderReport`
 * @throws Failure EVENT_SYNTAX where an attribute is missing, SIGNATURE_INVALID where the signature does not fit
 */
export function verifyEvent(event: KgentsEvent, ...keys: string[]): void {
  for (const name of ['id', 'source', 'type', 'tenantid'] as const) {
    if (typeof event[name] !== 'string' || event[name] === '') {
      throw new Failure('EVENT_SYNTAX', `Cannot read the event: attribute "${name}" is missing`)
    }
  }
  if (!keys.some((key) => fits(event, keyFor(event, key)))) {
    throw new Failure('SIGNATURE_INVALID', `Cannot accept event "${event.id}": its signature does not fit`)
  }
}

function fits(event: KgentsEvent, key: string): boolean {
  const given = Buffer.from(String(event.signature))
  const wanted = Buffer.from(sign(event, key))
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

/** The key with which a worker signs the results of one job, base64url. */
export function deriveResultKey(key: string, tenant: string, job: string): string {
  return createHmac('sha256', keyObjectOf(key)).update(`result:${tenant}:${job}`).digest('base64url')
}

/** The key with which the sender of webhooks reports on one subscription, base64url. */
export function deriveReportKey(webhookKey: string, tenant: string, subscription: string): string {
  return createHmac('sha256', keyObjectOf(webhookKey))
    .update(`report:${tenant}:${subscription}`)
    .digest('base64url')
}

function keyFor(event: KgentsEvent, key: string): string {
  const { job, subscription } = (event.data ?? {}) as { job?: unknown; subscription?: unknown }
  if (SIGNED_BY_JOB.test(event.type)) return deriveResultKey(key, event.tenantid, textOf(job))
  if (SIGNED_BY_SENDER.test(event.type)) return deriveReportKey(key, event.tenantid, textOf(subscription))
  return key
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/**
 * Covers every attribute but those that intermediaries may add: the trace context, and what Knative names `knative...`. Time
 * enters as milliseconds, data in canonical form and all others as text: intermediaries may write them differently.
 */
function sign(event: KgentsEvent, key: string): string {
  const { id, source, type, tenantid, subject = '', function: only = '', time = '' } = event
  const others = othersOf(event)
  const signed = [
    id,
    source,
    type,
    tenantid,
    subject,
    only,
    Date.parse(time),
    canonicalData(event),
    ...(others.length === 0 ? [] : [others]),
  ]
  return createHmac('sha256', keyObjectOf(key)).update(JSON.stringify(signed)).digest('base64url')
}

/** What is signed by its place, or not at all. */
const NOT_AMONG_OTHERS = new Set(
  'specversion id source type tenantid subject function time data data_base64 signature traceparent tracestate'.split(
    ' ',
  ),
)

/** All other attributes, in order, with their values as text. */
function othersOf(event: KgentsEvent): [name: string, value: string][] {
  const others: [string, string][] = []
  for (const [name, value] of Object.entries(event)) {
    if (NOT_AMONG_OTHERS.has(name) || name.startsWith('knative') || value === undefined) continue
    // JSON is meant where there is no type.
    if (name !== 'datacontenttype' || value !== 'application/json') others.push([name, String(value)])
  }
  return others.sort(([a], [b]) => (a < b ? -1 : 1))
}

/** The same for the same bytes, in whichever form they came. */
function canonicalData({ data, data_base64: base64, datacontenttype: type }: KgentsEvent): unknown {
  if (base64 === undefined && holdsJson(type)) return canonical(data)
  if (base64 === undefined) return Buffer.from(textOf(data)).toString('base64')
  if (!holdsJson(type)) return base64
  try {
    return canonical(parseExactly(Buffer.from(base64, 'base64').toString()))
  } catch {
    return base64
  }
}

/** Keys in the form in which they are used: to make that anew for each signature costs six times the signature. */
const keyObjects = new LRUCache<string, KeyObject>({ max: 100 })

function keyObjectOf(key: string): KeyObject {
  let known = keyObjects.get(key)
  if (known === undefined) {
    known = createSecretKey(key, 'base64url')
    keyObjects.set(key, known)
  }
  return known
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (value === null || typeof value !== 'object' || isExactNumber(value)) return value ?? null
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(members.map(([name, member]) => [name, canonical(member)]))
}
