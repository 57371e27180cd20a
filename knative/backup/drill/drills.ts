/** One drill for each part: it is lost while somebody writes, and brought back as `knative/disaster-recovery.md` says. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { NatsConnection } from 'nats'
import { findNatsPorts } from '../component-nats.ts'
import { ensureMirrors, restoreFromMirror } from '../mirror.ts'
import { backUpStreams, restoreStreams } from '../streams.ts'
import { archiveAll, backUpDatabase, dataFolder, recovered, restoreDatabase } from './database-archive.ts'
import { eventually } from './eventually.ts'
import { measureLag } from './lag.ts'
import { lossOf, PROMISES, type Outcome } from './outcome.ts'
import { DrillPlatform } from './platform.ts'

export interface DrillSettings {
  /** How long it is written before the loss, and how often. */
  seconds: number
  perSecond: number
  archiveTimeoutSeconds: number
  env: NodeJS.ProcessEnv
}

export async function withPlatform<T>(
  settings: DrillSettings,
  work: (platform: DrillPlatform) => Promise<T>,
): Promise<T> {
  const platform = new DrillPlatform(settings)
  try {
    return await work(platform)
  } finally {
    await platform.close()
  }
}

/** Writes for as long as `settings` say; `stop` ends it. */
function writing(platform: DrillPlatform, url: string, settings: DrillSettings) {
  const stopping = new AbortController()
  const running = platform.keepWriting(platform.connect(url), settings.perSecond, stopping.signal)
  const stop = async () => {
    stopping.abort()
    await running
  }
  return { some: () => delay(settings.seconds * 1000), stop }
}

/** Whether all that was written before `lostAt` is in the streams. */
async function isWhole(platform: DrillPlatform, nc: NatsConnection, lostAt: number): Promise<boolean> {
  const present = new Set(await platform.published(nc))
  return lossOf(platform.written, present, lostAt).missing === 0
}

/** All servers lose their disks; the streams come back from the last backup, and their end from the outbox. */
export function drillStreams(settings: DrillSettings): Promise<Outcome> {
  return withPlatform(settings, async (platform) => {
    const folder = join(platform.state, 'backups')
    const database = await platform.startPostgres()
    await platform.prepare(database)
    const nats = await platform.startNats('nats')
    const relay = await platform.startRelay(nats, platform.relayUrl(database))
    const writer = writing(platform, database.url, settings)
    await writer.some()
    await backUpStreams(await platform.asUser(nats, 'backup'), folder, { keepDays: 7 })
    await writer.some()

    const lostAt = performance.now()
    await platform.loseNats(nats)
    await relay.stop()
    const again = await platform.startNats('nats')
    const restorer = await platform.asUser(again, 'restore')
    await restoreStreams(restorer, folder)
    const nc = await platform.asUser(again, 'relay')
    const fromBackup = lossOf(platform.written, new Set(await platform.published(nc)), lostAt)
    await platform.startRelay(again, platform.relayUrl(database))
    await eventually(() => isWhole(platform, nc, lostAt))
    const recoverySeconds = (performance.now() - lostAt) / 1000
    await writer.stop()
    const loss = lossOf(platform.written, new Set(await platform.published(nc)), lostAt)
    return {
      part: 'NATS streams',
      lost: 'all servers and disks; daily backup',
      promised: PROMISES.streams,
      recoverySeconds,
      lossSeconds: loss.seconds,
      notes: `events that were younger than the backup, and came from the outbox, which has the last hour: ${fromBackup.missing}`,
    }
  })
}

/** All servers lose their disks; the streams come back from the mirror. */
export function drillMirror(settings: DrillSettings): Promise<Outcome> {
  return withPlatform(settings, async (platform) => {
    const database = await platform.startPostgres()
    await platform.prepare(database)
    const ports = await findNatsPorts()
    const primary = await platform.startNats('nats', ports)
    const relay = await platform.startRelay(primary, platform.relayUrl(database))
    const writer = writing(platform, database.url, settings)
    const mirror = await platform.startNats('nats-mirror', undefined, ports)
    const maker = await platform.asUser(mirror, 'restore')
    await ensureMirrors(maker)
    await eventually(async () => (await ensureMirrors(maker)).every(({ silentMs }) => silentMs < 60_000))
    const lag = await measureLag(await platform.asUser(primary, 'relay'), maker, settings.seconds)

    const lostAt = performance.now()
    await platform.loseNats(primary)
    await relay.stop()
    const again = await platform.startNats('nats', ports)
    const reader = await platform.asUser(mirror, 'backup')
    await restoreFromMirror(reader, await platform.asUser(again, 'restore'), 1)
    const nc = await platform.asUser(again, 'relay')
    const alone = lossOf(platform.written, new Set(await platform.published(nc)), lostAt)
    await platform.startRelay(again, platform.relayUrl(database))
    await eventually(() => isWhole(platform, nc, lostAt))
    const recoverySeconds = (performance.now() - lostAt) / 1000
    await writer.stop()
    return {
      part: 'NATS streams',
      lost: 'all servers and disks; mirror',
      promised: PROMISES.streams,
      recoverySeconds,
      lossSeconds: alone.seconds,
      notes:
        `lag of the mirror at ${settings.perSecond} events/s: median ${lag.medianMs.toFixed(1)} ms, most ${lag.maxMs.toFixed(1)} ms ` +
        `of ${lag.samples} samples; events that were not in it, and came from the outbox: ${alone.missing}`,
    }
  })
}

/** The server loses its disk; it comes back from a base backup and the archive of WAL. */
export function drillDatabase(settings: DrillSettings): Promise<Outcome> {
  return withPlatform(settings, async (platform) => {
    const database = await platform.startPostgres()
    await platform.prepare(database)
    const sql = platform.connect(database.url)
    const nats = await platform.startNats('nats')
    const relay = await platform.startRelay(nats, platform.relayUrl(database))
    const base = join(platform.state, 'base')
    await backUpDatabase(sql, base)
    await archiveAll(sql)
    const folder = await dataFolder(sql)
    const writer = writing(platform, database.url, settings)
    await writer.some()
    await delay(settings.archiveTimeoutSeconds * 1000)

    const lostAt = performance.now()
    await database.kill()
    await writer.stop()
    await relay.stop()
    await rm(folder, { recursive: true })
    await restoreDatabase(base, folder)
    const again = await platform.startPostgres()
    const restored = platform.connect(again.url)
    await recovered(restored)
    await platform.startRelay(nats, platform.relayUrl(again))
    const nc = await platform.asUser(nats, 'relay')
    const { id } = await platform.write(restored)
    await eventually(async () => (await platform.published(nc)).includes(id))
    const recoverySeconds = (performance.now() - lostAt) / 1000
    const rows = await restored<{ id: string }[]>`select id from outbox`
    const loss = lossOf(platform.written, new Set(rows.map((row) => row.id)), lostAt)
    return {
      part: 'PostgreSQL',
      lost: 'server and disk; base backup and WAL',
      promised: PROMISES.database,
      recoverySeconds,
      lossSeconds: loss.seconds,
      notes: `${loss.missing} of ${platform.written.length} transactions were not in the archive, which gets a segment each ${settings.archiveTimeoutSeconds} s`,
    }
  })
}
