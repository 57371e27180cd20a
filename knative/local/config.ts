/** What `npm start` reads from the environment. Everything has a default: nothing needs to be set. */
import { isIPv6 } from 'node:net'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { LogSettings, Port } from '../../shared/config.ts'

export const LocalConfig = LogSettings.extend({
  /** Where the gateway listens; 0 is any port that is free. */
  PORT: Port.default(8000),
  HOST: z.string().default('127.0.0.1'),
  /** Folder of everything that outlives a restart. */
  KGENTS_STATE: z
    .string()
    .default(fileURLToPath(new URL('../../.kgents', import.meta.url)))
    .transform((path) => resolve(path)),
  /** Folder of compiled modules, which processes share; in the state folder unless it is set. */
  NODE_COMPILE_CACHE: z.string().optional(),
  /** Knative's times, multiplied by this: 1 keeps an idle function for about a minute, 0.25 for a quarter of it. */
  KNATIVE_TIME_SCALE: z.coerce.number().positive().max(1).default(0.25),
  /** Workers, and how long one may be silent before its job goes to another. */
  WORKERS: z.coerce.number().int().min(0).max(16).default(1),
  ACK_WAIT_SECONDS: z.coerce.number().int().min(1).default(15),
  /** Seconds from the end of a server to its next start. */
  RESTART_SECONDS: z.coerce.number().min(0).default(0.5),
  /** Seconds between the attempts of one delivery. */
  WEBHOOK_RETRY_SECONDS: z.string().optional(),
  /** `off` starts without a model. */
  INFERENCE: z.enum(['on', 'off']).default('on'),
  /** Private origins, separated by commas, that tenants may have called, by webhooks and tools. */
  EGRESS_PRIVATE_ALLOWED: z.string().optional(),
  /** Where usage is exported to, where set. */
  OPENMETER_URL: z.url().optional(),
  OPENMETER_API_KEY: z.string().optional(),
  LAGO_URL: z.url().optional(),
  LAGO_API_KEY: z.string().optional(),
  /** Used instead of the servers that come along, where set. */
  DATABASE_URL: z.url().optional(),
  NATS_URL: z.string().optional(),
  NATS_MONITORING_URL: z.url().optional(),
  REDIS_URL: z.url().optional(),
  UPSTASH_REDIS_REST_URL: z.url().optional(),
  UPSTASH_REDIS_REST_TOKEN: z.string().optional(),
  STRIPE_API_KEY: z.string().optional(),
  STRIPE_WEBHOOK_SECRET: z.string().optional(),
  STRIPE_API_URL: z.string().optional(),
  STRIPE_AUTOMATIC_TAX: z.string().optional(),
  CONSOLE_URL: z.string().optional(),
  INFERENCE_BASE_URL: z.string().optional(),
  INFERENCE_API_KEY: z.string().optional(),
  INFERENCE_MODEL: z.string().optional(),
  INFERENCE_EMBEDDING_MODEL: z.string().optional(),
  INFERENCE_SERVER_NAMES: z.string().optional(),
  INFERENCE_CAN_CONTINUE: z.string().optional(),
  INFERENCE_THREADS: z.string().optional(),
  MODEL_CATALOGUE: z.string().optional(),
  MODEL_PATH: z.string().optional(),
  EMBEDDING_MODEL_PATH: z.string().optional(),
})

/** What other programs on this machine, such as pip, are started with. */
export const inherited: NodeJS.ProcessEnv = process.env

export type LocalConfig = Readonly<z.infer<typeof LocalConfig>>

/** Values that may hold a password are not repeated to whoever reads the message. */
const SECRET = /URL|KEY|TOKEN/

/** Reads the environment, in which an empty variable is one that is not set; one line per problem. */
export function readLocalConfig(env: NodeJS.ProcessEnv): LocalConfig {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const result = LocalConfig.safeParse(given)
  if (result.success) return Object.freeze(result.data)
  const lines = result.error.issues.map(({ path, message }) => {
    const name = path.join('.')
    const value = SECRET.test(name) ? name : `${name} "${given[name]}"`
    return `Cannot start: ${value}: ${message}`
  })
  throw new TypeError(lines.join('\n'))
}

/** Where the platform answers, as a person on this machine writes it. */
export function addressOf({ HOST, PORT }: LocalConfig): string {
  const isLocal = ['127.0.0.1', '0.0.0.0', '::1', '::'].includes(HOST)
  return `http://${isLocal ? 'localhost' : isIPv6(HOST) ? `[${HOST}]` : HOST}:${PORT}`
}
