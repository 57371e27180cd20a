/** NATS is lost with its disks, and comes back from a backup, or from the mirror. */
import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AckPolicy, type NatsConnection } from 'nats'
import { expect, inject, test } from 'vitest'
import type { ComponentNats } from '../../../knative/backup/component-nats.ts'
import { findNatsPorts } from '../../../knative/backup/component-nats.ts'
import { DrillPlatform } from '../../../knative/backup/drill/platform.ts'
import { ensureMirrors, restoreFromMirror } from '../../../knative/backup/mirror.ts'
import { restoreStream } from '../../../knative/backup/stream-archive.ts'
import { backUpStreams, restoreStreams } from '../../../knative/backup/streams.ts'
import { ensureStreams } from '../../../shared/nats/ensure-streams.ts'
import { newId } from '../../../shared/new-id.ts'
import { eventually } from '../../eventually.ts'
import { createDatabase } from '../servers.ts'

const SUBJECTS = ['agentese.acme.void.entropy.sip', 'events.acme.io.kgents.entropy.sipped'] as const

async function withPlatform(work: (platform: DrillPlatform) => Promise<void>): Promise<void> {
  const platform = new DrillPlatform({ archiveTimeoutSeconds: 3600, env: process.env })
  try {
    await work(platform)
  } finally {
    await platform.close()
  }
}

async function publish(nc: NatsConnection, count: number): Promise<void> {
  const js = nc.jetstream()
  for (let n = 0; n < count; n += 1)
    for (const subject of SUBJECTS) await js.publish(subject, `event ${n}`, { msgID: `${subject} ${n}` })
}

/** Everything about a stream but when it was made, and what is shown of how it is doing. */
async function contentOf(nc: NatsConnection, stream: string) {
  const manager = await nc.jetstreamManager()
  const { config, state } = await manager.streams.info(stream)
  const messages: string[] = []
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await manager.streams.getMessage(stream, { seq })
    messages.push(`${message.seq} ${message.time.toISOString()} ${message.subject} ${message.string()}`)
  }
  const consumers = await manager.consumers.list(stream).next()
  return {
    config,
    messages,
    consumers: consumers
      .map(({ name, config, ack_floor: { stream_seq }, num_pending }) => ({
        name,
        config,
        stream_seq,
        num_pending,
      }))
      .toSorted((a, b) => a.name.localeCompare(b.name)),
  }
}

test('backUpStreams() and restoreStreams() bring back every message, consumer and setting, after stop and wipe', async () => {
  await withPlatform(async (platform) => {
    const folder = join(platform.state, 'backups')
    const before = await platform.startNats('nats')
    const relay = await platform.asUser(before, 'relay')
    await ensureStreams(relay)
    await publish(relay, 60)
    const manager = await relay.jetstreamManager()
    await manager.consumers.add('EVENTS', { durable_name: 'sink', ack_policy: AckPolicy.Explicit })
    const broker = await relay.jetstream().consumers.get('AGENTESE', 'broker')
    for (let n = 0; n < 5; n += 1) await (await broker.next())?.ackAck()
    const content = [await contentOf(relay, 'AGENTESE'), await contentOf(relay, 'EVENTS')]
    const { streams } = await backUpStreams(await platform.asUser(before, 'backup'), folder, { keepDays: 7 })
    expect(streams.map(({ config, state }) => [config.name, state.messages])).toEqual([
      ['AGENTESE', 60],
      ['EVENTS', 60],
    ])

    await platform.loseNats(before)
    const after = await platform.startNats('nats')
    const restorer = await platform.asUser(after, 'restore')
    await restoreStreams(restorer, folder)
    const again = await platform.asUser(after, 'relay')
    expect([await contentOf(again, 'AGENTESE'), await contentOf(again, 'EVENTS')]).toEqual(content)

    const [newest = ''] = await readdir(folder)
    const archive = join(folder, newest, 'EVENTS')
    await expect(restoreStream(restorer, archive)).rejects.toThrow('already in use')

    // The relay was quicker, and has made streams that are empty.
    await platform.loseNats(after)
    const empty = await platform.startNats('nats')
    await ensureStreams(await platform.asUser(empty, 'relay'))
    await restoreStreams(await platform.asUser(empty, 'restore'), folder)
    expect(await contentOf(await platform.asUser(empty, 'relay'), 'EVENTS')).toEqual(content[1])
  })
})

