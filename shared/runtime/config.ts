/** What a function process reads from its environment. */
import { z } from 'zod'
import { json, LogSettings, OriginList, Port } from '../config.ts'

const KeySet = z.looseObject({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string() })) })
const PrivateKey = z.looseObject({ kty: z.string(), kid: z.string(), alg: z.string() })

/** The key in use, and after it those that are still believed. */
function keys() {
  return z
    .string()
    .transform((keys) => keys.split(','))
    .pipe(z.array(z.string().min(43)).min(1))
}

export const FunctionConfig = LogSettings.extend({
  /** Names of the functions to serve, separated by commas. */
  FUNCTION: z.string().min(1),
  PORT: Port.default(8080),
  /** All addresses, as Knative asks for. */
  HOST: z.string().default('0.0.0.0'),
  /** Absent where no served function has a database in its contract. */
  DATABASE_URL: z.url().optional(),
  DATABASE_CONNECTIONS: z.coerce.number().int().min(1).default(10),
  /** Named prepared statements; `off` behind a PgBouncer before 1.21 in transaction mode. */
  DATABASE_PREPARE: z.enum(['on', 'off']).default('off'),
  UPSTASH_REDIS_REST_URL: z.url().optional(),
  UPSTASH_REDIS_REST_TOKEN: z.string().optional(),
  PLATFORM_ISSUER: z.string().default('https://auth.kgents.io'),
  PLATFORM_AUDIENCE: z.string().default('https://api.kgents.io'),
  PLATFORM_JWKS: json(KeySet),
  PLATFORM_SIGNING_KEY: json(PrivateKey).optional(),
  TOKEN_LIFETIME_SECONDS: z.coerce.number().int().min(1).default(900),
  DISPATCH_JWKS: json(KeySet),
  DISPATCH_SIGNING_KEY: json(PrivateKey).optional(),
  /** 32 bytes, base64url. While it rotates: the new key, a comma, the old one, which is still believed. */
  EVENT_SIGNING_KEY: keys().optional(),
  /** 32 bytes, base64url: seals the secrets of tools. While it rotates: the new key, a comma, the old one. */
  TOOL_SECRET_KEY: keys().optional(),
  /** 32 bytes, base64url: the secrets of webhooks are derived from it, so it stays as long as they do. */
  WEBHOOK_SIGNING_KEY: z.string().min(43).optional(),
  /** Origins that requests of tenants may go to although they are private, separated by commas. */
  EGRESS_PRIVATE_ALLOWED: OriginList,
  /** Why no model can be asked; absent where one can. */
  INFERENCE_UNAVAILABLE: z.string().optional(),
  /** `host:port` that answers for all functions where there is no cluster DNS. */
  CLUSTER_INGRESS: z.string().optional(),
  /** OTLP/HTTP collector that spans go to; absent is no tracing. */
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url().optional(),
  NATS_MONITORING_URL: z.url().optional(),
})
export type FunctionConfig = Readonly<z.infer<typeof FunctionConfig>>
