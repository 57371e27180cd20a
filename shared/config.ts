/**
 * The environment, read once when a process starts. Each process declares what it needs as a zod object;
 * all problems are reported together, and there is no silent default for anything that guards data.
 */
import { z } from 'zod'

/** Reads `env` by `schema`, or throws one TypeError that names every variable that is missing or wrong. */
export function readConfig<T extends z.ZodType>(schema: T, env: NodeJS.ProcessEnv): Readonly<z.infer<T>> {
  const result = schema.safeParse(env)
  if (!result.success) throw new TypeError(`Cannot start:\n${z.prettifyError(result.error)}`)
  return Object.freeze(result.data)
}

/** Reads what `program`, such as a component, declares in `env` from the environment of this process. */
export function readEnvironment<T extends z.ZodType>(program: { env: T }): Readonly<z.infer<T>> {
  return readConfig(program.env, process.env)
}

/** A variable that holds JSON of the given shape, such as a key set. */
export function json<T extends z.ZodType>(schema: T) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text)
      } catch {
        context.addIssue({ code: 'custom', message: 'is not valid JSON' })
        return z.NEVER
      }
    })
    .pipe(schema)
}

/** A TCP port; 0 lets the system choose one. */
export const Port = z.coerce.number().int().min(0).max(65_535)

/** Texts separated by commas. */
export const List = z.string().transform((list) => list.split(',').map((text) => text.trim()))

/** Origins such as `http://tools.intern:8080`, separated by commas; absent is none. */
const OriginList = z
  .string()
  .default('')
  .transform((list) => list.split(',').flatMap((origin) => (origin.trim() === '' ? [] : [origin.trim()])))
  .pipe(z.array(z.url().refine((text) => URL.parse(text)?.origin === text, 'is more than an origin')))

/** What every program reads that calls addresses which tenants have named. */
export const EgressSettings = z.object({
  EGRESS_PRIVATE_ALLOWED: OriginList.describe(
    'Origins that requests of tenants may go to although they are private, separated by commas',
  ),
})

/** Settings of the log, shared by all processes. */
export const LogSettings = z.object({
  LOG_LEVEL: z
    .enum(['silent', 'error', 'warn', 'info', 'debug'])
    .default('info')
    .describe('What is logged: `silent`, `error`, `warn`, `info` or `debug`'),
})

/** What every part that listens reads. */
export const ServerSettings = LogSettings.extend({
  PORT: Port.default(8080).describe('Port to listen on'),
  HOST: z.string().optional().describe('Address to listen on; default is all'),
})

/** What every part that uses NATS reads; each has a user of its own. */
export const NatsSettings = z.object({
  NATS_URL: z
    .string()
    .min(1)
    .describe('NATS servers, separated by commas, the first with the user and password of this part'),
})

/** What tokens of the platform say of themselves. */
export const TokenSettings = z.object({
  PLATFORM_ISSUER: z.string().default('https://auth.kgents.io').describe('Issuer of platform tokens'),
  PLATFORM_AUDIENCE: z.string().default('https://api.kgents.io').describe('Audience of platform tokens'),
})

/** The variables that several programs read, each in its own way. */
export const DESCRIPTIONS = {
  PLATFORM_JWKS: 'Public keys of platform tokens, as a JWK set; several while they rotate',
  UPSTASH_REDIS_REST_TOKEN: 'Token of the REST protocol of Redis',
  WEBHOOK_SIGNING_KEY:
    '32 bytes, base64url: secrets of webhooks are derived from it, so it stays as long as they do',
  CLICKHOUSE_URL:
    'ClickHouse with credential and database, `https://user:password@host:8443/kgents`: traces are exported to it and read from it',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'OTLP/HTTP collector that spans go to; without it there are none',
} as const

/** Where cluster names are answered on a machine without cluster DNS. */
export const AddressSettings = z.object({
  CLUSTER_INGRESS: z
    .string()
    .optional()
    .describe('`host:port` that answers for every cluster name; unset where there is cluster DNS'),
  STATIC_HOSTS: json(z.record(z.string(), z.string()))
    .optional()
    .describe(
      'Cluster names that are answered elsewhere: `{"stream-hub.kgents.svc.cluster.local": "host:port"}`',
    ),
})
