import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { components } from '../../../functions/components.ts'
import { PARAMETERS } from '../../../functions/control/reference/headers.ts'
import { deployKongConfig } from '../../../gateway/kong/deployment.ts'
import { createKongConfig } from '../../../gateway/kong/kong.ts'
import { PROBLEM_BODY_LUA, STRIP_HEADERS_LUA, STRIPPED_PREFIXES } from '../../../gateway/kong/lua.ts'
import { servicesOf } from '../../../knative/manifests.ts'
import { createChains } from '../../../gateway/local/chain.ts'
import { KongFile } from './kong-schema.ts'

const config = createKongConfig(catalog, components)

function publicKey(kid: string, kind: 'ed25519' | 'ec') {
  const { publicKey } =
    kind === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
  return { ...publicKey.export({ format: 'jwk' }), kty: kind === 'ec' ? 'EC' : 'OKP', kid }
}

describe('createKongConfig()', () => {
  test('uses entities, plugins and fields of Kong OSS 3.9 only', () => {
    expect(KongFile.safeParse(config).error?.issues ?? []).toEqual([])
  })

  test('lets scripts of other sites send every header that the reference names', () => {
    const allowed = config.plugins.find(({ name }) => name === 'cors')?.config['headers']
    const named = Object.values(PARAMETERS).filter((parameter) => parameter.in === 'header')
    expect(allowed).toEqual(expect.arrayContaining(named.map(({ name }) => name)))
  })

  test('sends each function its own host name, and waits longer than Knative does', () => {
    const deployed = servicesOf(catalog)
    for (const [index, { name }] of catalog.entries()) {
      const knativeSeconds = deployed[index]?.spec.template.spec.timeoutSeconds ?? Infinity
      const service = config.services.find((each) => each.name === name)
      expect(service?.url).toBe(`http://${name}.kgents.svc.cluster.local:80`)
      expect(service?.read_timeout).toBeGreaterThan(knativeSeconds * 1000)
    }
  })

  test('lets answers of the stream hub through as they come', () => {
    const hub = config.services.find(({ name }) => name === 'stream-hub')
    expect(hub?.routes.length).toBeGreaterThan(0)
    expect(hub?.routes.every((route) => route.response_buffering === false)).toBe(true)
  })

  test('lets attributes of events through where events are taken, and the platform’s own headers nowhere', () => {
    const routes = config.services.flatMap(({ routes }) => routes)
    const matches = routes.map((route) => ({ route }))
    const chains = createChains({ ...config, consumers: [] }, matches)
    for (const [{ route }, plugins] of chains) {
      const stays = (name: string) => plugins.some((plugin) => plugin.strips?.(name))
      expect(stays('ce-id')).toBe(!route.name.startsWith('events-in.take'))
      for (const name of ['x-tenant-id', 'k-proxy-request', 'x-consumer-id']) expect(stays(name)).toBe(true)
    }
    const checked = (name: string) =>
      routes.find((route) => route.name === name)?.plugins?.map((each) => each.name)
    expect(checked('events-in.take')).toContain('jwt')
    expect(checked('events-in.take.key')).not.toContain('jwt')
  })

  test('says no secret, no key and no token', () => {
    expect(JSON.stringify(config)).not.toMatch(/BEGIN|secret":|"d":/)
  })
})

describe('deployKongConfig()', () => {
  const keys = { keys: [publicKey('old', 'ed25519'), publicKey('new', 'ec')] }

  test('gives the platform one credential for each key, so that keys can rotate', () => {
    const deployed = deployKongConfig(config, { keys })
    expect(KongFile.safeParse(deployed).error?.issues ?? []).toEqual([])
    expect(deployed.consumers[0]?.jwt_secrets?.map(({ key, algorithm }) => [key, algorithm])).toEqual([
      ['old', 'EdDSA'],
      ['new', 'ES256'],
    ])
  })

  test('names the sites that may call, and the collector of spans', () => {
    const deployed = deployKongConfig(config, {
      keys,
      corsOrigins: ['https://app.example'],
      tracesEndpoint: 'http://collector:4318/v1/traces',
    })
    expect(KongFile.safeParse(deployed).error?.issues ?? []).toEqual([])
    expect(deployed.plugins.find(({ name }) => name === 'cors')?.config['origins']).toEqual([
      'https://app.example',
    ])
    expect(deployed.plugins.some(({ name }) => name === 'opentelemetry')).toBe(true)
  })
})

describe('Lua for Kong', () => {
  test('names every prefix that is stripped', () => {
    for (const prefix of STRIPPED_PREFIXES) expect(STRIP_HEADERS_LUA).toContain(`'${prefix}'`)
  })

  test('holds problems that are JSON but for their last brace', () => {
    const strings = [...PROBLEM_BODY_LUA.matchAll(/'(\{(?:[^'\\]|\\.)*)'/g)].map(([, text = '']) => text)
    expect(strings.length).toBeGreaterThan(8)
    for (const text of strings) {
      const problem: unknown = JSON.parse(`${text.replaceAll("\\'", "'").replaceAll('\\\\', '\\')}}`)
      expect(problem).toMatchObject({ code: expect.any(String), status: expect.any(Number) })
    }
  })
})
