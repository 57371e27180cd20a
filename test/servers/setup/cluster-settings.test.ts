/** What a new cluster is given is all that its functions and parts need, and the Job makes of it a database to call. */
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { catalog } from '../../../functions/catalog.ts'
import { components } from '../../../functions/components.ts'
import { servicesOf } from '../../../knative/manifests.ts'
import type { EnvironmentVariable, Secret } from '../../../knative/objects.ts'
import { partsOf } from '../../../knative/parts.ts'
import type { Deployment } from '../../../knative/part-objects.ts'
import { setupJobOf } from '../../../knative/setup/manifest.ts'
import { prepareCluster, SetupConfig } from '../../../knative/setup/prepare.ts'
import { readKept, valuesOf, type SettingsObject } from '../../../knative/setup/kept.ts'
import { createClusterSettings, type ClusterServers } from '../../../knative/setup/settings.ts'
import { readConfig } from '../../../shared/config.ts'
import { hashApiKey } from '../../../shared/identity/api-keys.ts'
import { FunctionConfig } from '../../../shared/runtime/config.ts'
import { makeStateFolder, startTestPostgres } from '../servers.ts'

const INFERENCE = { url: 'http://vllm.example.com/v1', model: 'a-model', key: 'a-key' }
const SERVERS: ClusterServers = {
  databaseUrl: 'postgres://owner:secret@postgres.example.com/kgents',
  natsUrl: 'nats://nats.kgents-agents.svc.cluster.local:4222',
  natsReplicas: 3,
  redisUrl: 'redis://:secret@redis.example.com:6379',
  inference: INFERENCE,
}
const FIRST = { slug: 'acme', admin: 'ada@acme.example' }

const { objects } = await createClusterSettings(components, SERVERS, FIRST)
const secretIn = (among: readonly SettingsObject[], wanted: string) =>
  among.find((each): each is Secret => each.kind === 'Secret' && each.metadata.name === wanted)?.stringData ??
  {}
const secretNamed = (name: string) => secretIn(objects, name)
const settings = objects.flatMap((each) => (each.kind === 'ConfigMap' ? [each.data] : []))[0] ?? {}

/** The environment of a container as Kubernetes makes it; a key that no Secret has is an error, as it is there. */
function environmentOf(env: readonly EnvironmentVariable[]): Record<string, string> {
  const own = env.flatMap((variable): [string, string][] => {
    if ('value' in variable) return [[variable.name, variable.value]]
    const { name, key, optional } = variable.valueFrom.secretKeyRef
    const value = secretNamed(name)[key]
    if (value === undefined && optional !== true) throw new TypeError(`Secret ${name} has no key ${key}`)
    return value === undefined ? [] : [[variable.name, value]]
  })
  return { ...settings, ...Object.fromEntries(own) }
}

