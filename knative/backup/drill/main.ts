/** Loses each part on purpose and brings it back, on this machine and with real servers; see `--help`. */
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { drillDatabase, drillMirror, drillStreams, type DrillSettings } from './drills.ts'
import { isKept, toReport, type Outcome } from './outcome.ts'
import { drillSettings } from './settings-drill.ts'

const HELP = `Usage: npm run restore:drill -- [options]

Starts PostgreSQL, NATS and the relay on this machine, writes all the time, loses one part with its disk, brings it back, and
measures how long that took (RTO) and what is missing (RPO). Fails where a promise of knative/disaster-recovery.md is not kept.

  --only NAMES             of: settings, streams, mirror, database; separated by commas
  --seconds N              how long it is written before a loss; default is 10
  --rate N                 events a second; default is 100
  --archive-timeout N      seconds after which WAL goes to the archive, as in components/postgres-cnpg; default is 60

What one machine cannot show: networks between sites, object storage, pods that are scheduled, images that are pulled. The
times here are those of the programs; a drill on a cluster adds the others.
`

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  only: { type: 'string' },
  seconds: { type: 'string' },
  rate: { type: 'string' },
  'archive-timeout': { type: 'string' },
} as const

const DRILLS = {
  settings: drillSettings,
  streams: drillStreams,
  mirror: drillMirror,
  database: drillDatabase,
} satisfies Record<string, (settings: DrillSettings) => Promise<Outcome | Outcome[]>>
type Name = keyof typeof DRILLS
const NAMES = Object.keys(DRILLS) as Name[] // reason: the keys of that very object

const Options = z.object({
  only: z
    .string()
    .transform((names) => names.split(','))
    .pipe(z.array(z.enum(NAMES)))
    .default(NAMES),
  seconds: z.coerce.number().positive().default(10),
  rate: z.coerce.number().positive().default(100),
  'archive-timeout': z.coerce.number().int().positive().default(60),
})

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS })
  if (values.help === true) return void process.stdout.write(HELP)
  const options = Options.parse(values)
  const settings = {
    seconds: options.seconds,
    perSecond: options.rate,
    archiveTimeoutSeconds: options['archive-timeout'],
    env: process.env,
  }
  const outcomes: Outcome[] = []
  for (const name of options.only) {
    process.stderr.write(`${name} ...\n`)
    outcomes.push(...[await DRILLS[name](settings)].flat())
  }
  process.stdout.write(toReport(outcomes))
  if (!outcomes.every(isKept)) process.exitCode = 1
}

try {
  await main()
} catch (error) {
  process.stderr.write(
    error instanceof z.ZodError ? `${z.prettifyError(error)}\n${HELP}` : `${String(error)}\n`,
  )
  process.exitCode = 1
}
// Clients that wait for servers which are gone would wait for ever.
process.exit()
