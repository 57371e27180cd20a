/**
 * One stream as two files, and back, or from one server to another: JetStream's own snapshot. The files are laid out as the
 * program `nats` does, so `nats stream restore` takes what is written here and `restoreStream` what `nats stream backup` wrote.
 *
 * A snapshot is the stream at one moment, with its configuration, its messages under their numbers, and its durable
 * consumers with what they have acknowledged. Whoever publishes meanwhile is not stopped.
 */
import { once } from 'node:events'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createInbox, ErrorCode, NatsError, type NatsConnection } from 'nats'
import { z } from 'zod'
import { inboxPrefixOf } from '../../shared/nats/connect.ts'
import { BACKUP_USER } from '../nats-accounts.ts'

const CHUNK_BYTES = 128 * 1024
const REQUEST_MS = 30_000
/** The server reads the whole stream before it answers the last chunk. */
const RESTORED_MS = 600_000
const UNHEARD: string = ErrorCode.NoResponders
/** How long to wait before a chunk that nobody heard is sent again. */
const UNHEARD_MS = 50

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

interface Snapshot {
  meta: StreamMeta
  /** To be read to the end; the server waits for whoever is slow. */
  chunks: AsyncIterable<Uint8Array>
}

/**
 * Writes the stream into `folder`, which appears only when it is whole.
 *
 * @throws Error where the server does not send all of it
 */
export async function backUpStream(nc: NatsConnection, stream: string, folder: string): Promise<StreamMeta> {
  const unfinished = `${folder}.part`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true })
  const { meta, chunks } = await openSnapshot(nc, stream)
  const file = createWriteStream(join(unfinished, dataFileOf(nc)))
  for await (const chunk of chunks) if (!file.write(chunk)) await once(file, 'drain')
  await new Promise<void>((resolve, reject) => file.once('error', reject).end(() => resolve()))
  await writeFile(join(unfinished, META_FILE), `${JSON.stringify(meta, null, 2)}\n`)
  await rename(unfinished, folder)
  return meta
}

async function readMeta(folder: string): Promise<StreamMeta> {
  return Meta.parse(JSON.parse(await readFile(join(folder, META_FILE), 'utf8')))
}

/**
 * Makes the stream of `folder`, as it was.
 *
 * @throws Error where there is one of that name, or the server refuses what it is sent
 */
export async function restoreStream(nc: NatsConnection, folder: string): Promise<StreamMeta> {
  const meta = await readMeta(folder)
  const data = DATA_FILES.map((name) => join(folder, name)).find((path) => existsSync(path))
  if (data === undefined)
    throw new Error(`Cannot restore "${folder}": it has no ${DATA_FILES.join(' and no ')}`)
  const chunks = createReadStream(data, { highWaterMark: CHUNK_BYTES })
  await restoreSnapshot(nc, { meta, chunks: chunks as AsyncIterable<Buffer> }) // reason: without an encoding it gives buffers
  return meta
}

/**
 * Makes the stream on another server, without a file between; `change` says what is another there than where it is from.
 *
 * @throws Error where there is one of that name, or a server refuses
 */
export async function copyStream(
  from: NatsConnection,
  to: NatsConnection,
  stream: string,
  change: (config: StreamMeta['config']) => StreamMeta['config'],
): Promise<StreamMeta> {
  const { meta, chunks } = await openSnapshot(from, stream)
  const changed = { ...meta, config: change(meta.config) }
  await restoreSnapshot(to, { meta: changed, chunks })
  return changed
}

async function openSnapshot(nc: NatsConnection, stream: string): Promise<Snapshot> {
  const messages = nc.subscribe(createInbox(inboxPrefixOf(BACKUP_USER)))
  const meta = Meta.parse(
    await ask(nc, `$JS.API.STREAM.SNAPSHOT.${stream}`, {
      deliver_subject: messages.getSubject(),
      chunk_size: CHUNK_BYTES,
    }),
  )
  async function* read() {
    for await (const message of messages) {
      if (message.data.length === 0) {
        if ((message.headers?.code ?? 0) < 400) return
        throw new Error(`Cannot back up "${stream}": ${message.headers?.description}`)
      }
      yield message.data
      // The server sends some chunks and then waits for the first of them.
      message.respond()
    }
    throw new Error(`Cannot back up "${stream}": the connection was lost`)
  }
  return { meta, chunks: read() }
}

async function restoreSnapshot(nc: NatsConnection, { meta, chunks }: Snapshot): Promise<void> {
  const begun = await ask(nc, `$JS.API.STREAM.RESTORE.${meta.config.name}`, meta)
  const { deliver_subject: subject } = Restoring.parse(begun)
  for await (const chunk of chunks) await sendChunk(nc, subject, chunk, REQUEST_MS)
  await sendChunk(nc, subject, new Uint8Array(), RESTORED_MS)
}

/**
 * Sends a chunk, once more while nobody hears it: another server of the cluster may not yet know where the stream is made.
 * Nothing is sent twice, since "no responders" says that no server has taken it.
 */
async function sendChunk(nc: NatsConnection, subject: string, chunk: Uint8Array, timeout: number) {
  for (let until = Date.now() + REQUEST_MS; ; await sleep(UNHEARD_MS))
    try {
      await request(nc, subject, chunk, timeout)
      return
    } catch (error) {
      if (!(error instanceof NatsError) || error.code !== UNHEARD || Date.now() > until) throw error
    }
}

function dataFileOf({ info }: NatsConnection): string {
  const [major = 0, minor = 0] = (info?.version ?? '').split('.').map(Number)
  return major > 2 || minor >= 15 ? DATA_FILES[0] : DATA_FILES[1]
}

function ask(nc: NatsConnection, subject: string, body: unknown): Promise<unknown> {
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
