import { inject, test } from 'vitest'
import { inboxPrefixOf, openNats } from '../../../shared/nats/connect.ts'
import { ensureStreams } from '../../../shared/nats/ensure-streams.ts'
import { readStreamBacklog } from '../../../shared/runtime/stream-backlog.ts'

test('readStreamBacklog() reports what waits for whom in each stream, and nothing where NATS does not answer', async ({
  expect,
}) => {
  const { nats } = inject('servers')
  const connection = await openNats(nats.relay, 'test', { inboxPrefix: inboxPrefixOf('relay') })
  try {
    await ensureStreams(connection)
    const streams = await readStreamBacklog({ NATS_MONITORING_URL: nats.monitoring })
    const byName = new Map(streams?.map((each) => [each.stream, each]))
    for (const [stream, consumer] of [
      ['AGENTESE', 'broker'],
      ['EVENTS', 'broker'],
      ['INFERENCE', 'workers'],
    ] as const) {
      const consumers = byName.get(stream)?.consumers
      expect(consumers?.map(({ name }) => name)).toContain(consumer)
      for (const { pending } of consumers ?? []) expect(pending).toBeGreaterThanOrEqual(0)
    }
  } finally {
    await connection.close()
  }
  expect(await readStreamBacklog({ NATS_MONITORING_URL: 'http://127.0.0.1:1' })).toBeUndefined()
  expect(await readStreamBacklog({ NATS_MONITORING_URL: undefined })).toBeUndefined()
})
