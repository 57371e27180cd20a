/**
 * CloudEvents as kgents writes them: JSON data, a UUIDv7 id, the tenant, and a signature that binds them.
 *
 * Whoever can reach the Broker can post an event, so the tenant in an event is believed only when the
 * signature fits. Events of the platform are signed with a key that only functions hold. A worker holds no such key: each
 * job carries one of its own, derived from the platform's, which is good for that job's results alone.
 */
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { Failure } from '../failures.ts'
import { newId } from '../new-id.ts'

/** A CloudEvent 1.0 in its JSON form, with the extensions that kgents uses. */
export interface KgentsEvent {
  specversion: '1.0'
  id: string
  /** The function or part that speaks, such as `/functions/void-entropy`. */
  source: string
  type: string
  /** RFC 3339. */
  time: string
  /** The id that a tenant's own system gave it; `id` is ours in any case. */
  originid?: string
  /** What it is about: a path or a job id. */
  subject?: string
  datacontenttype: 'application/json'
  tenantid: string
  /** The one function that this event is for, where there is just one. */
  function?: string
  traceparent?: string
  signature?: string
  data: unknown
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
  originid?: string
  data: unknown
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
  const unsigned: KgentsEvent = {
    specversion: '1.0',
    id: newId(),
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    tenantid: tenant,
    ...rest,
  }
  return { ...unsigned, signature: sign(unsigned, key) }
}

/**
 * Checks that `event` was signed by the platform, by the worker that holds its job, or by the sender of webhooks.
 *
 * @param keys the platform's event signing keys, base64url; several while they rotate. The key of webhooks where
 *   `isSenderReport`
 * @throws Failure EVENT_SYNTAX where an attribute is missing, SIGNATURE_INVALID where the signature does not fit
 */
export function verifyEvent(event: KgentsEvent, ...keys: string[]): void {
  for (const name of ['id', 'source', 'type', 'time', 'tenantid'] as const) {
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

/** Time enters as milliseconds and data in canonical form: intermediaries may write both differently. */
function sign(event: KgentsEvent, key: string): string {
  const signed = [
    event.id,
    event.source,
    event.type,
    event.tenantid,
    event.subject ?? '',
    event.function ?? '',
    Date.parse(event.time),
    canonical(event.data),
    ...(event.originid === undefined ? [] : [event.originid]),
  ]
  return createHmac('sha256', keyObjectOf(key)).update(JSON.stringify(signed)).digest('base64url')
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
  if (value === null || typeof value !== 'object') return value ?? null
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(members.map(([name, member]) => [name, canonical(member)]))
}
