/**
 * What a delivery is about, as it is at the provider now. An event says only that something happened: by the time it arrives the
 * object may have changed again, and its events come in any order.
 */
import type Stripe from 'stripe'
import {
  StripeCustomer,
  StripeInvoice,
  StripePaymentIntent,
  StripeSession,
  StripeSubscription,
} from './objects.ts'

/** Types of events that are handled. */
export const EVENT_TYPES = [
  'checkout.session.completed',
  'customer.created',
  'customer.updated',
  'customer.deleted',
  'customer.subscription.created',
  'customer.subscription.updated',
  'customer.subscription.deleted',
  'invoice.paid',
  'invoice.payment_failed',
  'payment_intent.succeeded',
] as const
export type EventType = (typeof EVENT_TYPES)[number]

export function isHandled(type: string): type is EventType {
  return (EVENT_TYPES as readonly string[]).includes(type)
}

export interface Subject {
  id: string
  /** The customer that it says it belongs to: believed only where the provider says the same of the object. */
  customer: string
}

/** What an event is about; undefined where it names no customer. */
export function subjectOf(event: { type: string; data: { object: object } }): Subject | undefined {
  const object: { id?: unknown; customer?: unknown } = event.data.object
  const { id } = object
  const customer =
    event.type.startsWith('customer.') && !event.type.startsWith('customer.subscription.')
      ? id
      : idOf(object.customer)
  return typeof id === 'string' && typeof customer === 'string' ? { id, customer } : undefined
}

function idOf(reference: unknown): unknown {
  return typeof reference === 'object' && reference !== null ? (reference as { id?: unknown }).id : reference
}

export interface Facts {
  customer?: StripeCustomer
  subscription?: StripeSubscription
  invoice?: StripeInvoice
  payment?: StripePaymentIntent
}

/**
 * Reads what an event of `type` is about, and what that belongs to.
 *
 * @returns undefined where the provider says that it is another customer's
 */
export async function readFacts(
  client: Stripe,
  type: EventType,
  { id, customer }: Subject,
): Promise<Facts | undefined> {
  const facts = await read(client, type, id)
  const owners = [
    facts.customer?.id,
    facts.subscription?.customer,
    facts.invoice?.customer,
    facts.payment?.customer,
  ]
  return owners.every((owner) => owner == null || owner === customer) ? facts : undefined
}

async function read(client: Stripe, type: EventType, id: string): Promise<Facts> {
  switch (type) {
    case 'checkout.session.completed': {
      const session = StripeSession.parse(await client.checkout.sessions.retrieve(id))
      return {
        ...(session.subscription == null ? {} : await subscriptionFacts(client, session.subscription)),
        ...(session.payment_intent == null ? {} : await paymentFacts(client, session.payment_intent)),
      }
    }
    case 'customer.created':
    case 'customer.updated':
    case 'customer.deleted':
      return { customer: StripeCustomer.parse(await client.customers.retrieve(id)) }
    case 'customer.subscription.created':
    case 'customer.subscription.updated':
    case 'customer.subscription.deleted':
      return subscriptionFacts(client, id)
    case 'invoice.paid':
    case 'invoice.payment_failed': {
      const invoice = StripeInvoice.parse(await client.invoices.retrieve(id))
      const subscription = invoice.parent?.subscription_details?.subscription
      return { invoice, ...(subscription === undefined ? {} : await subscriptionFacts(client, subscription)) }
    }
    case 'payment_intent.succeeded':
      return paymentFacts(client, id)
    default:
      return type satisfies never
  }
}

async function subscriptionFacts(client: Stripe, id: string): Promise<Facts> {
  return { subscription: StripeSubscription.parse(await client.subscriptions.retrieve(id)) }
}

async function paymentFacts(client: Stripe, id: string): Promise<Facts> {
  return { payment: StripePaymentIntent.parse(await client.paymentIntents.retrieve(id)) }
}
