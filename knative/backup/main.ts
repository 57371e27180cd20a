/** Backups of the streams, their mirror, and what comes after a restore; see `--help`. Each command is a Job's. */
import { UsageError } from '../usage-error.ts'
import { parseArgs } from 'node:util'
import type { NatsConnection } from 'nats'
import { z } from 'zod'
import { inboxPrefixOf, openNats } from '../../shared/nats/connect.ts'
import { createLog } from '../../shared/telemetry/log.ts'
import { ensureMirrors, restoreFromMirror } from './mirror.ts'
import type { StreamMeta } from './stream-archive.ts'
import { backUpStreams, restoreStreams } from './streams.ts'

const HELP = `Usage: node knative/backup/main.ts COMMAND [options]

  nats-backup --folder F [--keep-days N]    writes the streams AGENTESE and EVENTS into a new folder in F, and deletes what is
                                            older than N days (7)
  nats-restore --folder F [--name NAME]     brings them back from the newest folder in F, or from NAME
  nats-restore-mirror [--replicas N]        brings them back from the mirror, with N copies of each (3)
  mirror-ensure [--max-lag-seconds N]       makes the mirrors that are missing; fails where one has not heard of the first
                                            servers for N seconds (180)

NATS_URL names the server that is read by nats-backup, as the user \`backup\`, and changed by the others, as the user \`restore\`.
nats-restore-mirror reads the mirror at MIRROR_NATS_URL, as the user \`backup\`. The relay does not run while streams are brought
back; a stream that is there and was not lost is left alone.
`

const TEXT = { type: 'string' } as const
const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  folder: TEXT,
  name: TEXT,
  'keep-days': TEXT,
  'max-lag-seconds': TEXT,
  replicas: TEXT,
} as const

const Options = z.object({
  folder: z.string().min(1).optional(),
  name: z.string().min(1).optional(),
  'keep-days': z.coerce.number().positive().default(7),
  'max-lag-seconds': z.coerce.number().positive().default(180),
  replicas: z.coerce.number().int().min(1).max(5).default(3),
})
type Options = z.infer<typeof Options>

const log = createLog('backup', 'info')

const COMMANDS: Record<string, (options: Options) => Promise<void>> = {
  'nats-backup': (options) =>
    withNats('NATS_URL', async (nc) => {
      const { folder, streams } = await backUpStreams(nc, folderOf(options), {
        keepDays: options['keep-days'],
      })
      log.info({ folder, streams: countsOf(streams) }, 'backed up')
    }),
  'nats-restore': (options) =>
    withNats('NATS_URL', async (nc) => {
      const { from, restored } = await restoreStreams(nc, folderOf(options), options.name)
      log.info({ from, streams: countsOf(restored) }, 'restored')
    }),
  'nats-restore-mirror': ({ replicas }) =>
    withNats('MIRROR_NATS_URL', (mirror) =>
      withNats('NATS_URL', async (primary) => {
        const restored = await restoreFromMirror(mirror, primary, replicas)
        log.info({ streams: countsOf(restored) }, 'restored')
      }),
    ),
  'mirror-ensure': (options) =>
    withNats('NATS_URL', async (nc) => {
      const mirrors = await ensureMirrors(nc)
      log.info({ mirrors }, 'the mirrors')
      const silent = mirrors.filter(({ silentMs }) => silentMs > options['max-lag-seconds'] * 1000)
      if (silent.length > 0)
        throw new Error(`${silent.map(({ stream }) => stream).join(', ')}: not heard of for too long`)
    }),
}

/** Messages by the stream. */
function countsOf(streams: readonly StreamMeta[]): Record<string, number> {
  return Object.fromEntries(streams.map(({ config, state }) => [config.name, state.messages]))
}

async function withNats(variable: string, work: (nc: NatsConnection) => Promise<void>): Promise<void> {
  const url = process.env[variable]
  if (url === undefined) throw new UsageError(`Cannot run without ${variable}`)
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
