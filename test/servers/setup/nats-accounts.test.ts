/** Three real servers on the files that the pods read: they find each other, and nobody does more than is theirs. */
import { connect, ErrorCode, NatsError, StorageType, type NatsConnection } from 'nats'
import { expect, test as base } from 'vitest'
import { components } from '../../../functions/components.ts'
import {
  findNatsPorts,
  startComponentNats,
  type ComponentNats,
} from '../../../knative/backup/component-nats.ts'
import { natsLogins, natsObjects } from '../../../knative/setup/own-servers.ts'
import { ensureMirrors, restoreFromMirror } from '../../../knative/backup/mirror.ts'
import { valuesOf } from '../../../knative/setup/kept.ts'
import { ensureStream, ensureStreams } from '../../../shared/nats/ensure-streams.ts'
import { eventually } from '../../eventually.ts'
import { makeStateFolder } from '../servers.ts'

interface Cluster {
  servers: ComponentNats[]
  /** Logs in as `user`, at the three servers or at another. */
  as(user: string, at?: ComponentNats | { password: string }): Promise<NatsConnection>
  startMirror(): Promise<ComponentNats>
  filesWith(passwords: ReadonlyMap<string, string>): Record<string, string>
}

const passwords = new Map(natsLogins(components).map((user) => [user, `password-of-${user}`]))

const test = base.extend('nats', { scope: 'file' }, async ({}, { onCleanup }): Promise<Cluster> => {
  const { state, remove } = await makeStateFolder()
  const ports = [await findNatsPorts(), await findNatsPorts(), await findNatsPorts()]
  const filesWith = (with_: ReadonlyMap<string, string>) => {
    const [secret] = natsObjects(with_)
    if (secret === undefined) throw new TypeError('there is no Secret')
    const { 'users.conf': users = '', 'cluster.conf': cluster = '' } = valuesOf(secret)
    const here = cluster.replaceAll(
      /nats-(\d)\.nats-headless\.kgents-agents\.svc\.cluster\.local:6222/g,
      (_, index: string) => `127.0.0.1:${ports[Number(index)]?.cluster}`,
    )
    return { 'users.conf': users, 'cluster.conf': here }
  }
  const servers = await Promise.all(
    ports.map((each, index) =>
      startComponentNats({
        component: 'nats',
        name: `nats-${index}`,
        state,
        ports: each,
        files: filesWith(passwords),
        env: process.env,
        isClustered: true,
      }),
    ),
  )
  const connections: NatsConnection[] = []
  onCleanup(async () => {
    await Promise.all(connections.map((nc) => nc.close()))
    await Promise.all(servers.map((server) => server.stop()))
    await remove()
  })
  return {
    servers,
    filesWith,
    async startMirror() {
      const { 'users.conf': users } = filesWith(passwords)
      const primary = `nats-leaf://mirror:${passwords.get('mirror')}@127.0.0.1:${ports[0]?.leaf}`
      const mirror = await startComponentNats({
        component: 'nats-mirror',
        name: 'nats-mirror',
        state,
        ports: await findNatsPorts(),
        files: { 'users.conf': users, 'mirror.conf': `PRIMARY_URL: "${primary}"\n` },
        env: process.env,
      })
      servers.push(mirror)
      return mirror
    },
    async as(user, at) {
      const pass = at !== undefined && 'password' in at ? at.password : passwords.get(user)
      const those = at !== undefined && 'port' in at ? [at] : servers.slice(0, 3)
      const nc = await connect({
        servers: those.map(({ port }) => `127.0.0.1:${port}`),
        user,
        ...(pass === undefined ? {} : { pass }),
        inboxPrefix: `_INBOX_${user}`,
        maxReconnectAttempts: 0,
      })
      connections.push(nc)
      return nc
    },
  }
})

const codeOf = async (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof NatsError ? error.code : String(error)),
  )

test('the three servers keep each stream three times, and the parts work with it', async ({ nats }) => {
  const relay = await nats.as('relay')
  await ensureStreams(relay, { replicas: 3 })
  const manager = await relay.jetstreamManager()
  const { cluster, config } = await manager.streams.info('AGENTESE')
  expect(config.num_replicas).toBe(3)
  const holders = [cluster?.leader, ...(cluster?.replicas ?? []).map(({ name }) => name)]
  expect(new Set(holders)).toEqual(new Set(['nats-0', 'nats-1', 'nats-2']))
  await relay.jetstream().publish('agentese.acme.void.entropy.sip', 'an event')
  const hub = await nats.as('stream-hub')
  const read = await (await hub.jetstreamManager()).streams.getMessage('AGENTESE', { seq: 1 })
  expect(read.string()).toBe('an event')
})

