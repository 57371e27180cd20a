/** What happens to a tenant's subscription, invoices and payments. Amounts are cents of US dollars. */
import { z } from 'zod'

const Cents = z.int().describe('Cents of US dollars')

export const BILLING_EVENTS = {
  subscriptionStarted: 'io.kgents.billing.subscription.started',
  subscriptionUpdated: 'io.kgents.billing.subscription.updated',
  subscriptionEnded: 'io.kgents.billing.subscription.ended',
  trialEnding: 'io.kgents.billing.trial.ending',
  invoiceFinalized: 'io.kgents.billing.invoice.finalized',
  paymentSucceeded: 'io.kgents.billing.payment.succeeded',
  paymentFailed: 'io.kgents.billing.payment.failed',
} as const

export const SubscriptionData = z.object({
  subscription: z.uuid(),
  plan: z.string(),
  plan_version: z.int(),
  term: z.string(),
  status: z.string(),
  period_end: z.iso.datetime(),
  cancels_at_end: z.boolean(),
})

export const TrialEndingData = z.object({
  subscription: z.uuid(),
  plan: z.string(),
  trial_end: z.iso.datetime(),
})

export const InvoiceData = z.object({
  invoice: z.uuid(),
  number: z.string(),
  total_cents: Cents,
  due_at: z.iso.datetime(),
})

export const PaymentSucceededData = z.object({ invoice: z.uuid(), number: z.string(), cents: Cents })

export const PaymentFailedData = z.object({
  invoice: z.uuid(),
  number: z.string(),
  open_cents: Cents,
  step: z.string().optional().describe('What is done about it now; absent where it has just failed'),
})
