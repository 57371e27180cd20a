/** `kgents-admin`: what is done to a platform before anybody can sign in to it; see `--help`. */
import { parseArgs } from 'node:util'
import type { z } from 'zod'
import { UsageError } from '../usage-error.ts'
import { bootstrap, Bootstrap } from './bootstrap.ts'

const HELP = `Usage: npm run admin -- bootstrap --email ADDRESS --slug NAME [--name TEXT] [--person TEXT]

Makes the first tenant of a platform and its first operator, and prints that operator's API key, this once. It refuses where
there is an operator already: operators appoint each other (POST /v1/operator/operators) and make all other tenants.

  --email ADDRESS   e-mail address of the operator
  --slug NAME       short name of the operators' tenant: lower-case letters, digits and -
  --name TEXT       name of that tenant; default is its slug
  --person TEXT     name of the operator; default is the address

DATABASE_URL in the environment is PostgreSQL as the owner of the database, or as a role that is a member of kgents_admin,
which can do this alone. The schema must be there: the setup Job of the manifests makes it.
`

const TEXT = { type: 'string' } as const
const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  email: TEXT,
  slug: TEXT,
  name: TEXT,
  person: TEXT,
} as const

async function main(): Promise<void> {
  const { values, positionals } = parse()
  if (values.help === true) return void process.stdout.write(HELP)
  const [command, ...rest] = positionals
  if (command !== 'bootstrap' || rest.length > 0)
    throw new UsageError(`Cannot run "${positionals.join(' ')}": the one command is bootstrap`)
  const wanted = Bootstrap.safeParse({ ...values, databaseUrl: process.env['DATABASE_URL'] })
  if (!wanted.success) throw new UsageError(wanted.error.issues.map(toLine).join('\n'))
  const { tenant, key } = await bootstrap(wanted.data)
  process.stdout
    .write(`Tenant "${wanted.data.slug}" (${tenant}) is made, and "${wanted.data.email}" operates the platform.
The API key, shown this once:

  ${key}
`)
}

function parse() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** Values may hold passwords, and are not repeated. */
function toLine({ path, message }: z.core.$ZodIssue): string {
  const name = path.join('.')
  return `Cannot bootstrap: ${name === 'databaseUrl' ? 'DATABASE_URL' : `--${name}`} ${message}`
}

try {
  await main()
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  process.stderr.write(`${error.message}\nnode knative/admin/main.ts --help lists all options\n`)
  process.exitCode = 1
}
