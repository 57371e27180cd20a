/** PostgreSQL is lost with its disk, and comes back from a base backup and the archive of WAL, with our real schema. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  archiveAll,
  backUpDatabase,
  dataFolder,
  recovered,
  restoreDatabase,
} from '../../../knative/backup/drill/database-archive.ts'
import { DrillPlatform } from '../../../knative/backup/drill/platform.ts'
import { eventually } from '../../eventually.ts'

test('a restore has all up to the last archived segment, and the relay goes on: each event is published, and once', async () => {
  const platform = new DrillPlatform({ archiveTimeoutSeconds: 3600, env: process.env })
  const idsOf = (from: number, to?: number) => platform.written.slice(from, to).map(({ id }) => id)
  try {
    const server = await platform.startPostgres()
    await platform.prepare(server)
    const sql = platform.connect(server.url)
    const nats = await platform.startNats('nats')
    const nc = await platform.asUser(nats, 'relay')
    const relay = await platform.startRelay(nats, platform.relayUrl(server))
    const writes = async (count: number, to = sql) => {
      for (let n = 0; n < count; n += 1) await platform.write(to)
    }

    await writes(20)
    await backUpDatabase(sql, join(platform.state, 'base'))
    await writes(20)
    await eventually(async () => expect(await platform.published(nc)).toHaveLength(40))
    await relay.stop()
    await writes(10)
    await archiveAll(sql)
    const folder = await dataFolder(sql)
    await writes(5)

    await server.kill()
    await rm(folder, { recursive: true })
    await restoreDatabase(join(platform.state, 'base'), folder)
    const again = await platform.startPostgres()
    const restored = platform.connect(again.url)
    await recovered(restored)
    const rows = await restored<{ id: string }[]>`select id from outbox order by seq`
    expect(rows.map(({ id }) => id)).toEqual(idsOf(0, 50))

    await platform.startRelay(nats, platform.relayUrl(again))
    await writes(1, restored)
    await eventually(async () => expect(await platform.published(nc)).toHaveLength(51))
    expect(new Set(await platform.published(nc))).toEqual(new Set([...idsOf(0, 50), ...idsOf(55)]))
  } finally {
    await platform.close()
  }
})
