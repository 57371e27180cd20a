/** The contract of the sender of webhooks. */
import { z } from 'zod'
import { DESCRIPTIONS, EgressSettings, NatsSettings, ServerSettings } from '../../shared/config.ts'
import { defineComponent } from '../../shared/contract/component.ts'

/** Seconds before the second attempt, the third, and so on: eight attempts in twenty hours. */
export const DEFAULT_RETRY_SECONDS: readonly number[] = [5, 30, 300, 1800, 7200, 21_600, 43_200]

export const webhooks = defineComponent({
  name: 'webhooks',
  summary: 'Delivers events to the webhooks of tenants',
  program: 'gateway/webhooks/main.ts',
  env: z.object({
    ...ServerSettings.shape,
    ...NatsSettings.shape,
    WEBHOOK_SIGNING_KEY: z.string().min(43).describe(DESCRIPTIONS.WEBHOOK_SIGNING_KEY),
    WEBHOOK_RETRY_SECONDS: z
      .string()
      .default(DEFAULT_RETRY_SECONDS.join(','))
      .transform((list) => list.split(',').map(Number))
      .pipe(z.array(z.number().min(0).max(86_400)).min(1).max(20))
      .describe('Seconds between the attempts of one delivery, separated by commas'),
    WEBHOOK_TIMEOUT_SECONDS: z.coerce
      .number()
      .min(1)
      .max(30)
      .default(15)
      .describe('How long one attempt may take; JetStream gives the event to another after a minute'),
    ...EgressSettings.shape,
  }),
  secrets: ['NATS_URL', 'WEBHOOK_SIGNING_KEY'],
  nats: {
    publish: ['failed', 'recovered', 'dead', 'disabled'].map(
      (what) => `events.*.io.kgents.subscription.${what}`,
    ),
    subscribe: ['sinks.changed'],
    takes: [
      { stream: 'AGENTESE', consumer: '*' },
      { stream: 'EVENTS', consumer: '*' },
    ],
  },
  reaches: ['outside'],
  scale: {
    replicas: 2,
    cpu: { request: '100m', limit: '1' },
    memory: { request: '128Mi', limit: '512Mi' },
    // Attempts that are under way may end: WEBHOOK_TIMEOUT_SECONDS, and a little.
    graceSeconds: 35,
  },
})
