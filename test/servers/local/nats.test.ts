import { AckPolicy, connect, Events, StringCodec, type NatsConnection } from 'nats'
import { test as base } from 'vitest'
import { inboxPrefixOf, openNats } from '../../../shared/nats/connect.ts'
import { ensureStreams } from '../../../shared/nats/ensure-streams.ts'
import type { NatsServer } from '../../../knative/local/servers/nats.ts'
import { makeStateFolder, startTestNats } from '../servers.ts'

const text = StringCodec()

/** A NATS of its own, with the streams that the relay makes, and a connection for each part. */
const test = base.extend<{
  server: NatsServer
  relay: NatsConnection
  hub: NatsConnection
  worker: NatsConnection
  webhooks: NatsConnection
}>({
  server: [
    // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
    async ({}, use) => {
      const { state, remove } = await makeStateFolder()
      const server = await startTestNats(state)
      const relay = await connectAs(server, 'relay')
      await ensureStreams(relay, { ackWaitSeconds: 2 })
      await relay.close()
      await use(server)
      await server.stop()
      await remove()
    },
    { scope: 'file' },
  ],
  relay: async ({ server }, use) => await withConnection(server, 'relay', use),
  hub: async ({ server }, use) => await withConnection(server, 'stream-hub', use),
  worker: async ({ server }, use) => await withConnection(server, 'gpu-worker', use),
  webhooks: async ({ server }, use) => await withConnection(server, 'webhooks', use),
})

function connectAs(server: NatsServer, user: string): Promise<NatsConnection> {
  return openNats(server.urlOf(user), user, { inboxPrefix: inboxPrefixOf(user) })
}

async function withConnection(
  server: NatsServer,
  user: string,
  use: (connection: NatsConnection) => Promise<void>,
): Promise<void> {
  const connection = await connectAs(server, user)
  await use(connection)
  await connection.close()
}

/** The first thing that the server refuses this connection. */
async function firstRefusal(connection: NatsConnection): Promise<string> {
  for await (const status of connection.status()) {
    const context = status.type === Events.Error ? status.permissionContext : undefined
    if (context !== undefined) return JSON.stringify(context)
  }
  return 'closed'
}

test('the worker takes jobs, acknowledges them, and publishes tokens and results', async ({
  relay,
  worker,
  expect,
}) => {
  await relay.jetstream().publish('inference.acme.job-1', 'the job')
  const jobs = await worker.jetstream().consumers.get('INFERENCE', 'workers')
  const job = await jobs.next({ expires: 5000 })
  expect(job && text.decode(job.data)).toBe('the job')
  job?.working()
  expect(await job?.ackAck()).toBe(true)

  const { stream } = await worker.jetstream().publish('tokens.acme.job-1', 'a chunk')
  expect(stream).toBe('TOKENS')
  const { stream: results } = await worker
    .jetstream()
    .publish('events.acme.io.kgents.inference.completed', 'done')
  expect(results).toBe('EVENTS')
})

test('the sender of webhooks takes from its own consumers, and reports', async ({
  relay,
  webhooks,
  expect,
}) => {
  const manager = await relay.jetstreamManager()
  await manager.consumers.add('EVENTS', {
    durable_name: 'sink-1',
    ack_policy: AckPolicy.Explicit,
    filter_subjects: ['events.acme.com.example.>'],
  })
  await relay.jetstream().publish('events.acme.com.example.order', 'an order')
  const names: string[] = []
  for await (const { name } of (await webhooks.jetstreamManager({ checkAPI: false })).consumers.list(
    'EVENTS',
  )) {
    names.push(name)
  }
  expect(names).toContain('sink-1')
  const consumer = await webhooks.jetstream().consumers.get('EVENTS', 'sink-1')
  const message = await consumer.next({ expires: 5000 })
  expect(message && text.decode(message.data)).toBe('an order')
  expect(await message?.ackAck()).toBe(true)
  await webhooks.jetstream().publish('events.acme.io.kgents.subscription.failed', 'x')
})

test.for([
  'events.acme.io.kgents.job.completed',
  'events.acme.io.kgents.subscription.redeliver',
  'agentese.acme.void.entropy.sip',
  '$JS.API.CONSUMER.MSG.NEXT.EVENTS.broker',
  '$JS.ACK.EVENTS.broker.1.1.1.1.0',
  '$JS.API.CONSUMER.DELETE.EVENTS.sink-1',
  '$JS.API.CONSUMER.CREATE.EVENTS.mine',
  '$JS.API.STREAM.MSG.GET.EVENTS',
  'sinks.changed',
])('the sender of webhooks may not publish to %s', async (subject, { webhooks, expect }) => {
  const refusal = firstRefusal(webhooks)
  webhooks.publish(subject, text.encode('x'))
  expect(await refusal).toContain(subject)
})

test('the worker reads the token log of a job, and hears of a cancellation', async ({
  relay,
  worker,
  expect,
}) => {
  await worker.jetstream().publish('tokens.acme.job-2', 'first')
  await worker.jetstream().publish('tokens.acme.job-2', 'second')
  const manager = await worker.jetstreamManager()
  const last = await manager.streams.getMessage('TOKENS', { last_by_subj: 'tokens.acme.job-2' })
  expect(text.decode(last.data)).toBe('second')
  const direct = await worker.request('$JS.API.DIRECT.GET.TOKENS.tokens.acme.job-2')
  expect(direct.string()).toBe('second')
  const log = await worker.jetstream().consumers.get('TOKENS', { filterSubjects: 'tokens.acme.job-2' })
  expect((await log.next({ expires: 5000 }))?.string()).toBe('first')
  await log.delete()

  const cancelled = worker.subscribe('events.*.io.kgents.job.cancelled', { max: 1 })
  await worker.flush()
  await relay.jetstream().publish('events.acme.io.kgents.job.cancelled', 'job-2')
  for await (const message of cancelled) expect(message.string()).toBe('job-2')
})

