/** The streams with a history, to a folder of folders and back: one for each backup, by the time at which it was begun. */
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { NatsConnection } from 'nats'
import { MIRRORED } from '../nats-accounts.ts'
import { findRoom } from './room.ts'
import { backUpStream, restoreStream, type StreamMeta } from './stream-archive.ts'

const DAY_MS = 86_400_000
/** What is being written, or was when its writer ended. */
const UNFINISHED = '.part'

/** Writes all streams into a new folder in `folder`, which appears when they are whole, and deletes those past `keepDays`. */
export async function backUpStreams(
  nc: NatsConnection,
  folder: string,
  { keepDays, now = new Date() }: { keepDays: number; now?: Date },
): Promise<{ folder: string; streams: StreamMeta[] }> {
  const target = join(folder, nameOf(now))
  const streams: StreamMeta[] = []
  await rm(`${target}${UNFINISHED}`, { recursive: true, force: true })
  for (const stream of MIRRORED) {
    streams.push(await backUpStream(nc, stream, join(`${target}${UNFINISHED}`, stream)))
  }
  await rename(`${target}${UNFINISHED}`, target)
  for (const name of await readdir(folder)) {
    const begun = timeOf(name.replace(UNFINISHED, ''))
    const isOld = begun !== undefined && now.getTime() - begun > keepDays * DAY_MS
    const isAbandoned = name.endsWith(UNFINISHED) && begun !== now.getTime()
    if (isOld || isAbandoned) await rm(join(folder, name), { recursive: true, force: true })
  }
  return { folder: target, streams }
}

/**
 * Brings back the newest backup in `folder`, or that in the folder `name`.
 *
 * @throws Error where there is no backup, or a stream that was not lost
 */
export async function restoreStreams(
  nc: NatsConnection,
  folder: string,
  name?: string,
): Promise<{ from: string; restored: StreamMeta[] }> {
  const newest = name ?? (await finishedBackups(folder)).at(-1)
  if (newest === undefined) throw new Error(`Cannot restore: "${folder}" has no backup`)
  const begun = timeOf(newest)
  if (begun === undefined) throw new Error(`Cannot restore "${newest}": no backup has such a name`)
  const room = await findRoom(
    await nc.jetstreamManager(),
    new Map(MIRRORED.map((stream) => [stream, new Date(begun)])),
  )
  const restored: StreamMeta[] = []
  for (const stream of MIRRORED) {
    await room.clear(stream)
    restored.push(await restoreStream(nc, join(folder, newest, stream)))
  }
  return { from: newest, restored }
}

/** Oldest first. */
async function finishedBackups(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => timeOf(name) !== undefined).toSorted()
}

/** `2026-11-27T02-00-00.000Z`: a time that is the name of a folder everywhere. */
function nameOf(time: Date): string {
  return time.toISOString().replaceAll(':', '-')
}

function timeOf(name: string): number | undefined {
  const parts = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3}Z)$/.exec(name)
  return parts === null ? undefined : Date.parse(`${parts[1]}T${parts[2]}:${parts[3]}:${parts[4]}`)
}
