import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { components } from '../../../functions/components.ts'
import { PARAMETERS } from '../../../functions/control/reference/headers.ts'
import { gateway } from '../../../gateway/kong/component.ts'
import { deployKongConf, deployKongConfig } from '../../../gateway/kong/deployment.ts'
import { createKongConfig } from '../../../gateway/kong/kong.ts'
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

describe('kong.conf', () => {
  const text = readFileSync(new URL('../../../gateway/kong/kong.conf', import.meta.url), 'utf8')
  const read = (conf: string) =>
    Object.fromEntries([...conf.matchAll(/^(\w+) = (.*)$/gm)].map(([, name, value]) => [name, value]))
  const environment = (more: Record<string, string>) =>
    gateway.env.parse({ PLATFORM_JWKS: JSON.stringify({ keys: [publicKey('k', 'ed25519')] }), ...more })

  test('limits what nginx takes, sees every header, and leaves room for headers of answers', () => {
    expect(read(text)).toMatchObject({
      nginx_http_large_client_header_buffers: '2 8k',
      lua_max_req_headers: '1000',
      nginx_proxy_proxy_buffer_size: '16k',
      nginx_proxy_proxy_buffers: '8 16k',
    })
  })

  test('repeats nothing after a timeout, and passes the method on as it came', () => {
    expect(read(text)).toMatchObject({
      nginx_proxy_proxy_next_upstream: 'error',
      nginx_proxy_set: '$client_method $request_method',
      nginx_proxy_proxy_method: '$client_method',
    })
  })

  test('reports to nobody', () => {
    expect(read(text)['anonymous_reports']).toBe('off')
  })

  test('samples traces as configured, and makes spans where there is a collector', () => {
    const alone = read(deployKongConf(text, environment({ TRACES_SAMPLING_RATE: '0.25' })))
    expect(alone['tracing_sampling_rate']).toBe('0.25')
    expect(alone).not.toHaveProperty('tracing_instrumentations')
    const OTEL_TRACES_ENDPOINT = 'http://collector:4318/v1/traces'
    const collected = read(deployKongConf(text, environment({ OTEL_TRACES_ENDPOINT })))
    expect(collected).toMatchObject({ tracing_sampling_rate: '1', tracing_instrumentations: 'request' })
  })
})
