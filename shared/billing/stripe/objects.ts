/** Objects of Stripe, as far as billing reads them: whatever else they have may change. */
import { z } from 'zod'
import { STATUSES } from '../subscriptions/states.ts'

const MAX_ID = 255

/** Stripe shows another object by its id, or in full where that was asked for. */
const Reference = z
  .union([z.string().max(MAX_ID), z.looseObject({ id: z.string().max(MAX_ID) })])
  .transform((value) => (typeof value === 'string' ? value : value.id))

/** Seconds since 1970. */
const Time = z.int().transform((seconds) => new Date(seconds * 1000))

const Metadata = z.record(z.string(), z.string()).default({})

export const StripeSubscription = z.looseObject({
  id: z.string().max(MAX_ID),
  customer: Reference,
  status: z.enum(STATUSES),
  metadata: Metadata,
  cancel_at_period_end: z.boolean(),
  billing_cycle_anchor: Time,
  created: Time,
  trial_end: Time.nullish(),
  ended_at: Time.nullish(),
  items: z.looseObject({
    data: z
      .array(
        z.looseObject({
          id: z.string(),
          price: z.looseObject({
            product: Reference,
            unit_amount: z.int().nonnegative().nullish(),
            currency: z.string(),
          }),
        }),
      )
      .min(1),
  }),
})
export type StripeSubscription = z.infer<typeof StripeSubscription>

export const StripeInvoice = z.looseObject({
  id: z.string().max(MAX_ID),
  customer: Reference,
  status: z.string().nullable(),
  currency: z.string(),
  amount_paid: z.int().nonnegative(),
  total_excluding_tax: z.int().nullish(),
  attempt_count: z.int().nonnegative().default(0),
  metadata: Metadata.nullish(),
  parent: z
    .looseObject({
      subscription_details: z.looseObject({ subscription: Reference }).nullish(),
    })
    .nullish(),
})
export type StripeInvoice = z.infer<typeof StripeInvoice>

export const StripePaymentIntent = z.looseObject({
  id: z.string().max(MAX_ID),
  customer: Reference.nullish(),
  status: z.string(),
  currency: z.string(),
  amount_received: z.int().nonnegative(),
  metadata: Metadata,
})
export type StripePaymentIntent = z.infer<typeof StripePaymentIntent>

export const StripeSession = z.looseObject({
  id: z.string().max(MAX_ID),
  customer: Reference.nullish(),
  subscription: Reference.nullish(),
  payment_intent: Reference.nullish(),
})

export const StripeCustomer = z.looseObject({
  id: z.string().max(MAX_ID),
  deleted: z.boolean().default(false),
  email: z.string().max(500).nullish(),
})
export type StripeCustomer = z.infer<typeof StripeCustomer>

/** What we write on objects of Stripe, and read again from there. */
export const TAGS = {
  tenant: 'kgents_tenant',
  plan: 'kgents_plan',
  planVersion: 'kgents_plan_version',
  term: 'kgents_term',
  /** From when on the plan holds. */
  from: 'kgents_from',
  credits: 'kgents_credits',
  invoice: 'kgents_invoice',
} as const
