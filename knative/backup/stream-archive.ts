/**
 * One stream as two files, and back: JetStream's own snapshot, in the layout of the `nats` program, so that
 * `nats stream restore` takes what is written here and `restoreStream` what `nats stream backup` wrote.
 *
 * A snapshot is the stream at one moment, with its configuration, its messages under their numbers, and its durable
 * consumers with what they have acknowledged. Whoever publishes meanwhile is not stopped.
 */
import { once } from 'node:events'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInbox, type NatsConnection } from 'nats'
import { z } from 'zod'
import { inboxPrefixOf } from '../../shared/nats/connect.ts'
import { BACKUP_USER } from '../nats-accounts.ts'

const CHUNK_BYTES = 128 * 1024
const REQUEST_MS = 30_000
/** The server reads the whole stream before it answers the last chunk. */
const RESTORED_MS = 600_000

const META_FILE = 'backup.json'
/** By the version of the server, from 2.15 on and before. */
const DATA_FILES = ['stream.arc.s2', 'stream.tar.s2'] as const

const Meta = z.object({
  config: z.looseObject({ name: z.string() }),
  state: z.looseObject({ messages: z.int(), last_seq: z.int(), last_ts: z.string() }),
})
export type StreamMeta = z.infer<typeof Meta>

const ApiError = z.object({ error: z.object({ description: z.string() }) })
const Restoring = z.object({ deliver_subject: z.string() })

/**
 * Writes the stream into `folder`, which appears only when it is whole.
 *
 * @throws Error where the server does not send all of it
 */
export async function backUpStream(nc: NatsConnection, stream: string, folder: string): Promise<StreamMeta> {
  const unfinished = `${folder}.part`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true })
  const chunks = nc.subscribe(createInbox(inboxPrefixOf(BACKUP_USER)))
  const meta = Meta.parse(
    await ask(nc, `$JS.API.STREAM.SNAPSHOT.${stream}`, {
      deliver_subject: chunks.getSubject(),
      chunk_size: CHUNK_BYTES,
    }),
  )
  const file = createWriteStream(join(unfinished, dataFileOf(nc)))
  for await (const chunk of chunks) {
    if (chunk.data.length === 0) {
      const status = chunk.headers?.code ?? 0
      if (status >= 400) throw new Error(`Cannot back up "${stream}": ${chunk.headers?.description}`)
      break
    }
    // The server sends a window of chunks and then waits for these.
    chunk.respond()
    if (!file.write(chunk.data)) await once(file, 'drain')
  }
  await new Promise<void>((resolve, reject) => file.once('error', reject).end(() => resolve()))
  await writeFile(join(unfinished, META_FILE), `${JSON.stringify(meta, null, 2)}\n`)
  await rename(unfinished, folder)
  return meta
}

/**
 * Makes the stream of `folder`, as it was.
 *
 * @throws Error where there is one of that name, or the server refuses what it is sent
 */
export async function restoreStream(nc: NatsConnection, folder: string): Promise<StreamMeta> {
  const meta = Meta.parse(JSON.parse(await readFile(join(folder, META_FILE), 'utf8')))
  const data = DATA_FILES.map((name) => join(folder, name)).find((path) => existsSync(path))
  if (data === undefined)
    throw new Error(`Cannot restore "${folder}": it has no ${DATA_FILES.join(' and no ')}`)
  const begun = await ask(nc, `$JS.API.STREAM.RESTORE.${meta.config.name}`, meta)
  const { deliver_subject: subject } = Restoring.parse(begun)
  for await (const chunk of createReadStream(data, { highWaterMark: CHUNK_BYTES }))
    await request(nc, subject, chunk as Buffer, REQUEST_MS) // reason: a stream without an encoding gives buffers
  await request(nc, subject, new Uint8Array(), RESTORED_MS)
  return meta
}

function dataFileOf({ info }: NatsConnection): string {
  const [major = 0, minor = 0] = (info?.version ?? '').split('.').map(Number)
  return major > 2 || minor >= 15 ? DATA_FILES[0] : DATA_FILES[1]
}

async function ask(nc: NatsConnection, subject: string, body: unknown): Promise<unknown> {
  return request(nc, subject, JSON.stringify(body), REQUEST_MS)
}

/** The answer, unless it is an error; one without content says only that a chunk has arrived. */
async function request(
  nc: NatsConnection,
  subject: string,
  body: string | Uint8Array,
  timeout: number,
): Promise<unknown> {
  const answer = await nc.request(subject, body, { timeout })
  if (answer.data.length === 0) return undefined
  const content: unknown = answer.json()
  const refused = ApiError.safeParse(content)
  if (refused.success) throw new Error(`${subject}: ${refused.data.error.description}`)
  return content
}
