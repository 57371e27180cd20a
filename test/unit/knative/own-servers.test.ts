/** The servers that our components bring, what `cluster:settings` writes for them, and who reaches them: all agree. */
import { cpSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { components } from '../../../functions/components.ts'
import { PLACES } from '../../../knative/network/places.ts'
import { valuesOf } from '../../../knative/setup/kept.ts'
import { createClusterSettings } from '../../../knative/setup/settings.ts'
import { buildFolder } from './built-overlays.ts'
import type { KubernetesObject } from './structural-schema.ts'

const FOLDER = fileURLToPath(new URL('../../../knative/manifests/components/', import.meta.url))
const OURS = [
  'nats',
  'nats-mirror',
  'postgres',
  'postgres-cnpg',
  'postgres-cnpg-restore',
  'pgbouncer',
  'redis',
  'backups-nats',
  'backups-postgres',
]

const { objects: settings } = await createClusterSettings(
  components,
  {
    inference: { url: 'http://vllm.example.com/v1', model: 'a-model' },
    backups: {
      bucket: 'a-bucket',
      region: 'a-region',
      keyId: 'an-id',
      key: 'a-key',
      endpoint: 'https://s3.example',
    },
  },
  { slug: 'acme', admin: 'ada@acme.example' },
)

const read = (component: string, file: string) => readFileSync(join(FOLDER, component, file), 'utf8')
const manifests = OURS.flatMap((component) =>
  globSync('*.yaml', { cwd: join(FOLDER, component) })
    .filter((file) => file !== 'kustomization.yaml')
    .flatMap((file) => parseAllDocuments(read(component, file)))
    .map((document) => document.toJS() as KubernetesObject),
)
const written = settings.flatMap((object) =>
  Object.keys(valuesOf(object)).map((key) => `${object.metadata.namespace}/${object.metadata.name}: ${key}`),
)
const valueOf = (name: string, key: string) => {
  const object = settings.find(({ metadata }) => metadata.name === name)
  return (object === undefined ? undefined : valuesOf(object)[key]) ?? ''
}

/** The keys of Secrets that a manifest reads, wherever they stand in it. */
function secretsReadBy({ metadata: { namespace }, ...rest }: KubernetesObject): string[] {
  const found: string[] = []
  const walk = (value: unknown, name: string): void => {
    if (typeof value !== 'object' || value === null) return
    const object = value as Record<string, unknown>
    const from = object['secretName'] ?? (name === 'secret' ? object['name'] : undefined)
    const items = object['items']
    if (typeof from === 'string' && Array.isArray(items))
      found.push(...items.map((item: { key: string }) => `${namespace}/${from}: ${item.key}`))
    // CloudNativePG reads these two of the Secret of an owner.
    else if (typeof from === 'string')
      found.push(...['username', 'password'].map((key) => `${namespace}/${from}: ${key}`))
    const isReference = name === 'secretKeyRef' || ['accessKeyId', 'secretAccessKey', 'region'].includes(name)
    if (isReference) found.push(`${namespace}/${String(object['name'])}: ${String(object['key'])}`)
    for (const [each, inner] of Object.entries(object)) walk(inner, each)
  }
  walk(rest, '')
  return found
}

describe('what the manifests read of Secrets', () => {
  const reads = new Set(manifests.flatMap(secretsReadBy))

  test('is what cluster:settings writes', () => {
    expect(reads.size).toBeGreaterThan(15)
    expect([...reads].filter((each) => !written.includes(each))).toEqual([])
  })

  test('is all that it writes for them', () => {
    const forThem = written.filter((each) => /^kgents-(triad|agents)\//.test(each))
    expect(forThem.filter((each) => !reads.has(each))).toEqual([])
  })
})

describe('an address that cluster:settings writes', () => {
  const texts = settings.flatMap((object) => Object.values(valuesOf(object)))
  const addresses = texts.flatMap((text) => [
    ...text.matchAll(
      /([a-z0-9-]+(?:\.[a-z0-9-]+)?)\.(kgents-triad|kgents-agents)\.svc\.cluster\.local(?::| port=)(\d+)/g,
    ),
  ])

  test('is that of a Service, and a port of it', () => {
    const services = manifests.filter(({ kind }) => kind === 'Service') as (KubernetesObject &
      ServiceObject)[]
    expect(addresses.length).toBeGreaterThan(10)
    for (const [whole, host = '', namespace, port] of addresses) {
      const name = host.split('.').at(-1)
      const found = services.find(
        ({ metadata }) => metadata.name === name && metadata.namespace === namespace,
      )
      expect(
        found?.spec.ports.map((each) => String(each.port)),
        whole,
      ).toContain(port)
    }
  })

  test('leads to a pod at the port that policies let through', () => {
    const portOf = (kind: string, name: string, port: string) =>
      containersOf(manifests.find((each) => each.kind === kind && each.metadata.name === name))
        .flatMap(({ ports = [] }) => ports)
        .find((each) => each.name === port)?.containerPort
    const ports = (place: keyof typeof PLACES) =>
      PLACES[place].ports.map((each) => ('port' in each ? each.port : undefined))
    expect([portOf('StatefulSet', 'nats', 'nats')]).toEqual(ports('nats'))
    expect([portOf('StatefulSet', 'nats', 'monitor')]).toEqual(ports('nats-monitoring'))
    expect([portOf('StatefulSet', 'postgres', 'postgres')]).toEqual(ports('postgres'))
    expect([portOf('Deployment', 'pgbouncer', 'postgres')]).toEqual(ports('postgres'))
    expect([portOf('Deployment', 'redis', 'redis')]).toEqual(ports('redis'))
  })
})

test('the configuration of NATS listens where the pods say, and names passwords that are in the Secret', () => {
  for (const component of ['nats', 'nats-mirror']) {
    const conf = read(component, 'nats.conf')
    const pod = manifests.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === component)
    const open = containersOf(pod)[0]?.ports?.map(({ containerPort }) => containerPort)
    const listening = [...conf.matchAll(/^\s*(?:http_)?port: (\d+)$/gm)].map(([, port]) => Number(port))
    expect(new Set(listening), component).toEqual(new Set(open))
  }
  const named = new Set(read('nats', 'accounts.conf').match(/\$\w+_NATS_PASSWORD/g))
  const users = valueOf('kgents-nats-passwords', 'users.conf').match(/^\w+(?=:)/gm) ?? []
  expect([...named].map((variable) => variable.slice(1)).toSorted()).toEqual(users.toSorted())
  for (const variable of read('nats', 'nats.conf').match(/(?<=\$)CLUSTER_\w+/g) ?? [])
    expect(valueOf('kgents-nats-passwords', 'cluster.conf')).toContain(`${variable}: `)
})

test('users and passwords are the same on both sides', () => {
  const login = (url: string) => [new URL(url).username, new URL(url).password]
  const secrets = (key: string) => login(valueOf('kgents-secrets', key))
  const [user, password] = secrets('DATABASE_URL')
  expect(valueOf('kgents-pgbouncer', 'userlist.txt')).toBe(`"${user}" "${password}"\n`)
  expect(login(valueOf('kgents-setup', 'DATABASE_OWNER_URL'))).toEqual([
    valueOf('kgents-postgres', 'username'),
    valueOf('kgents-postgres', 'password'),
  ])
  expect(valueOf('kgents-redis', 'password.conf')).toBe(`requirepass ${secrets('REDIS_URL')[1]}\n`)
  for (const { name, nats } of components.filter((each) => each.nats !== undefined)) {
    const variable = `${name.toUpperCase().replaceAll('-', '_')}_NATS`
    expect(nats).toBeDefined()
    expect(valueOf('kgents-nats-passwords', 'users.conf')).toContain(
      `${variable}_PASSWORD: "${secrets(`${variable}_URL`)[1]}"\n`,
    )
  }
  const cluster = manifests.find(({ kind }) => kind === 'Cluster') as KubernetesObject & ClusterObject
  expect(cluster.spec.bootstrap.initdb).toMatchObject({
    owner: valueOf('kgents-postgres', 'username'),
    database: new URL(valueOf('kgents-secrets', 'DATABASE_URL')).pathname.slice(1),
  })
})

test('kubectl builds each component', async ({ skip }) => {
  const folder = mkdtempSync(join(tmpdir(), 'kgents-components-'))
  try {
    cpSync(FOLDER, join(folder, 'components'), { recursive: true })
    expect(readdirSync(FOLDER)).toEqual(expect.arrayContaining(OURS))
    for (const component of OURS) {
      // That one changes the other.
      const needs = component === 'postgres-cnpg-restore' ? ['postgres-cnpg', component] : [component]
      const kustomization = { components: needs.map((name) => `components/${name}`) }
      writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
      const built = (await buildFolder(folder)) ?? skip('there is no kubectl here')
      expect(built, component).not.toEqual([])
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

interface ServiceObject {
  spec: { ports: { port: number }[] }
}

interface ClusterObject {
  spec: { bootstrap: { initdb: object } }
}

interface Container {
  ports?: { name: string; containerPort: number }[]
}

function containersOf(object: KubernetesObject | undefined): Container[] {
  const { spec } = object as unknown as { spec: { template: { spec: { containers: Container[] } } } }
  return spec.template.spec.containers
}
