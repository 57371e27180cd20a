/** The contract of the stream hub. */
import { z } from 'zod'
import { AddressSettings, json, NatsSettings, ServerSettings } from '../../shared/config.ts'
import { defineComponent } from '../../shared/contract/component.ts'
import { PublicKeys } from '../../shared/identity/public-keys.ts'

export const streamHub = defineComponent({
  name: 'stream-hub',
  summary: 'Everything that waits: token streams, subscriptions, `Prefer: wait`',
  program: 'gateway/stream-hub/main.ts',
  env: z.object({
    ...ServerSettings.shape,
    ...AddressSettings.shape,
    ...NatsSettings.shape,
    PLATFORM_ISSUER: z.string().describe('Issuer of platform tokens'),
    PLATFORM_AUDIENCE: z.string().describe('Audience of platform tokens'),
    PLATFORM_JWKS: json(PublicKeys).describe(
      'Public keys of platform tokens, as a JWK set; several while they rotate',
    ),
  }),
  secrets: ['NATS_URL'],
  nats: {
    publish: ['events.*.io.kgents.subscription.dead'],
    subscribe: [],
    reads: ['TOKENS'],
    keeps: ['AGENTESE'],
  },
  reaches: ['functions'],
  // Without NATS it still answers calls; were it asked whether it reaches NATS, all of them would leave the Service at once.
  health: { live: '/health/live', ready: '/health/live' },
  scale: {
    replicas: 2,
    cpu: { request: '100m', limit: '1' },
    memory: { request: '128Mi', limit: '512Mi' },
    graceSeconds: 10,
  },
})
