/** Writes the Secrets and the ConfigMap of a new cluster, and prints the first API key; see `--help`. */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { stringify } from 'yaml'
import { z } from 'zod'
import { components } from '../../functions/components.ts'
import { replaceFile } from '../local/write-file.ts'
import { createClusterSettings } from './settings.ts'

const HELP = `Usage: npm run cluster:settings -- --out FILE [options]

Makes the keys and passwords of a new cluster, and writes them with its settings as objects of Kubernetes.

  --out FILE               is written once, readable by you alone; keep it: what the platform seals opens with it alone
  --database URL           PostgreSQL 18 or newer, as the owner of the database
  --relay-database URL     the same database without a pooler; default is the same address
  --nats URL               such as nats://nats.kgents-agents.svc.cluster.local:4222
  --nats-replicas N        copies of each stream; default is 3
  --redis URL              Redis or Valkey, with its password
  --inference-url URL      an OpenAI-compatible server
  --inference-model NAME   the model that it is asked for
  --tenant NAME            the first tenant, such as acme
  --admin ADDRESS          e-mail address of its admin

INFERENCE_API_KEY in the environment is the key of the server with the model, where it wants one.
`

const TEXT = { type: 'string' } as const
const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  out: TEXT,
  database: TEXT,
  'relay-database': TEXT,
  nats: TEXT,
  'nats-replicas': TEXT,
  redis: TEXT,
  'inference-url': TEXT,
  'inference-model': TEXT,
  tenant: TEXT,
  admin: TEXT,
} as const

const REQUIRED = [
  'out',
  'database',
  'nats',
  'redis',
  'inference-url',
  'inference-model',
  'tenant',
  'admin',
] as const

const PostgresUrl = z.url({ protocol: /^postgres(ql)?$/, error: 'is no postgres://...' })
const Settings = z.object({
  out: z.string().min(1),
  database: PostgresUrl,
  'relay-database': PostgresUrl.optional(),
  nats: z.url({ protocol: /^(nats|tls)$/, error: 'is no nats://...' }),
  'nats-replicas': z.coerce.number().int().min(1).max(5).default(3),
  redis: z.url({ protocol: /^rediss?$/, error: 'is no redis://...' }),
  'inference-url': z.url(),
  'inference-model': z.string().min(1),
  tenant: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'is not lower-case letters, digits and -'),
  admin: z.email(),
})

/** A problem with what was typed, for the person who typed it. */
class UsageError extends Error {}

async function main(): Promise<void> {
  const { values } = parse()
  if (values.help === true) return void process.stdout.write(HELP)
  const missing = REQUIRED.filter((name) => values[name] === undefined)
  if (missing.length > 0) throw new UsageError(`Cannot make the settings without --${missing.join(', --')}`)
  const settings = Settings.safeParse(values)
  if (!settings.success) throw new UsageError(settings.error.issues.map(toLine).join('\n'))
  const { out, ...given } = settings.data
  if (existsSync(out)) throw new UsageError(`Cannot write "${out}": it is there, and its keys may be in use`)
  const { objects, apiKey } = await createClusterSettings(
    components,
    {
      databaseUrl: given.database,
      natsUrl: given.nats,
      natsReplicas: given['nats-replicas'],
      redisUrl: given.redis,
      inference: {
        url: given['inference-url'],
        model: given['inference-model'],
        ...optional('key', process.env['INFERENCE_API_KEY']),
      },
      ...optional('relayDatabaseUrl', given['relay-database']),
    },
    { slug: given.tenant, admin: given.admin },
  )
  mkdirSync(dirname(out), { recursive: true })
  replaceFile(out, objects.map((object) => stringify(object)).join('---\n'))
  process.stdout.write(
    `${out} is written. The API key of ${given.admin}, shown this once:\n\n  ${apiKey}\n\n`,
  )
}

function parse() {
  try {
    return parseArgs({ options: OPTIONS })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** Values may hold passwords, and are not repeated. */
function toLine({ path, message }: z.core.$ZodIssue): string {
  return `Cannot make the settings: --${path.join('.')}: ${message}`
}

function optional<K extends string>(name: K, value: string | undefined): { [key in K]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { [key in K]?: string })
}

try {
  await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\nnode knative/setup/main.ts --help lists all options\n`)
  process.exitCode = 1
}
