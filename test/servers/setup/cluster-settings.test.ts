/** What a new cluster is given is all that its functions and parts need, and the Job makes of it a database to call. */
import postgres from 'postgres'
import { describe, expect, test } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { components } from '../../../functions/components.ts'
import { servicesOf } from '../../../knative/manifests.ts'
import type { EnvironmentVariable, Secret } from '../../../knative/objects.ts'
import { natsUsersFile, natsUsersOf } from '../../../knative/nats-users.ts'
import { partsOf } from '../../../knative/parts.ts'
import type { Deployment } from '../../../knative/part-objects.ts'
import { setupJobOf } from '../../../knative/setup/manifest.ts'
import { prepareCluster, SetupConfig } from '../../../knative/setup/prepare.ts'
import { createClusterSettings, type ClusterServers } from '../../../knative/setup/settings.ts'
import { readConfig } from '../../../shared/config.ts'
import { hashApiKey } from '../../../shared/identity/api-keys.ts'
import { FunctionConfig } from '../../../shared/runtime/config.ts'
import { makeStateFolder, startTestPostgres } from '../servers.ts'

const SERVERS: ClusterServers = {
  databaseUrl: 'postgres://owner:secret@postgres.example.com/kgents',
  natsUrl: 'nats://nats.kgents-agents.svc.cluster.local:4222',
  natsReplicas: 3,
  redisUrl: 'redis://:secret@redis.example.com:6379',
  inference: { url: 'http://vllm.example.com/v1', model: 'a-model', key: 'a-key' },
}
const FIRST = { slug: 'acme', admin: 'ada@acme.example' }

const { objects } = await createClusterSettings(components, SERVERS, FIRST)
const secretNamed = (name: string) =>
  objects.find((each): each is Secret => each.kind === 'Secret' && each.metadata.name === name)?.stringData ??
  {}
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

  test('gives NATS the password that each part logs in with', () => {
    const variables = natsUsersFile(natsUsersOf(components)).match(/\$\w+_NATS_PASSWORD/g) ?? []
    const passwords = secretNamed('kgents-nats-passwords')
    expect(Object.keys(passwords).toSorted()).toEqual(variables.map((name) => name.slice(1)).toSorted())
    for (const [variable, password] of Object.entries(passwords)) {
      const url = secretNamed('kgents-secrets')[variable.replace('_PASSWORD', '_URL')] ?? ''
      expect(new URL(url).password).toBe(password)
    }
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

test('prepareCluster() makes schema, logins and one first tenant, whose key is good; again it changes nothing', async () => {
  const { state, remove } = await makeStateFolder()
  const server = await startTestPostgres(state)
  try {
    const made = await createClusterSettings(components, { ...SERVERS, databaseUrl: server.url }, FIRST)
    const named = (name: string) => made.objects.find((each) => each.metadata.name === name) as Secret
    const job = setupJobOf().spec.template.spec.containers[0]?.env.map(({ name }) => name) ?? []
    const given = Object.fromEntries(job.map((name) => [name, named('kgents-setup').stringData[name]]))
    const config = readConfig(SetupConfig, given)
    expect((await prepareCluster(config)).length).toBeGreaterThan(0)
    expect(await prepareCluster(config)).toEqual([])
    const app = postgres(named('kgents-secrets').stringData['DATABASE_URL'] ?? '', { max: 1 })
    const relay = postgres(named('kgents-secrets').stringData['RELAY_DATABASE_URLS'] ?? '', { max: 1 })
    const rows = await app`select * from authenticate_api_key(${hashApiKey(made.apiKey)})`
    expect(rows).toMatchObject([{ tier: 'enterprise', roles: ['super_admin', 'admin', 'developer'] }])
    expect(await relay`select * from due_functions()`).toEqual([])
    const owner = postgres(server.url, { max: 1 })
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