describe('createClusterSettings()', () => {
  test('gives each function all that it reads', () => {
    for (const service of servicesOf(catalog)) {
      const env = service.spec.template.spec.containers.flatMap((container) => container.env)
      expect(() => readConfig(FunctionConfig, environmentOf(env)), service.metadata.name).not.toThrow()
    }
  })

  test('gives each part all that it reads', () => {
    const deployments = partsOf(components).filter((each): each is Deployment => each.kind === 'Deployment')
    for (const { metadata, spec } of deployments) {
      const { containers, initContainers = [] } = spec.template.spec
      const contract = components.find(({ name }) => name === metadata.name)
      const env = [...initContainers, ...containers][0]?.env ?? []
      expect(() => readConfig(contract?.env ?? SetupConfig, environmentOf(env)), metadata.name).not.toThrow()
    }
  })

  test('makes what our own servers read, and nothing for one that is given', async () => {
    const namesOf = async (servers: ClusterServers) =>
      (await createClusterSettings(components, servers, FIRST)).objects.map(
        ({ metadata: { namespace, name } }) => `${namespace}/${name}`,
      )
    const kgents = ['kgents/kgents-secrets', 'kgents/kgents-setup', 'kgents/kgents-config']
    expect(await namesOf(SERVERS)).toEqual(kgents)
    expect(await namesOf({ inference: INFERENCE })).toEqual([
      ...kgents,
      'kgents-triad/kgents-postgres',
      'kgents-triad/kgents-pgbouncer',
      'kgents-agents/kgents-nats-passwords',
      'kgents-agents/kgents-nats-backup',
      'knative-eventing/config-nats',
      'kgents-triad/kgents-redis',
    ])
  })

  test('has functions connect through the pooler, and the relay and the Job past it', async () => {
    for (const [servers, host] of [
      [{}, 'postgres.kgents-triad.svc.cluster.local'],
      [
        { databaseUrl: 'postgres://owner:secret@postgres.example.com:6543/kgents', pooler: true },
        'postgres.example.com',
      ],
    ] as const) {
      const made = await createClusterSettings(components, servers, FIRST)
      const value = (name: string, key: string) => secretIn(made.objects, name)[key] ?? ''
      expect(value('kgents-secrets', 'DATABASE_URL')).toContain(
        '@pgbouncer.kgents-triad.svc.cluster.local:5432/kgents',
      )
      expect(new URL(value('kgents-secrets', 'RELAY_DATABASE_URLS')).hostname).toBe(host)
      const owner = new URL(value('kgents-setup', 'DATABASE_OWNER_URL'))
      expect(owner.hostname).toBe(host)
      expect(value('kgents-pgbouncer', 'databases.ini')).toBe(
        `[databases]\n* = host=${host} port=${owner.port}\n`,
      )
      const again = await createClusterSettings(
        components,
        {},
        {},
        readKept(made.objects.map((each) => stringify(each)).join('---\n')),
      )
      expect(secretIn(again.objects, 'kgents-secrets')).toEqual(secretIn(made.objects, 'kgents-secrets'))
      expect(secretIn(again.objects, 'kgents-pgbouncer')).toEqual(secretIn(made.objects, 'kgents-pgbouncer'))
    }
  })

  describe('with an earlier file', () => {
    const textOf = (objects: readonly SettingsObject[]) =>
      objects.map((object) => stringify(object)).join('---\n')
    const valuesIn = (objects: readonly SettingsObject[]) =>
      new Map(
        objects.flatMap((object) =>
          Object.entries(valuesOf(object)).map(([key, value]): [string, string] => [
            `${object.metadata.namespace}/${object.metadata.name} ${key}`,
            value,
          ]),
        ),
      )

    test('keeps every key and password, and what was added by hand', async () => {
      const before = await createClusterSettings(components, { inference: INFERENCE }, FIRST)
      const config = before.objects.find((each) => each.kind === 'ConfigMap')
      if (config?.kind === 'ConfigMap')
        Object.assign(config.data, { STREAM_REPLICAS: '5', LOG_LEVEL: 'warn' })
      const rotated = secretIn(before.objects, 'kgents-secrets')
      rotated['TOOL_SECRET_KEY'] = `a newer one,${rotated['TOOL_SECRET_KEY']}`
      const other = {
        ...config,
        metadata: { name: 'of-somebody-else', namespace: 'kgents' },
      } as SettingsObject
      const kept = readKept(textOf([...before.objects, other]))
      const after = await createClusterSettings(components, {}, {}, kept)
      expect(after.apiKey).toBeUndefined()
      expect(valuesIn(after.objects)).toEqual(valuesIn([...before.objects, other]))
    })

    test('adds what a part that came later needs, and leaves the passwords of the others', async () => {
      const earlier = components.filter(({ name }) => name !== 'webhooks')
      const before = await createClusterSettings(earlier, { inference: INFERENCE }, FIRST)
      const after = await createClusterSettings(components, {}, {}, readKept(textOf(before.objects)))
      const added = valuesIn(after.objects)
      const files = 'kgents-agents/kgents-nats-passwords users.conf'
      const lines = (text = '') => text.split('\n')
      const old = valuesIn(before.objects)
      expect(lines(added.get(files))).toEqual(expect.arrayContaining(lines(old.get(files))))
      const [line = ''] = lines(added.get(files)).filter((each) => !lines(old.get(files)).includes(each))
      const url = added.get('kgents/kgents-secrets WEBHOOKS_NATS_URL') ?? ''
      expect(line).toBe(`WEBHOOKS_NATS_PASSWORD: "${new URL(url).password}"`)
    })

    test('leaves a server that was given where it is, until another is given', async () => {
      const before = await createClusterSettings(components, SERVERS, FIRST)
      const kept = readKept(textOf(before.objects))
      const same = await createClusterSettings(components, {}, {}, kept)
      expect(valuesIn(same.objects)).toEqual(valuesIn(before.objects))
      const moved = await createClusterSettings(
        components,
        { databaseUrl: 'postgres://owner:secret@new.example.com/kgents' },
        {},
        kept,
      )
      const url = new URL(secretIn(moved.objects, 'kgents-secrets')['DATABASE_URL'] ?? '')
      expect(url.hostname).toBe('new.example.com')
      expect(url.password).toBe(secretIn(before.objects, 'kgents-setup')['APP_PASSWORD'])
    })
  })

  test('makes other secrets each time', async () => {
    const again = await createClusterSettings(components, SERVERS, FIRST)
    const texts = [objects, again.objects].map((each) =>
      JSON.stringify(each.map((one) => 'stringData' in one && one.stringData)),
    )
    const secrets = texts.map((text) => new Set(text.match(/[A-Za-z0-9_-]{43}/g)))
    expect(secrets[0]?.intersection(secrets[1] ?? new Set())).toEqual(new Set())
    expect(secrets[0]?.size).toBeGreaterThan(10)
  })
})

