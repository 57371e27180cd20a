/**
 * Events of the payment provider. Each is believed by its signature, and is a reason to read what it is about from the provider; what
 * that means for the tenant is written with the event's id in one transaction, and only then is it answered. So whatever is
 * delivered twice, late or in another order comes to the same.
 */
import { z } from 'zod'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NoInput } from '../../shared/contract/define-node.ts'
import { takeDelivery } from './stripe-webhooks/take-delivery.ts'

const Counts = z.strictObject({
  events_received: z.int(),
  events_processed: z.int(),
  events_skipped: z.int(),
  events_failed: z.int(),
})

export const stripeWebhooks = defineOperation({
  name: 'stripe-webhooks',
  summary: 'Takes events of the payment provider',
  database: 'central',
  routes: {
    take: route({
      route: 'POST /webhooks/stripe',
      summary: 'An event of Stripe, signed by it; for Stripe alone',
      auth: 'none',
      needs: ['payments', 'any-tenant', 'postgres', 'events'],
      body: 'signed',
      input: z.strictObject({
        payload: z.string().describe('The body as it was signed'),
        signature: z.string().max(5000).describe('Stripe-Signature'),
      }),
      output: z.strictObject({
        status: z.enum(['received', 'skipped']),
        event_id: z.string(),
        event_type: z.string(),
      }),
      handle: (sent, call) => takeDelivery(sent, call),
    }),

    health: route({
      route: 'GET /webhooks/stripe/health',
      summary: 'Whether events of Stripe can be taken, and what became of those that came',
      auth: 'none',
      needs: ['payments'],
      input: NoInput,
      output: z.strictObject({
        status: z.enum(['ok', 'not_configured']),
        api_key_configured: z.boolean(),
        webhook_secret_configured: z.boolean(),
        metrics: Counts,
      }),
      async handle(_input, { payments }) {
        const { hasProvider, hasWebhookSecret } = payments
        const { received, processed, skipped, errors } = await payments.counts()
        return {
          status: hasProvider && hasWebhookSecret ? 'ok' : 'not_configured',
          api_key_configured: hasProvider,
          webhook_secret_configured: hasWebhookSecret,
          metrics: {
            events_received: received,
            events_processed: processed,
            events_skipped: skipped,
            events_failed: errors,
          },
        }
      },
    }),
  },
})
