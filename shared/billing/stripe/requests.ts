/** What is asked of Stripe about subscriptions. Each request says what is to be, so that it can be repeated. */
import type Stripe from 'stripe'
import { Failure } from '../../failures.ts'
import { TERMS, type BilledPlan, type Term } from '../plans.ts'
import type { Planned } from '../subscriptions/change.ts'
import type { SubscriptionRow } from '../subscriptions/rows.ts'
import { StripeSubscription, TAGS } from './objects.ts'

const MONTHS_OF_A_YEAR = 12

/** How often Stripe charges for a term. */
export function recurringOf(term: Term): { interval: 'month' | 'year'; interval_count: number } {
  const months = TERMS[term]
  return months < MONTHS_OF_A_YEAR
    ? { interval: 'month', interval_count: months }
    : { interval: 'year', interval_count: months / MONTHS_OF_A_YEAR }
}

/** Our mark on a subscription of Stripe. */
export function markOf(tenant: string, plan: BilledPlan, term: Term, from?: Date): Record<string, string> {
  return {
    [TAGS.tenant]: tenant,
    [TAGS.plan]: plan.id,
    [TAGS.planVersion]: String(plan.version),
    [TAGS.term]: term,
    ...(from === undefined ? {} : { [TAGS.from]: from.toISOString() }),
  }
}

/**
 * Changes the plan of a subscription at Stripe, which then charges it from the next term on; what is left of this one is on our own
 * invoice.
 *
 * @throws Failure PRECONDITION_FAILED where the term would change: Stripe would begin another one at once
 */
export async function changeAtProvider(
  client: Stripe,
  planned: Planned,
  row: SubscriptionRow,
  now: Date,
): Promise<void> {
  const { stripe_id } = row
  if (stripe_id === null) return
  if (planned.term !== row.term) {
    throw new Failure(
      'PRECONDITION_FAILED',
      `Cannot change to a term of a ${planned.term}: yours is paid by card`,
      {
        suggestion: 'Change the plan alone; or cancel, and buy again when the term has ended',
      },
    )
  }
  const read = StripeSubscription.parse(await client.subscriptions.retrieve(stripe_id))
  const [item] = read.items.data
  if (item === undefined) return
  const { plan, term, cents } = planned
  const from = planned.kind === 'at_end' ? planned.at : now
  await client.subscriptions.update(stripe_id, {
    items: [
      {
        id: item.id,
        price_data: {
          currency: 'usd',
          product: item.price.product,
          unit_amount: cents,
          recurring: recurringOf(term),
        },
      },
    ],
    proration_behavior: 'none',
    cancel_at_period_end: false,
    metadata: { ...read.metadata, ...markOf(read.metadata[TAGS.tenant] ?? '', plan, term, from) },
  })
}

/** From the deletion of a tenant to its erasure, which ends what it subscribed to. */
const GRACE_SECONDS = 30 * 86_400

/** Charges nothing from now on and ends with the tenant's erasure; or, without `deletedAt`, goes on as before. */
export async function setDeletedAtProvider(
  client: Stripe,
  { stripe_id, cancels_at_end }: SubscriptionRow,
  deletedAt: Date | undefined,
): Promise<void> {
  if (stripe_id === null) return
  const ends =
    deletedAt === undefined ? ('' as const) : Math.floor(deletedAt.getTime() / 1000) + GRACE_SECONDS
  await client.subscriptions.update(stripe_id, {
    pause_collection: deletedAt === undefined ? '' : { behavior: 'void' },
    // One that ends by itself is not renewed, so nothing would be charged.
    ...(cancels_at_end ? {} : { cancel_at: ends, proration_behavior: 'none' }),
  })
}

export async function setCancelingAtProvider(client: Stripe, id: string, cancels: boolean): Promise<void> {
  await client.subscriptions.update(id, { cancel_at_period_end: cancels })
}