/** A database as a provider gives it: its owner makes roles, and is no superuser. */
async function createOwnedDatabase(superuserUrl: string): Promise<string> {
  const superuser = postgres(superuserUrl, { max: 1 })
  await superuser`create role provided login createrole password 'provided'`
  await superuser`create database provided owner provided`
  await superuser.end()
  return Object.assign(new URL(superuserUrl), {
    username: 'provided',
    password: 'provided',
    pathname: '/provided',
  }).href
}

test('prepareCluster() makes schema, logins and one first tenant, whose key is good; again it changes nothing', async () => {
  const { state, remove } = await makeStateFolder()
  const server = await startTestPostgres(state)
  try {
    const databaseUrl = await createOwnedDatabase(server.url)
    const made = await createClusterSettings(components, { ...SERVERS, databaseUrl }, FIRST)
    const named = (name: string) => made.objects.find((each) => each.metadata.name === name) as Secret
    const job = setupJobOf().spec.template.spec.containers[0]?.env.map(({ name }) => name) ?? []
    const given = Object.fromEntries(job.map((name) => [name, named('kgents-setup').stringData[name]]))
    const config = readConfig(SetupConfig, given)
    expect((await prepareCluster(config)).length).toBeGreaterThan(0)
    expect(await prepareCluster(config)).toEqual([])
    const app = postgres(named('kgents-secrets').stringData['DATABASE_URL'] ?? '', { max: 1 })
    const relay = postgres(named('kgents-secrets').stringData['RELAY_DATABASE_URLS'] ?? '', { max: 1 })
    const rows = await app`select * from authenticate_api_key(${hashApiKey(made.apiKey ?? '')})`
    expect(rows).toMatchObject([{ tier: 'enterprise', roles: ['super_admin', 'admin', 'developer'] }])
    // What the first tenant is still to be given.
    expect(await relay`select * from due_functions()`).toEqual([{ due_functions: 'tenant' }])
    const superuser = Object.assign(new URL(server.url), { pathname: '/provided' }).href
    const owner = postgres(superuser, { max: 1 })
    const roles = async () => (await owner`select roles from users`)[0]?.['roles']
    // A platform from before there were operators, and one that has another.
    await owner`update users set roles = '{admin}'`
    await prepareCluster(config)
    expect(await roles()).toEqual(['admin', 'super_admin'])
    await owner`update users set roles = '{admin}'`
    await owner`
      insert into users (id, tenant_id, email, name, roles)
      select gen_random_uuid(), id, 'o@p.example', 'O', '{super_admin}' from tenants`
    await prepareCluster(config)
    expect(await roles()).toEqual(['admin'])
    await owner.end()
    await Promise.all([app.end(), relay.end()])
  } finally {
    await server.stop()
    await remove()
  }
})
