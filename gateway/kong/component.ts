/** The contract of the gateway: Kong on a cluster, and one of our own that reads the same file on one machine. */
import { z } from 'zod'
import { AddressSettings, DESCRIPTIONS, json, List, Port, ServerSettings } from '../../shared/config.ts'
import { defineComponent } from '../../shared/contract/component.ts'
import { PublicKeys } from '../../shared/identity/public-keys.ts'

const STATUS_PORT = 8100

export const gateway = defineComponent({
  name: 'gateway',
  summary: 'Verifies tokens, limits what is coarse, and routes',
  program: 'gateway/local/main.ts',
  env: z.object({
    ...ServerSettings.shape,
    ...AddressSettings.shape,
    PORT: Port.default(8000).describe('Port to listen on'),
    STATUS_PORT: Port.default(STATUS_PORT).describe('Port of metrics and readiness'),
    KONG_CONFIG: z
      .string()
      .optional()
      .describe('The rendered configuration; default is `gateway/kong/kong.yaml`'),
    KONG_DECLARATIVE_CONFIG: z
      .string()
      .default('/etc/kong/kong.yaml')
      .describe('The file that Kong reads; `deploy.ts` writes it, and kong.conf beside it'),
    PLATFORM_JWKS: json(PublicKeys).describe(DESCRIPTIONS.PLATFORM_JWKS),
    CORS_ORIGINS: List.optional().describe('Sites that may call, separated by commas; default is all'),
    TRUSTED_PROXIES: List.pipe(z.array(z.union([z.cidrv4(), z.cidrv6()])))
      .optional()
      .describe(
        'Networks of the proxies in front of Kong, separated by commas; nobody else is believed about the address of a client',
      ),
    CLIENT_ADDRESS_HEADER: z
      .enum(['CF-Connecting-IP', 'X-Forwarded-For'])
      .default('X-Forwarded-For')
      .describe('Where these proxies say whose request it is'),
    OTEL_TRACES_ENDPOINT: z.url().optional().describe('OTLP/HTTP collector of the spans of Kong'),
    TRACES_SAMPLING_RATE: z.coerce
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe('Part of the traces that begin at the gateway which is sampled, from 0 to 1'),
  }),
  secrets: [],
  reaches: ['functions', 'parts', 'telemetry'],
  open: true,
  health: { live: '/status', ready: '/status/ready', port: STATUS_PORT },
  image: {
    image: 'kong:3.9.3',
    prepare: 'gateway/kong/deploy.ts',
    settings: '/etc/kong',
    scratch: ['/kong_prefix'],
    env: { KONG_PREFIX: '/kong_prefix' },
  },
  scale: {
    replicas: 2,
    cpu: { request: '500m', limit: '2' },
    memory: { request: '256Mi', limit: '1Gi' },
    graceSeconds: 15,
  },
})