test('restoreStreams() leaves streams alone that were not lost', async () => {
  await withPlatform(async (platform) => {
    const folder = join(platform.state, 'backups')
    const nats = await platform.startNats('nats')
    const relay = await platform.asUser(nats, 'relay')
    await ensureStreams(relay)
    const backup = await platform.asUser(nats, 'backup')
    const restorer = await platform.asUser(nats, 'restore')
    // Of streams that are still empty: what was published since must not go with the wrong command.
    await backUpStreams(backup, folder, { keepDays: 7 })
    await publish(relay, 3)
    const content = [await contentOf(relay, 'AGENTESE'), await contentOf(relay, 'EVENTS')]
    await expect(restoreStreams(restorer, folder)).rejects.toThrow('which was not lost')
    await backUpStreams(backup, folder, { keepDays: 7 })
    await expect(restoreStreams(restorer, folder)).rejects.toThrow('which was not lost')
    expect([await contentOf(relay, 'AGENTESE'), await contentOf(relay, 'EVENTS')]).toEqual(content)

    await platform.loseNats(nats)
    const after = await platform.startNats('nats')
    const again = await platform.asUser(after, 'restore')
    await restoreStreams(again, folder)
    await publish(await platform.asUser(after, 'relay'), 1)
    await expect(restoreStreams(again, folder)).rejects.toThrow('which was not lost')
  })
})

test('backUpStreams() keeps what is younger than its days, and clears up after one that was interrupted', async () => {
  await withPlatform(async (platform) => {
    const nats = await platform.startNats('nats')
    await ensureStreams(await platform.asUser(nats, 'relay'))
    const nc = await platform.asUser(nats, 'backup')
    const folder = join(platform.state, 'backups')
    const dayMs = 86_400_000
    const now = Date.now()
    for (const age of [8, 6, 0])
      await backUpStreams(nc, folder, { keepDays: 7, now: new Date(now - age * dayMs) })
    expect(await readdir(folder)).toHaveLength(2)
    await expect(
      backUpStreams(await platform.asUser(nats, 'gpu-worker'), folder, {
        keepDays: 7,
        now: new Date(now + 1),
      }),
    ).rejects.toThrow('Permissions Violation')
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toHaveLength(1)
    await backUpStreams(nc, folder, { keepDays: 7, now: new Date(now + 2) })
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([])
  })
})

