/**
 * The tenant's subscription: what it is on, what a change would cost, and the change. What takes the payment provider waits for it
 * outside of any transaction; where a process dies in between, the provider's events bring the rest.
 */
import { z } from 'zod'
import { PACK_SIZES, type PackSize } from '../../shared/billing/stripe/packs.ts'
import { collectInvoice } from '../../shared/billing/stripe/collect.ts'
import { followDeletion } from '../../shared/billing/stripe/follow-deletion.ts'
import { advance } from '../../shared/billing/subscriptions/advance.ts'
import { beginBilling } from '../../shared/billing/billing.ts'
import { currentOf, liveSubscriptions } from '../../shared/billing/subscriptions/rows.ts'
import { requireOne } from '../../shared/contract/constraints.ts'
import { defineOperation, route, tick, trigger } from '../../shared/contract/define-operation.ts'
import { BILLING_EVENTS, InvoiceData } from '../../shared/events/billing-events.ts'
import { TENANT_EVENTS } from '../../shared/events/event.ts'
import { TIERS } from '../../shared/plans/tiers.ts'
import { changeSubscription, setSubscriptionCanceling } from './billing/change.ts'
import { openCheckout, openPortal } from './billing/checkout.ts'
import { Preview, previewChange } from './billing/preview.ts'
import { describeInvoice, describeSubscription, Invoice, Subscription, TermName } from './billing/schema.ts'

const PaidPlan = z.enum(TIERS).describe('One that is sold by itself')
const Wanted = z.strictObject({ plan: PaidPlan, term: TermName.default('month') })
const SubscriptionAnswer = z.strictObject({ subscription: Subscription })

const Checkout = requireOne(
  z.strictObject({
    plan: PaidPlan.optional(),
    term: TermName.default('month'),
    credits: z
      .int()
      .refine((credits) => PACK_SIZES.includes(credits as PackSize), `is one of ${PACK_SIZES.join(', ')}`)
      .meta({ enum: [...PACK_SIZES] })
      .optional()
      .describe('A pack of credits: 500 for $5, 2,500 for $20, 10,000 for $60'),
  }),
  ['plan', 'credits'],
  'either plan or credits is required',
)
const Url = z.strictObject({
  url: z.string().describe('A page of the payment provider, to be opened in a browser'),
})

const BILLING = { scopes: ['billing:write'], permission: 'billing:manage' } as const

