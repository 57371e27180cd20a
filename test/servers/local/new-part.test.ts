/** A part that is one `component.ts` and its program: all that the platform does with parts, it does with this one. */
import { join } from 'node:path'
import { Events } from 'nats'
import { test as base } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { components as own } from '../../../functions/components.ts'
import { createKongConfig } from '../../../gateway/kong/kong.ts'
import { readLocalConfig } from '../../../knative/local/config.ts'
import { startDeployment } from '../../../knative/local/deployment.ts'
import { processesOf } from '../../../knative/local/processes.ts'
import { loadSecrets } from '../../../knative/local/secrets.ts'
import { startNats, type NatsServer } from '../../../knative/local/servers/nats.ts'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { cacheFolder } from '../../../knative/local/servers/wheels.ts'
import { natsUsersOf } from '../../../knative/nats-users.ts'
import { networkPoliciesOf } from '../../../knative/network/policies.ts'
import { partsOf } from '../../../knative/parts.ts'
import { inboxPrefixOf, openNats } from '../../../shared/nats/connect.ts'
import { eventually } from '../../eventually.ts'
import { greeter } from '../../fixtures/greeter/component.ts'
import { createNetwork } from '../../unit/knative/network.ts'
import { makeStateFolder } from '../servers.ts'

const components = [...own, greeter]

const test = base.extend<{ state: string; nats: NatsServer }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  state: async ({}, use) => {
    const { state, remove } = await makeStateFolder()
    await use(state)
    await remove()
  },
  nats: async ({ state }, use) => {
    const [port = 0, monitoringPort = 0] = await findFreePorts(2)
    const logins = { users: natsUsersOf(components), key: (await loadSecrets(state)).natsKey }
    const cache = cacheFolder(process.env)
    const nats = await startNats({ state, port, monitoringPort, ...logins, cache, env: process.env })
    await use(nats)
    await nats.stop()
  },
})

test('a new part runs as a local process with its port, its environment and its user of NATS', async ({
  state,
  nats,
  expect,
}) => {
  const [port = 0] = await findFreePorts(1)
  const database = { owner: '', app: '', relay: '', exporter: '' }
  const [process] = processesOf([greeter], {
    config: readLocalConfig({ KGENTS_STATE: state }),
    secrets: await loadSecrets(state),
    infrastructure: {
      database,
      nats: { urlOf: (part) => nats.urlOf(part), monitoring: undefined },
      redis: undefined,
      inference: { engine: 'none', reason: '', suggestion: '' },
      servers: [],
    },
    ports: { ingress: 1, gatewayStatus: 1, parts: new Map([['greeter', port]]) },
  })
  if (process === undefined) throw new TypeError('There is no process')
  expect(process.env).toEqual({
    LOG_LEVEL: 'info',
    HOST: '127.0.0.1',
    PORT: String(port),
    NATS_URL: nats.urlOf('greeter'),
    NODE_COMPILE_CACHE: join(state, 'compile-cache'),
  })
  const running = startDeployment({ ...process, state, onStart: () => {}, onExit: () => {} })
  await running.ready
  await eventually(async () =>
    expect((await fetch(`http://127.0.0.1:${port}/health/ready`)).status).toBe(200),
  )
  await running.stop()
})

test('a new part may do on NATS what its contract says, and nothing else', async ({ nats, expect }) => {
  const inboxPrefix = inboxPrefixOf('greeter')
  const connection = await openNats(nats.urlOf('greeter'), 'greeter', { inboxPrefix })
  const refused: unknown[] = []
  void (async () => {
    for await (const status of connection.status())
      if (status.type === Events.Error) refused.push(status.permissionContext)
  })()
  connection.publish('greetings.all')
  connection.subscribe('greeted.>', { callback: () => {} })
  await connection.flush()
  expect(refused).toEqual([])
  connection.publish('events.acme.io.kgents.job.completed')
  connection.publish('$JS.API.STREAM.INFO.EVENTS')
  connection.subscribe('agentese.>', { callback: () => {} })
  await eventually(() => expect(refused).toHaveLength(3))
  await connection.close()
})

test('a new part has a Deployment, a Service, a disruption budget and a route, and the gateway reaches it', async ({
  expect,
}) => {
  const objects = partsOf(components).filter(({ metadata }) => metadata.name === 'greeter')
  expect(objects.map(({ kind }) => kind)).toEqual(['Deployment', 'Service', 'PodDisruptionBudget'])
  const service = createKongConfig(catalog, components).services.find(({ name }) => name === 'greeter')
  expect(service).toMatchObject({
    url: 'http://greeter.kgents.svc.cluster.local:80',
    routes: [
      { name: 'greeter.greet', methods: ['GET', 'HEAD'] },
      { name: expect.stringContaining('greeter.other') },
    ],
  })
  const { lets } = createNetwork(networkPoliciesOf(catalog, components))
  const pod = (part: string) => ({ namespace: 'kgents', labels: { 'kgents.io/part': part } })
  expect(lets(pod('gateway'), pod('greeter'), 8080)).toBe(true)
  expect(lets(pod('relay'), pod('greeter'), 8080)).toBe(false)
  const nats = { namespace: 'kgents-agents', labels: {} }
  expect(lets(pod('greeter'), nats, 4222)).toBe(true)
  expect(lets(pod('greeter'), { address: 'public' }, 443)).toBe(false)
})