test('the relay publishes again what was published after the backup', async () => {
  await withPlatform(async (platform) => {
    const folder = join(platform.state, 'backups')
    const { owner, relay: asRelay } = inject('servers').postgres
    const name = `restored_${newId().replaceAll('-', '')}`
    await createDatabase(owner, name)
    const inDatabase = (url: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href
    const sql = platform.connect(inDatabase(owner))
    const before = await platform.startNats('nats')
    const relay = await platform.startRelay(before, inDatabase(asRelay))
    const nc = await platform.asUser(before, 'relay')
    for (let n = 0; n < 10; n += 1) await platform.write(sql)
    await eventually(async () => expect(await platform.published(nc)).toHaveLength(10))
    await backUpStreams(await platform.asUser(before, 'backup'), folder, { keepDays: 7 })
    for (let n = 0; n < 10; n += 1) await platform.write(sql)
    await eventually(async () => expect(await platform.published(nc)).toHaveLength(20))
    await relay.stop()

    await platform.loseNats(before)
    const after = await platform.startNats('nats')
    await restoreStreams(await platform.asUser(after, 'restore'), folder)
    await platform.startRelay(after, inDatabase(asRelay))
    const again = await platform.asUser(after, 'relay')
    await eventually(async () =>
      expect(new Set(await platform.published(again))).toEqual(new Set(platform.written.map(({ id }) => id))),
    )
  })
})

test('restoreFromMirror() makes the streams again, the relay goes on with them, and the mirror follows', async () => {
  await withPlatform(async (platform) => {
    const ports = await findNatsPorts()
    const primary = await platform.startNats('nats', ports)
    const mirror = await platform.startNats('nats-mirror', undefined, ports)
    const relay = await platform.asUser(primary, 'relay')
    await ensureStreams(relay)
    await publish(relay, 50)
    const lost = (await contentOf(relay, 'EVENTS')).messages
    const maker = await platform.asUser(mirror, 'restore')
    await ensureMirrors(maker)
    const mirrored = async () => (await contentOf(await platform.asUser(mirror, 'relay'), 'EVENTS')).messages
    await eventually(async () => expect(await mirrored()).toEqual(lost))
    expect(await ensureMirrors(maker)).toMatchObject([
      { stream: 'AGENTESE', lag: 0 },
      { stream: 'EVENTS', lag: 0 },
    ])
    const reader = await platform.asUser(mirror, 'backup')
    await expect(restoreFromMirror(reader, await platform.asUser(primary, 'restore'), 1)).rejects.toThrow(
      'which was not lost',
    )

    await platform.loseNats(primary)
    const again = await platform.startNats('nats', ports)
    await restoreFromMirror(reader, await platform.asUser(again, 'restore'), 1)
    const there = await platform.asUser(again, 'relay')
    await ensureStreams(there)
    expect((await contentOf(there, 'EVENTS')).messages).toEqual(lost)
    const broker = await there.jetstream().consumers.get('EVENTS', 'broker')
    expect((await broker.next())?.seq).toBe(1)
    const { seq } = await there.jetstream().publish(SUBJECTS[1], 'after the loss')
    expect(seq).toBe(51)
    await eventually(async () => expect(await mirrored()).toHaveLength(51))
  })
})

const hasNats = await promisify(execFile)('nats', ['--version']).then(
  () => true,
  () => false,
)
if (!hasNats)
  process.stderr.write('skipped: no program `nats` on the PATH to compare the format of backups with\n')

test.skipIf(!hasNats)(
  'the program `nats` restores what backUpStreams() wrote, and the other way round',
  async () => {
    await withPlatform(async (platform) => {
      const run = (server: ComponentNats, user: string, ...args: string[]) =>
        promisify(execFile)('nats', [
          '--server',
          platform.natsUrl(server, user),
          '--inbox-prefix',
          `_INBOX_${user}`,
          ...args,
        ])
      const folder = join(platform.state, 'backups')
      const before = await platform.startNats('nats')
      const relay = await platform.asUser(before, 'relay')
      await ensureStreams(relay)
      await publish(relay, 60)
      const content = [await contentOf(relay, 'AGENTESE'), await contentOf(relay, 'EVENTS')]
      const ours = await backUpStreams(await platform.asUser(before, 'backup'), folder, { keepDays: 7 })
      await run(
        before,
        'backup',
        'stream',
        'backup',
        'EVENTS',
        join(platform.state, 'theirs'),
        '--consumers',
        '--no-progress',
      )

      await platform.loseNats(before)
      const after = await platform.startNats('nats')
      await run(after, 'restore', 'stream', 'restore', join(ours.folder, 'AGENTESE'), '--no-progress')
      await restoreStream(await platform.asUser(after, 'restore'), join(platform.state, 'theirs'))
      const again = await platform.asUser(after, 'relay')
      expect([await contentOf(again, 'AGENTESE'), await contentOf(again, 'EVENTS')]).toEqual(content)
    })
  },
)