export const billing = defineOperation({
  name: 'billing',
  summary: "The tenant's subscription, and how it is paid",
  database: 'central',
  routes: {
    get: route({
      route: 'GET /v1/billing/subscription',
      summary: 'Your subscription; null is the free plan',
      permission: 'billing:read',
      scopes: ['billing:read'],
      needs: ['postgres', 'payments'],
      input: z.strictObject({}),
      output: z.strictObject({
        subscription: Subscription.nullable(),
        payment: z.strictObject({
          card: z
            .boolean()
            .describe('Whether cards can be charged; otherwise invoices are paid by bank transfer'),
          missing: z.array(z.string()).describe('Variables that the operator has not set'),
        }),
      }),
      async handle(_input, { db, payments }) {
        const row = currentOf(await liveSubscriptions(db), new Date())
        const { hasProvider, hasWebhookSecret } = payments
        return {
          subscription: row === undefined ? null : describeSubscription(row),
          payment: {
            card: hasProvider,
            missing: [
              ...(hasProvider ? [] : ['STRIPE_API_KEY']),
              ...(hasWebhookSecret ? [] : ['STRIPE_WEBHOOK_SECRET']),
            ],
          },
        }
      },
    }),

    preview: route({
      route: 'POST /v1/billing/subscription/preview',
      summary: 'What a change of plan would cost, to the cent, and from when it would hold',
      permission: 'billing:read',
      scopes: ['billing:read'],
      needs: ['postgres', 'payments'],
      input: Wanted,
      output: Preview,
      examples: [{ summary: 'A year of Pro', input: { plan: 'pro', term: 'year' } }],
      handle: (wanted, call) => previewChange(wanted, call),
    }),

    change: route({
      ...BILLING,
      route: 'POST /v1/billing/subscription',
      summary: 'Change your plan: a larger one at once, a smaller one at the end of what is paid',
      needs: ['postgres', 'events', 'payments'],
      input: Wanted.extend({
        as_of: z.iso
          .datetime()
          .optional()
          .describe('`as_of` of a preview of the last ten minutes: the cost is the one that it showed'),
      }),
      output: SubscriptionAnswer.extend({ invoice: Invoice.nullable() }),
      examples: [{ summary: 'Pro, by the month', input: { plan: 'pro' } }],
      writes: true,
      transaction: false,
      async handle(wanted, call) {
        const { subscription, invoice } = await changeSubscription(wanted, call)
        return {
          subscription: describeSubscription(subscription),
          invoice: invoice === undefined ? null : describeInvoice(invoice),
        }
      },
    }),

    cancel: route({
      ...BILLING,
      route: 'POST /v1/billing/subscription/cancel',
      summary: 'Cancel your subscription at the end of what is paid; until then it can be resumed',
      needs: ['postgres', 'events', 'payments'],
      input: z.strictObject({}),
      output: SubscriptionAnswer,
      writes: true,
      transaction: false,
      handle: async (_input, call) => ({
        subscription: describeSubscription(await setSubscriptionCanceling(true, call)),
      }),
    }),

    resume: route({
      ...BILLING,
      route: 'POST /v1/billing/subscription/resume',
      summary: 'Go on with a subscription that was canceled and has not ended',
      needs: ['postgres', 'events', 'payments'],
      input: z.strictObject({}),
      output: SubscriptionAnswer,
      writes: true,
      transaction: false,
      handle: async (_input, call) => ({
        subscription: describeSubscription(await setSubscriptionCanceling(false, call)),
      }),
    }),

    checkout: route({
      ...BILLING,
      route: 'POST /v1/billing/checkout',
      summary: 'Open a page to buy a plan or credits by card',
      needs: ['postgres', 'payments'],
      input: Checkout,
      output: Url,
      examples: [
        { summary: 'Credits', input: { credits: 2500 } },
        { summary: 'A plan', input: { plan: 'starter', term: 'year' } },
      ],
      writes: true,
      transaction: false,
      handle: (wanted, call) => openCheckout(wanted, call),
    }),

    portal: route({
      ...BILLING,
      route: 'POST /v1/billing/portal',
      summary: 'Open a page to change cards and addresses, and to see what was paid',
      needs: ['postgres', 'payments'],
      input: z.strictObject({}),
      output: Url,
      writes: true,
      transaction: false,
      handle: (_input, call) => openPortal(call),
    }),
  },
  triggers: [
    trigger({
      name: 'collect',
      attributes: { type: BILLING_EVENTS.invoiceFinalized },
      needs: ['postgres', 'payments'],
      transaction: false,
      data: InvoiceData,
      handle: ({ invoice }, call) => collectInvoice(invoice, call),
    }),
    trigger({
      name: 'deleted',
      attributes: { type: TENANT_EVENTS.deleted },
      needs: ['postgres', 'payments'],
      transaction: false,
      data: z.object({}),
      handle: (_data, call) => followDeletion(call),
    }),
    trigger({
      name: 'restored',
      attributes: { type: TENANT_EVENTS.restored },
      needs: ['postgres', 'payments'],
      transaction: false,
      data: z.object({}),
      handle: (_data, call) => followDeletion(call),
    }),
  ],
  tick: tick({
    tenants: 'tenants_with_due_billing',
    needs: ['postgres', 'events', 'payments'],
    async handle(call) {
      await advance(await beginBilling(call, call.payments))
    },
  }),
})
