/** Writes the Secrets and the ConfigMap of a new cluster, and prints the first API key; see `--help`. */
import { UsageError } from '../usage-error.ts'
import { existsSync, mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { stringify } from 'yaml'
import { z } from 'zod'
import { components } from '../../functions/components.ts'
import { replaceFile } from '../local/write-file.ts'
import { NOTHING, readKept, type Kept } from './kept.ts'
import { createClusterSettings, type ClusterServers, type FirstTenant } from './settings.ts'

const HELP = `Usage: npm run cluster:settings -- --out FILE [options]

Makes the keys and passwords of a new cluster, and writes them with its settings as objects of Kubernetes. A server that is
not given is the one of knative/manifests/components, and gets its passwords too.

  --out FILE               is written once, readable by you alone; keep it: what the platform seals opens with it alone
  --tenant NAME            the first tenant, such as acme; required, as is the next
  --admin ADDRESS          e-mail address of its admin
  --inference-url URL      an OpenAI-compatible server; default is that of the component ollama
  --inference-model NAME   the model that it is asked for

  --from FILE              an earlier file: all of it is kept, and what is missing is added; nothing is required then, and what
                           is given replaces what was
  --database URL           PostgreSQL 18 or newer that is there already, as the owner of the database
  --relay-database URL     the same database without a pooler; default is the same address
  --pooler                 functions reach that database through the component pgbouncer, as they reach our own
  --nats URL               NATS that is there already, with the accounts of components/nats/accounts.conf
  --nats-replicas N        copies of each stream; default is 3
  --redis URL              Redis or Valkey that is there already, with its password
  --backup-bucket NAME     object storage for backups, with the key in BACKUP_ACCESS_KEY_ID and BACKUP_SECRET_ACCESS_KEY
  --backup-endpoint URL    its address, where it is not AWS
  --backup-region NAME     default is us-east-1

INFERENCE_API_KEY in the environment is the key of the server with the model, where it wants one.
`

const TEXT = { type: 'string' } as const
const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  out: TEXT,
  from: TEXT,
  database: TEXT,
  'relay-database': TEXT,
  pooler: { type: 'boolean' },
  nats: TEXT,
  'nats-replicas': TEXT,
  redis: TEXT,
  'inference-url': TEXT,
  'inference-model': TEXT,
  tenant: TEXT,
  admin: TEXT,
  'backup-bucket': TEXT,
  'backup-endpoint': TEXT,
  'backup-region': TEXT,
} as const

/** Without an earlier file. */
const REQUIRED = ['tenant', 'admin'] as const

const PostgresUrl = z.url({ protocol: /^postgres(ql)?$/, error: 'is no postgres://...' })
const Settings = z.object({
  out: z.string().min(1),
  database: PostgresUrl.optional(),
  'relay-database': PostgresUrl.optional(),
  pooler: z.boolean().optional(),
  nats: z.url({ protocol: /^(nats|tls)$/, error: 'is no nats://...' }).optional(),
  'nats-replicas': z.coerce.number().int().min(1).max(5).optional(),
  redis: z.url({ protocol: /^rediss?$/, error: 'is no redis://...' }).optional(),
  'inference-url': z.url().optional(),
  'inference-model': z.string().min(1).optional(),
  tenant: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, 'is not lower-case letters, digits and -')
    .optional(),
  admin: z.email().optional(),
  'backup-bucket': z.string().min(3).optional(),
  'backup-endpoint': z.url({ protocol: /^https?$/, error: 'is no https://...' }).optional(),
  'backup-region': z.string().min(1).default('us-east-1'),
})
type Settings = z.infer<typeof Settings>

async function main(): Promise<void> {
  const { values } = parse()
  if (values.help === true) return void process.stdout.write(HELP)
  const needed = ['out', ...(values.from === undefined ? REQUIRED : [])] as const
  const missing = needed.filter((name) => values[name as keyof typeof values] === undefined)
  if (missing.length > 0) throw new UsageError(`Cannot make the settings without --${missing.join(', --')}`)
  const settings = Settings.safeParse(values)
  if (!settings.success) throw new UsageError(settings.error.issues.map(toLine).join('\n'))
  const given = settings.data
  if (given['inference-url'] !== undefined && given['inference-model'] === undefined)
    throw new UsageError('Cannot make the settings: --inference-url is of no use without --inference-model')
  if (existsSync(given.out)) {
    throw new UsageError(
      `Cannot write "${given.out}": it is there, and its keys may be in use; --from ${given.out} with another --out adds what is missing`,
    )
  }
  const kept = values.from === undefined ? NOTHING : await readEarlier(values.from)
  const { objects, apiKey } = await createClusterSettings(components, serversOf(given), tenantOf(given), kept)
  mkdirSync(dirname(given.out), { recursive: true })
  replaceFile(given.out, objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n'))
  process.stdout.write(`${given.out} is written. ${aboutKey(apiKey)}\n`)
}

function aboutKey(apiKey: string | undefined): string {
  return apiKey === undefined
    ? 'The keys of before are in it.'
    : `The API key of the first admin, shown this once:\n\n  ${apiKey}\n`
}

async function readEarlier(file: string): Promise<Kept> {
  try {
    return readKept(await readFile(file, 'utf8'))
  } catch (error) {
    throw new UsageError(`Cannot read "${file}": ${messageOf(error)}`, { cause: error })
  }
}

function serversOf(given: Settings): ClusterServers {
  return {
    ...optional('databaseUrl', given.database),
    ...optional('relayDatabaseUrl', given['relay-database']),
    ...optional('natsUrl', given.nats),
    ...optional('redisUrl', given.redis),
    ...(given.pooler === undefined ? {} : { pooler: given.pooler }),
    ...(given['nats-replicas'] === undefined ? {} : { natsReplicas: given['nats-replicas'] }),
    inference: {
      ...optional('url', given['inference-url']),
      ...optional('model', given['inference-model']),
      ...optional('key', process.env['INFERENCE_API_KEY']),
    },
    ...backupsOf(given),
  }
}

function backupsOf(given: Settings): Pick<ClusterServers, 'backups'> {
  const { BACKUP_ACCESS_KEY_ID: keyId, BACKUP_SECRET_ACCESS_KEY: key } = process.env
  const { 'backup-bucket': bucket, 'backup-endpoint': endpoint, 'backup-region': region } = given
  if (bucket === undefined) return {}
  if (keyId === undefined || key === undefined) {
    throw new UsageError(
      'Cannot make the settings: --backup-bucket: BACKUP_ACCESS_KEY_ID and BACKUP_SECRET_ACCESS_KEY are required in the environment',
    )
  }
  return { backups: { bucket, region, keyId, key, ...optional('endpoint', endpoint) } }
}

function tenantOf({ tenant, admin }: Settings): FirstTenant {
  return { ...optional('slug', tenant), ...optional('admin', admin) }
}

function parse() {
  try {
    return parseArgs({ options: OPTIONS })
  } catch (error) {
    throw new UsageError(messageOf(error), { cause: error })
  }
}

/** Values may hold passwords, and are not repeated. */
function toLine({ path, message }: z.core.$ZodIssue): string {
  return `Cannot make the settings: --${path.join('.')}: ${message}`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
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
