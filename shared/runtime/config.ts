/** What a function process reads from its environment. */
import { z } from 'zod'
import {
  AddressSettings,
  DESCRIPTIONS,
  EgressSettings,
  json,
  List,
  ServerSettings,
  TokenSettings,
} from '../config.ts'
import { ModelSettings } from '../models/settings.ts'

const KeySet = z.looseObject({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string() })) })
const PrivateKey = z.looseObject({ kty: z.string(), kid: z.string(), alg: z.string() })

/** The key in use, and after it those that are still believed. */
function keys() {
  return z
    .string()
    .transform((keys) => keys.split(','))
    .pipe(z.array(z.string().min(43)).min(1))
}

export const FunctionConfig = z.object({
  ...ServerSettings.shape,
  ...TokenSettings.shape,
  ...EgressSettings.shape,
  FUNCTION: z.string().min(1).describe('Names of the functions that a process serves, separated by commas'),
  DATABASE_URL: z.url().optional().describe('PostgreSQL as `kgents_app`'),
  DATABASE_CONNECTIONS: z.coerce.number().int().min(1).default(10).describe('Connections of one process'),
  DATABASE_PREPARE: z
    .enum(['on', 'off'])
    .default('off')
    .describe('`on` for named prepared statements: direct connections, or PgBouncer 1.21 and newer'),
  UPSTASH_REDIS_REST_URL: z.url().optional().meta({
    description: 'Upstash, or the part `redis-rest`; without it limits bind each process by itself',
    cluster: 'http://redis-rest.kgents.svc.cluster.local',
  }),
  UPSTASH_REDIS_REST_TOKEN: z.string().optional().describe(DESCRIPTIONS.UPSTASH_REDIS_REST_TOKEN),
  PLATFORM_JWKS: json(KeySet).describe(DESCRIPTIONS.PLATFORM_JWKS),
  PLATFORM_SIGNING_KEY: json(PrivateKey).optional().describe('Private key of platform tokens, as a JWK'),
  TOKEN_LIFETIME_SECONDS: z.coerce.number().int().min(1).default(900).describe('How long a token is good'),
  DISPATCH_JWKS: json(KeySet).describe(
    "Public keys of the tokens with which one function calls another in a caller's name, as a JWK set",
  ),
  DISPATCH_SIGNING_KEY: json(PrivateKey)
    .optional()
    .describe('Private key of the tokens with which one function calls another, as a JWK'),
  EVENT_SIGNING_KEY: keys()
    .optional()
    .describe('32 bytes, base64url: signs events; while it rotates, the new one, a comma, the old one'),
  TOOL_SECRET_KEY: keys()
    .optional()
    .describe(
      '32 bytes, base64url: seals secrets of tenants; while it rotates, the new one, a comma, the old one',
    ),
  WEBHOOK_SIGNING_KEY: z.string().min(43).optional().describe(DESCRIPTIONS.WEBHOOK_SIGNING_KEY),
  SIGNUP_ENABLED: z
    .enum(['on', 'off'])
    .default('on')
    .describe('`off`: nobody makes a tenant by `POST /v1/signup`, operators do'),
  SIGNUPS_PER_NETWORK: z.coerce
    .number()
    .int()
    .min(1)
    .default(10)
    .describe('Tenants that may sign up from one address in a day; an IPv6 network of 64 bits counts as one'),
  SIGNUPS_PER_HOUR: z.coerce
    .number()
    .int()
    .min(1)
    .default(200)
    .describe('Tenants that may sign up in an hour'),
  DNS_SERVERS: List.pipe(z.array(z.string().min(1)))
    .optional()
    .describe(
      'Name servers that proofs of domains are read from, `address:port` separated by commas; default is those of the system',
    ),
  STRIPE_API_KEY: z
    .string()
    .min(1)
    .optional()
    .describe('Secret key of Stripe; without it invoices are paid by bank transfer'),
  STRIPE_WEBHOOK_SECRET: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Secret of the endpoint `/webhooks/stripe`, as Stripe shows it; without it its events are refused',
    ),
  CLICKHOUSE_URL: z.url().optional().describe(DESCRIPTIONS.CLICKHOUSE_URL),
  STRIPE_API_URL: z.url().default('https://api.stripe.com').describe('Where Stripe answers'),
  STRIPE_AUTOMATIC_TAX: z
    .enum(['on', 'off'])
    .default('off')
    .describe('`on` lets Stripe Tax compute taxes; without it there are none'),
  CONSOLE_URL: z
    .url()
    .default('https://api.kgents.io/console')
    .describe('Where people come back to from the pages of Stripe'),
  INFERENCE_UNAVAILABLE: z
    .string()
    .optional()
    .describe('Why no model can be asked, where none can; paths that ask one then answer 503'),
  MODEL_CATALOGUE: ModelSettings.shape.MODEL_CATALOGUE,
  PUBLIC_ORIGIN: z
    .url()
    .optional()
    .describe(
      'Where browsers reach the platform, such as `https://kgents.example`; default is what the gateway reports',
    ),
  CLUSTER_INGRESS: AddressSettings.shape.CLUSTER_INGRESS,
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional().describe(DESCRIPTIONS.OTEL_EXPORTER_OTLP_ENDPOINT),
  NATS_MONITORING_URL: z
    .url()
    .optional()
    .describe("NATS's monitoring address, for the health of the platform"),
})
export type FunctionConfig = Readonly<z.infer<typeof FunctionConfig>>