test.for(['agentese.acme.void.entropy.sip', 'events.acme.io.kgents.job.completed', 'inference.acme.job-3'])(
  'the worker cannot publish to %s',
  async (subject, { worker, expect }) => {
    const refusal = firstRefusal(worker)
    await expect(worker.jetstream().publish(subject, 'x', { timeout: 1000 })).rejects.toThrow()
    expect(await refusal).toContain(subject)
  },
)

test.for(['agentese.>', 'events.>', 'events.*.io.kgents.job.completed', '_INBOX_relay.>', '_INBOX.>'])(
  'the worker cannot subscribe to %s',
  async (subject, { worker, expect }) => {
    const refusal = firstRefusal(worker)
    worker.subscribe(subject, { callback: () => undefined })
    expect(await refusal).toContain(subject)
  },
)

test.for(['AGENTESE', 'EVENTS'])(
  'the worker cannot read the stream %s',
  async (stream, { worker, expect }) => {
    const manager = await worker.jetstreamManager({ checkAPI: false, timeout: 1000 })
    await expect(manager.streams.getMessage(stream, { seq: 1 })).rejects.toThrow()
    const direct = worker.request(`$JS.API.DIRECT.GET.${stream}`, '{"seq": 1}', { timeout: 1000 })
    await expect(direct).rejects.toThrow()
    const consumer = { ack_policy: AckPolicy.None }
    await expect(manager.consumers.add(stream, consumer)).rejects.toThrow()
  },
)

test('the hub follows tokens and events', async ({ relay, hub, expect }) => {
  await relay.jetstream().publish('tokens.acme.job-4', 'a chunk')
  await relay.jetstream().publish('agentese.acme.void.entropy.sip', 'an invocation')
  for (const [stream, subject, body] of [
    ['TOKENS', 'tokens.acme.job-4', 'a chunk'],
    ['AGENTESE', 'agentese.acme.>', 'an invocation'],
  ] as const) {
    const reader = await hub.jetstream().consumers.get(stream, { filterSubjects: subject })
    expect((await reader.next({ expires: 5000 }))?.string()).toBe(body)
  }
})

test('the hub keeps consumers of its own, and tells of an event that was never acknowledged', async ({
  hub,
  expect,
}) => {
  const manager = await hub.jetstreamManager()
  await manager.consumers.add('AGENTESE', {
    durable_name: 'sub-acme-1',
    ack_policy: AckPolicy.Explicit,
    filter_subject: 'agentese.acme.void.*.*',
  })
  expect((await hub.request('$JS.API.CONSUMER.NAMES.AGENTESE')).json()).toMatchObject({
    consumers: expect.arrayContaining(['sub-acme-1']),
  })
  expect(await manager.consumers.delete('AGENTESE', 'sub-acme-1')).toBe(true)
  const { stream } = await hub.jetstream().publish('events.acme.io.kgents.subscription.dead', 'an event')
  expect(stream).toBe('EVENTS')
})

test.for([
  'tokens.acme.job-4',
  'agentese.acme.void.entropy.sip',
  'events.acme.io.kgents.job.completed',
  '$JS.API.CONSUMER.DELETE.AGENTESE.broker',
  '$JS.API.CONSUMER.MSG.NEXT.AGENTESE.broker',
  '$JS.API.CONSUMER.CREATE.AGENTESE.broker',
  '$JS.ACK.AGENTESE.broker.1.1.1.1.0',
])('the hub cannot publish to %s', async (subject, { hub, expect }) => {
  const refusal = firstRefusal(hub)
  hub.publish(subject, 'x')
  expect(await refusal).toContain(subject)
})

test.for(['agentese.>', 'events.>', 'tokens.>', '_INBOX_relay.>'])(
  'the hub cannot subscribe to %s',
  async (subject, { hub, expect }) => {
    const refusal = firstRefusal(hub)
    hub.subscribe(subject, { callback: () => undefined })
    expect(await refusal).toContain(subject)
  },
)

test('nobody but the relay changes a stream, and not even the relay deletes one', async ({
  relay,
  hub,
  worker,
  expect,
}) => {
  for (const connection of [hub, worker]) {
    const manager = await connection.jetstreamManager({ checkAPI: false, timeout: 1000 })
    await expect(manager.streams.purge('TOKENS')).rejects.toThrow()
    await expect(manager.streams.add({ name: 'MINE', subjects: ['mine.>'] })).rejects.toThrow()
  }
  const manager = await relay.jetstreamManager({ checkAPI: false, timeout: 1000 })
  await expect(manager.streams.delete('EVENTS')).rejects.toThrow()
})

test('a stranger is not let in', async ({ server, expect }) => {
  const url = new URL(server.urlOf('relay'))
  url.password = 'a guess'
  const guess = connect({ servers: url.host, user: 'relay', pass: 'a guess', reconnect: false })
  await expect(guess).rejects.toMatchObject({ code: 'AUTHORIZATION_VIOLATION' })
})
