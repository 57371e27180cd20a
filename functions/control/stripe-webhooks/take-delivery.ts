/** Takes one delivery of the payment provider. */
import type Stripe from 'stripe'
import { beginBilling } from '../../../shared/billing/billing.ts'
import { applyFacts } from '../../../shared/billing/stripe/apply-facts.ts'
import {
  isHandled,
  readFacts,
  subjectOf,
  type EventType,
  type Facts,
  type Subject,
} from '../../../shared/billing/stripe/read-facts.ts'
import type { Given } from '../../../shared/contract/call.ts'
import type { Db } from '../../../shared/database/database.ts'
import { Failure } from '../../../shared/failures.ts'

type Taking = Given<'payments' | 'any-tenant', never>

interface Answer {
  status: 'received' | 'skipped'
  event_id: string
  event_type: string
}

/** More often nobody else writes between a read and its effect; then the provider sends it again. */
const MAX_READS = 5

/**
 * @throws Failure EVENT_SYNTAX where it is not signed, INTERNAL where it cannot be checked; whatever keeps its effects from being
 *   written, so that the provider sends it again
 */
export async function takeDelivery(
  { payload, signature }: { payload: string; signature: string },
  call: Taking,
): Promise<Answer> {
  const { payments, log } = call
  payments.count('received')
  try {
    const event = await payments.readDelivery(payload, signature)
    const isDone = await takeEvent(event, call)
    payments.count(isDone ? 'processed' : 'skipped')
    return { status: isDone ? 'received' : 'skipped', event_id: event.id, event_type: event.type }
  } catch (error) {
    payments.count('errors')
    if (error instanceof Failure) throw error
    log.error({ err: error }, 'an event of the payment provider was not taken')
    throw new Failure('DEPENDENCY_UNAVAILABLE', 'Cannot take the event now', {
      retryAfterSeconds: 60,
      cause: error,
    })
  }
}

/** Whether the event is one of ours; what is handled already is, too. */
async function takeEvent(event: Stripe.Event, call: Taking): Promise<boolean> {
  const { type } = event
  const subject = subjectOf(event)
  if (!isHandled(type) || subject === undefined) return false
  // The tenant is the one for which we have made the customer: nothing in the event says it.
  const tenant = await call.payments.tenantOf(subject.customer)
  if (tenant === undefined) return false
  for (let reads = 0; reads < MAX_READS; reads++) {
    const seen = await call.actFor(tenant, ({ db }) => standing(db, event.id, subject))
    if (seen.isTaken) return true
    const facts = await call.payments.ask((client) => readFacts(client, type, subject))
    if (facts === undefined) {
      call.log.warn(
        { event: event.id, type },
        'an event of the payment provider names a customer of somebody else',
      )
      return false
    }
    if (await write(event, type, { subject, tenant, facts, synced: seen.synced }, call)) return true
  }
  throw new Failure(
    'DEPENDENCY_UNAVAILABLE',
    'Cannot take the event now: others of the same customer are being taken',
    {
      retryAfterSeconds: 10,
    },
  )
}

/** Whether the event was taken before, and how often the customer was read until now. */
async function standing(
  db: Db,
  event: string,
  { customer }: Subject,
): Promise<{ isTaken: boolean; synced: string }> {
  const [row] = await db<{ taken: boolean; synced: string }[]>`
    select exists (select from stripe_events where event_id = ${event}) as taken, synced from stripe_customers where id = ${customer}`
  return { isTaken: row?.taken ?? false, synced: row?.synced ?? '' }
}

interface Known {
  subject: Subject
  tenant: string
  facts: Facts
  synced: string
}

/** Writes the event with its effects; false where others have written since it was read, and may have read something newer. */
function write(event: Stripe.Event, type: EventType, known: Known, call: Taking): Promise<boolean> {
  const { subject, tenant, facts, synced } = known
  return call.actFor(tenant, async (inner) => {
    const { db } = inner
    const billing = await beginBilling(inner, call.payments)
    const fresh = await db`
      update stripe_customers set synced = synced + 1 where id = ${subject.customer} and synced = ${synced} returning id`
    if (fresh.length === 0) return false
    const first = await db`
      insert into stripe_events (event_id, tenant_id, type, created_at)
      values (${event.id}, ${tenant}, ${type}, ${new Date(event.created * 1000)}) on conflict do nothing returning event_id`
    if (first.length > 0) await applyFacts(billing, facts, call.log)
    return true
  })
}
