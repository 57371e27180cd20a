import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { deployKongConfig } from '../../../gateway/kong/deployment.ts'
import { createKongConfig } from '../../../gateway/kong/kong.ts'
import { GLOBAL_PLUGINS, limitAddress, requireToken } from '../../../gateway/kong/plugins.ts'
import { REQUESTS_PER_SECOND } from '../../../gateway/kong/request-lua.ts'
import type { KongConfig, KongPlugin } from '../../../gateway/kong/types.ts'
import { createChains } from '../../../gateway/local/chain.ts'
import type { Answer, Exchange, Plugin } from '../../../gateway/local/plugin.ts'
import { malformedTokens, wellFormedToken } from './malformed-tokens.ts'

const ed25519 = generateKeyPairSync('ed25519')
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const stranger = generateKeyPairSync('ed25519')
const keys = {
  keys: [
    { ...ed25519.publicKey.export({ format: 'jwk' }), kty: 'OKP', kid: 'ed', alg: 'EdDSA' as const },
    { ...p256.publicKey.export({ format: 'jwk' }), kty: 'EC', kid: 'ec', alg: 'ES256' as const },
  ],
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

interface TokenParts {
  kid?: string
  alg?: string
  /** Seconds from now; anything else is written as it is. */
  exp?: unknown
  key?: KeyObject
  claims?: Record<string, unknown>
}

function makeToken(parts: TokenParts = {}) {
  const { kid = 'ed', alg = 'EdDSA', exp = 60, key = ed25519.privateKey, claims = {} } = parts
  const expires = typeof exp === 'number' ? Math.floor(Date.now() / 1000) + exp : exp
  const content = `${encode({ alg, kid, typ: 'JWT' })}.${encode({ exp: expires, ...claims })}`
  const signature =
    alg === 'ES256'
      ? sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' })
      : sign(null, Buffer.from(content), key)
  return `${content}.${signature.toString('base64url')}`
}

function exchange(method: string, headers: IncomingHttpHeaders = {}, client = '10.0.0.1'): Exchange {
  const distinct = Object.entries(headers).map(([name, value]) => [name, [value].flat()])
  const request = { headers, headersDistinct: Object.fromEntries(distinct), method } as IncomingMessage
  return {
    request,
    method,
    client,
    host: '',
    traceparent: '',
    keepsTraceState: false,
    upstreamHeaders: {},
    answerHeaders: {},
    maxBodyBytes: Infinity,
  }
}

/** The plugins of one route, as the gateway would run them. */
function chain(plugins: readonly KongPlugin[]): Plugin[] {
  const route = {
    name: 'route',
    paths: ['/'],
    strip_path: false,
    preserve_host: false,
    plugins: [...plugins],
  } as const
  const match = { route: { ...route, paths: ['/'], plugins: [...plugins] } }
  const config: KongConfig = { ...deployKongConfig(createKongConfig([], []), { keys }), plugins: [] }
  return createChains(config, [match]).get(match) ?? []
}

function run(plugins: Plugin[], given: Exchange): Answer | undefined {
  for (const plugin of plugins) {
    const answer = plugin.access?.(given)
    if (answer !== undefined) return answer
  }
  return undefined
}

function codeOf(answer: Answer | undefined): string | undefined {
  return answer !== undefined && 'failure' in answer ? answer.failure.code : undefined
}

function globalPlugin(name: string, change: Record<string, unknown> = {}): KongPlugin {
  const found = GLOBAL_PLUGINS.find((plugin) => plugin.name === name)
  return { name, config: { ...found?.config, ...change } }
}

beforeEach(() => {
  vi.useFakeTimers({ now: 1_700_000_000_000, toFake: ['Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('jwt', () => {
  const ask = (token: string | undefined, plugins = chain([requireToken()])) =>
    codeOf(run(plugins, exchange('GET', token === undefined ? {} : { authorization: `Bearer ${token}` })))

  test('lets tokens of every known key through', () => {
    expect(ask(makeToken())).toBeUndefined()
    expect(ask(makeToken({ kid: 'ec', alg: 'ES256', key: p256.privateKey }))).toBeUndefined()
  })

  test('answers CREDENTIALS_MISSING without a token', () => {
    expect(ask(undefined)).toBe('CREDENTIALS_MISSING')
    expect(codeOf(run(chain([requireToken()]), exchange('GET', { authorization: 'Basic eDp5' })))).toBe(
      'CREDENTIALS_MISSING',
    )
  })

  test.each([
    ['another key', makeToken({ key: stranger.privateKey })],
    ['an unknown key', makeToken({ kid: 'gone' })],
    ['the algorithm of another key', makeToken({ kid: 'ec' })],
    ['no algorithm', `${encode({ alg: 'none', kid: 'ed' })}.${encode({ exp: 9e9 })}.`],
    ['no end', makeToken({ exp: null })],
    ['an end that is no number', makeToken({ exp: 'never' })],
    ['a claim of another kid', makeToken({ claims: { kid: 'ec' } })],
    ...malformedTokens(ed25519.privateKey),
  ])('answers CREDENTIALS_INVALID to a token with %s', (_what, token) => {
    expect(ask(token)).toBe('CREDENTIALS_INVALID')
  })

  test.each(['bearer', 'BEARER', 'bEaReR'])('takes the scheme "%s"', (scheme) => {
    const headers = { authorization: `${scheme} ${wellFormedToken(ed25519.privateKey)}` }
    expect(run(chain([requireToken()]), exchange('GET', headers))).toBeUndefined()
  })

  test('answers TOKEN_EXPIRED, also to a token that it has let through before', () => {
    const plugins = chain([requireToken()])
    const token = makeToken({ exp: 60 })
    expect(ask(token, plugins)).toBeUndefined()
    vi.setSystemTime(Date.now() + 59_999)
    expect(ask(token, plugins)).toBeUndefined()
    vi.setSystemTime(Date.now() + 1)
    expect(ask(token, plugins)).toBe('TOKEN_EXPIRED')
  })

  test('does not remember a signature for another text', () => {
    const plugins = chain([requireToken()])
    const [head, , signature] = makeToken().split('.')
    expect(ask(makeToken(), plugins)).toBeUndefined()
    expect(ask(`${head}.${encode({ exp: 9e9 })}.${signature}`, plugins)).toBe('CREDENTIALS_INVALID')
  })

  test('leaves preflight requests alone', () => {
    expect(run(chain([requireToken()]), exchange('OPTIONS'))).toBeUndefined()
  })
})

describe('cors', () => {
  const preflight = { origin: 'https://app.example', 'access-control-request-method': 'POST' }

  test('answers a preflight request before anything asks for a token', () => {
    const given = exchange('OPTIONS', preflight)
    expect(run(chain([requireToken(), globalPlugin('cors')]), given)).toMatchObject({ status: 200 })
    expect(given.answerHeaders['access-control-allow-origin']).toBe('*')
  })

  test('names a site only where it is allowed, and never allows credentials', () => {
    const plugins = chain([globalPlugin('cors', { origins: ['https://app.example'] })])
    const allowed = exchange('GET', { origin: 'https://app.example' })
    const other = exchange('GET', { origin: 'https://evil.example' })
    for (const each of [allowed, other]) expect(run(plugins, each)).toBeUndefined()
    expect(allowed.answerHeaders).toMatchObject({
      'access-control-allow-origin': 'https://app.example',
      vary: 'Origin',
    })
    expect(other.answerHeaders).not.toHaveProperty('access-control-allow-origin')
    expect(JSON.stringify([allowed.answerHeaders, other.answerHeaders])).not.toContain('credentials')
  })

  test('says nothing where no site asks', () => {
    const given = exchange('GET')
    run(chain([globalPlugin('cors')]), given)
    expect(given.answerHeaders).toEqual({})
  })
})

describe('request-size-limiting', () => {
  const plugins = chain([globalPlugin('request-size-limiting')])

  test('answers BODY_TOO_LARGE by the announced length', () => {
    expect(codeOf(run(plugins, exchange('POST', { 'content-length': String(2 ** 20 + 1) })))).toBe(
      'BODY_TOO_LARGE',
    )
    expect(run(plugins, exchange('POST', { 'content-length': String(2 ** 20) }))).toBeUndefined()
  })

  test('limits a body of unannounced length', () => {
    const given = exchange('POST', { 'transfer-encoding': 'chunked' })
    run(plugins, given)
    expect(given.maxBodyBytes).toBe(2 ** 20)
  })
})

describe('rate-limiting', () => {
  test('lets through what one address may send in a minute, and no more', () => {
    const plugins = chain([limitAddress(3)])
    const ask = (client: string) => run(plugins, exchange('POST', {}, client))
    expect([1, 2, 3].map(() => ask('a'))).toEqual([undefined, undefined, undefined])
    expect(codeOf(ask('a'))).toBe('RATE_LIMITED')
    expect(ask('b')).toBeUndefined()
    vi.setSystemTime(Date.now() + 60_000)
    expect(ask('a')).toBeUndefined()
  })
})

describe('pre-function', () => {
  const plugins = chain([globalPlugin('pre-function'), requireToken()])

  test('counts what one address sends in a second, refused tokens included, and each address by itself', () => {
    const ask = (client: string) => codeOf(run(plugins, exchange('GET', {}, client)))
    const codes = Array.from({ length: REQUESTS_PER_SECOND + 1 }, () => ask('a'))
    expect(new Set(codes.slice(0, -1))).toEqual(new Set(['CREDENTIALS_MISSING']))
    expect(codes.at(-1)).toBe('RATE_LIMITED')
    expect(ask('b')).toBe('CREDENTIALS_MISSING')
    vi.setSystemTime(Date.now() + 1000)
    expect(ask('a')).toBe('CREDENTIALS_MISSING')
  })

  test('answers 400 to two credentials in one request', () => {
    const both = { authorization: `Bearer ${makeToken()}`, 'x-api-key': 'kg_a_b' }
    expect(codeOf(run(plugins, exchange('GET', both)))).toBe('CREDENTIALS_AMBIGUOUS')
    const keys = exchange('GET', { 'x-api-key': 'kg_a_b, kg_a_b' })
    keys.request.headersDistinct['x-api-key'] = ['kg_a_b', 'kg_a_b']
    expect(codeOf(run(plugins, keys))).toBe('CREDENTIALS_AMBIGUOUS')
  })
})

describe('correlation-id', () => {
  test('keeps the id of the client, makes one where there is none, and tells it', () => {
    const plugins = chain([globalPlugin('correlation-id')])
    const own = exchange('GET', { 'x-request-id': 'mine' })
    const none = exchange('GET')
    for (const each of [own, none]) run(plugins, each)
    expect(own).toMatchObject({ upstreamHeaders: {}, answerHeaders: { 'x-request-id': 'mine' } })
    expect(none.upstreamHeaders['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(none.answerHeaders).toEqual(none.upstreamHeaders)
  })
})

describe('headers that only the platform may set', () => {
  const plugins = chain(GLOBAL_PLUGINS)
  const stays = (name: string) => plugins.some((plugin) => plugin.strips?.(name))

  test.each([
    'x-tenant-id',
    'x-consumer-id',
    'x-consumer-anything',
    'x-credential-identifier',
    'x-anonymous-consumer',
    'ce-id',
    'ce-made-up',
    'k-network-probe',
    'knative-serving-tag',
  ])('%s stays behind', (name) => {
    expect(stays(name)).toBe(true)
  })

  test.each([
    'authorization',
    'x-api-key',
    'traceparent',
    'idempotency-key',
    'keep-alive',
    'x-observer-archetype',
    'cell',
  ])('%s goes on', (name) => {
    expect(stays(name)).toBe(false)
  })
})

describe('createChains()', () => {
  test('refuses a plugin that it does not know', () => {
    expect(() => chain([{ name: 'ip-restriction', config: { deny: ['10.0.0.1'] } }])).toThrow(
      /"ip-restriction" is not known/,
    )
  })

  test('refuses a setting that it does not know, and Lua that is not ours', () => {
    expect(() => chain([globalPlugin('cors', { private_network: true })])).toThrow(/"cors" is set in a way/)
    expect(() => chain([globalPlugin('cors', { credentials: true })])).toThrow(/"cors"/)
    expect(() => chain([globalPlugin('pre-function', { access: ['return'] })])).toThrow(/"pre-function"/)
  })
})