test('ensureStreams() changes what may change, and names what may not', async ({ nats }) => {
  const relay = await nats.as('relay')
  const manager = await relay.jetstreamManager()
  /** How many servers have all of a stream, one of them its leader. */
  const copies = async (stream: string) => {
    const { cluster } = await manager.streams.info(stream)
    const followers = (cluster?.replicas ?? []).filter(({ current }) => current)
    return cluster?.leader === undefined ? 0 : 1 + followers.length
  }
  for (const replicas of [1, 3]) {
    // While a stream moves, it may have no leader to answer.
    await eventually(() => ensureStreams(relay, { replicas }))
    for (const stream of ['AGENTESE', 'EVENTS', 'INFERENCE', 'TOKENS'])
      await eventually(async () => expect(await copies(stream)).toBe(replicas))
  }
  await expect(ensureStream(manager, { name: 'EVENTS', storage: StorageType.Memory })).rejects.toThrow(
    'Cannot change the stream "EVENTS": ',
  )
})

test('a mirror follows the three servers, and the streams come back from it with three copies', async ({
  nats,
}) => {
  const relay = await nats.as('relay')
  const manager = await relay.jetstreamManager()
  await relay.jetstream().publish('events.acme.io.kgents.x', 'to be mirrored')
  const before = (await manager.streams.info('EVENTS')).state
  const mirror = await nats.startMirror()
  await ensureMirrors(await nats.as('restore', mirror))
  const copy = await (await nats.as('relay', mirror)).jetstreamManager()
  await eventually(async () => {
    for (const stream of ['AGENTESE', 'EVENTS']) {
      const { last_seq } = (await manager.streams.info(stream)).state
      expect((await copy.streams.info(stream)).state.last_seq).toBe(last_seq)
    }
  })
  const restorer = await nats.as('restore')
  const lost = await restorer.jetstreamManager()
  for (const stream of ['AGENTESE', 'EVENTS']) await lost.streams.delete(stream)
  await restoreFromMirror(await nats.as('backup', mirror), restorer, 3)
  const { config, state } = await manager.streams.info('EVENTS')
  expect(config).toMatchObject({ num_replicas: 3, subjects: ['events.>'] })
  expect(state).toMatchObject({ messages: before.messages, last_seq: before.last_seq })
})

test('each user is refused what its contract does not name', async ({ nats }) => {
  const worker = await nats.as('gpu-worker')
  const manager = await worker.jetstreamManager()
  expect(await codeOf(manager.streams.getMessage('AGENTESE', { seq: 1 }))).toBe(
    ErrorCode.PermissionsViolation,
  )
  const relay = await nats.as('relay')
  const relayManager = await relay.jetstreamManager()
  expect(await codeOf(relayManager.streams.delete('AGENTESE'))).toBe(ErrorCode.PermissionsViolation)
  const backup = await nats.as('backup')
  const backupManager = await backup.jetstreamManager()
  expect(await codeOf(backupManager.streams.add({ name: 'OWN' }))).toBe(ErrorCode.PermissionsViolation)
  expect(await codeOf(backupManager.streams.info('AGENTESE'))).toBe('done')
})

test('eventing-natss has its channels, and sees no stream and no message of the platform', async ({
  nats,
}) => {
  const channels = await nats.as('knative')
  const manager = await channels.jetstreamManager()
  await manager.streams.add({
    name: 'KN_KGENTS__DEFAULT',
    subjects: ['kgents.default._knative', 'agentese.>'],
    storage: StorageType.File,
    num_replicas: 3,
  })
  const relay = await nats.as('relay')
  await relay.jetstream().publish('agentese.acme.void.entropy.sip', 'another event')
  await channels.jetstream().publish('kgents.default._knative', 'an event of the Broker')
  const { state } = await manager.streams.info('KN_KGENTS__DEFAULT')
  expect(state.messages).toBe(1)
  expect(await manager.streams.names().next()).toEqual(['KN_KGENTS__DEFAULT'])
})

test('nobody logs in without a password, as a server, or with the login of the mirror', async ({ nats }) => {
  for (const [user, password] of [
    ['relay', 'another'],
    ['cluster', 'password-of-cluster'],
    ['mirror', 'password-of-mirror'],
  ] as const)
    expect(await codeOf(nats.as(user, { password })), user).toBe(ErrorCode.AuthorizationViolation)
})

test('a changed Secret changes passwords while the servers run', async ({ nats }) => {
  const began = nats.servers.map(({ pid }) => pid)
  const changed = nats.filesWith(new Map(passwords).set('webhooks', 'changed').set('cluster', 'changed too'))
  for (const server of nats.servers.slice(0, 3))
    for (const [file, text] of Object.entries(changed)) server.reload(file, text)
  await eventually(async () => {
    expect(await codeOf(nats.as('webhooks'))).toBe(ErrorCode.AuthorizationViolation)
    expect(await codeOf(nats.as('webhooks', { password: 'changed' }))).toBe('done')
  })
  expect(nats.servers.map(({ pid }) => pid)).toEqual(began)
  const relay = await nats.as('relay')
  // The servers leave each other for a moment when their own password changes.
  const publish = () => relay.jetstream().publish('events.acme.io.kgents.x', 'still stored')
  await eventually(async () => expect(await codeOf(publish())).toBe('done'))
})
