/** Backups of the streams, their mirror, and what comes after a restore; see `--help`. Each command is a Job's. */
import { parseArgs } from 'node:util'
import postgres from 'postgres'
import { z } from 'zod'
import { List } from '../../shared/config.ts'
import { inboxPrefixOf, openNats } from '../../shared/nats/connect.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { ensureMirrors, promoteMirrors } from './mirror.ts'
import { publishAgain } from './publish-again.ts'
import { backUpStreams, restoreStreams } from './streams.ts'

const HELP = `Usage: node knative/backup/main.ts COMMAND [options]

  nats-backup --folder F [--keep-days N]    writes the streams AGENTESE and EVENTS into a new folder in F, and deletes what is
                                            older than N days (7)
  nats-restore --folder F [--name NAME]     brings them back from the newest folder in F, or from NAME; streams that are there
                                            are left alone
  mirror-ensure [--max-lag-seconds N]       makes the mirrors that are missing; fails where one has not heard of the first
                                            server for N seconds (180)
  mirror-promote                            makes streams of the mirrors
  publish-again                             has the relay publish again what it published in the last hour; stop it before

NATS_URL names the server, with the user: \`backup\` for nats-backup, \`restore\` for the others. publish-again takes
RELAY_DATABASE_URLS.
`

const TEXT = { type: 'string' } as const
const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  folder: TEXT,
  name: TEXT,
  'keep-days': TEXT,
  'max-lag-seconds': TEXT,
} as const

const Options = z.object({
  folder: z.string().min(1).optional(),
  name: z.string().min(1).optional(),
  'keep-days': z.coerce.number().positive().default(7),
  'max-lag-seconds': z.coerce.number().positive().default(180),
})
type Options = z.infer<typeof Options>

/** A problem with what was typed, for the person who typed it. */
class UsageError extends Error {}

const log = createLog('backup', 'info')

const COMMANDS: Record<string, (options: Options) => Promise<void>> = {
  'nats-backup': (options) =>
    withNats(async (nc) => {
      const { folder, streams } = await backUpStreams(nc, folderOf(options), {
        keepDays: options['keep-days'],
      })
      log.info(
        { folder, streams: streams.map(({ config, state }) => [config.name, state.messages]) },
        'backed up',
      )
    }),
  'nats-restore': (options) =>
    withNats(async (nc) => {
      const { from, restored, present } = await restoreStreams(nc, folderOf(options), options.name)
      log.info(
        { from, restored: restored.map(({ config, state }) => [config.name, state.messages]) },
        'restored',
      )
      if (present.length > 0)
        throw new Error(
          `${present.join(', ')}: there already, and left alone; stop the relay and delete it first`,
        )
    }),
  'mirror-ensure': (options) =>
    withNats(async (nc) => {
      const mirrors = await ensureMirrors(nc)
      log.info({ mirrors }, 'the mirrors')
      const late = mirrors.filter(
        ({ lag, silentMs }) => lag > 0 && silentMs > options['max-lag-seconds'] * 1000,
      )
      if (late.length > 0)
        throw new Error(`${late.map(({ stream }) => stream).join(', ')}: lags too far behind`)
    }),
  'mirror-promote': () => withNats(async (nc) => log.info({ streams: await promoteMirrors(nc) }, 'promoted')),
  async 'publish-again'() {
    for (const url of List.parse(process.env['RELAY_DATABASE_URLS'] ?? '')) {
      const sql = postgres(url, { max: 1, onnotice: () => {} })
      try {
        log.info({ events: await publishAgain(sql) }, 'to be published again')
      } finally {
        await sql.end()
      }
    }
  },
}

type Work = (nc: Awaited<ReturnType<typeof openNats>>) => Promise<void>

async function withNats(work: Work): Promise<void> {
  const url = process.env['NATS_URL']
  if (url === undefined) throw new UsageError('Cannot run without NATS_URL')
  const user = decodeURIComponent(new URL(url).username)
  const nc = await openNats(url, 'backup', { inboxPrefix: inboxPrefixOf(user) })
  try {
    await work(nc)
  } finally {
    await nc.close()
  }
}

function folderOf({ folder }: Options): string {
  if (folder === undefined) throw new UsageError('Cannot run without --folder')
  return folder
}

async function main(): Promise<void> {
  const { values, positionals } = parse()
  const [name = ''] = positionals
  if (values.help === true) return void process.stdout.write(HELP)
  const command = COMMANDS[name]
  if (command === undefined) throw new UsageError(`Cannot run "${name}": no such command`)
  const options = Options.safeParse(values)
  if (!options.success) throw new UsageError(z.prettifyError(options.error))
  await command(options.data)
}

function parse() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

try {
  await main()
} catch (error) {
  if (error instanceof UsageError) process.stderr.write(`${error.message}\n${HELP}`)
  else log.error({ err: error }, 'failed')
  process.exitCode = 1
}
