/** What every function promises of HTTP, whatever it does: credentials, methods, and the form of its answers. */
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe } from 'vitest'
import { startServing } from '../../../shared/http/serve.ts'
import { allEvents } from '../gateway/hub-world.ts'
import { insertTenant, testWith } from './world.ts'

interface Served {
  /** The functions on a port, for what only a real server reads. */
  port: number
  apiKey: string
  token: string
  /** Sends header lines as they are, repeated ones included. */
  sends(method: string, path: string, ...lines: [name: string, value: string][]): Promise<Sent>
}

interface Sent {
  status: number | undefined
  headers: NodeJS.Dict<string | string[]>
  body: string
}

const test = testWith().extend<Served>({
  port: async ({ opened }, use) => {
    const { server, drain } = await startServing(opened.app, 0, '127.0.0.1')
    await use((server.address() as AddressInfo).port)
    await drain()
  },
  apiKey: async ({ owner }, use) => use((await insertTenant(owner, 'enterprise', ['developer'])).key),
  token: async ({ opened, apiKey }, use) => {
    const response = await opened.app.request('/v1/auth/token', {
      method: 'POST',
      headers: { 'x-api-key': apiKey },
    })
    const { access_token } = (await response.json()) as { access_token: string }
    await use(access_token)
  },
  sends: async ({ port }, use) =>
    use((method, path, ...lines) => {
      const { promise, resolve, reject } = Promise.withResolvers<Sent>()
      const outgoing = request(
        { port, method, path, headers: ['Host', 'functions', ...lines.flat()], agent: false },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('end', () => {
            const { statusCode: status, headers } = response
            resolve({ status, headers, body: Buffer.concat(chunks).toString() })
          })
        },
      )
      outgoing.on('error', reject).end()
      return promise
    }),
})

const SIP = '/v1/agentese/void/entropy/sip'
const HELP = '/v1/agentese/void/entropy/help'
const DIALOGUE = '/v1/agentese/self/soul/dialogue'

test('a request has room for every header that the gateway takes and adds', async ({
  sends,
  apiKey,
  expect,
}) => {
  const others = Array.from({ length: 1_100 }, (): [string, string] => ['a', 'b'])
  expect((await sends('POST', HELP, ...others, ['X-API-Key', apiKey])).status).toBe(200)
})

describe('a 401', () => {
  test.for([
    ['without a credential', SIP, {}, 'Bearer, ApiKey'],
    [
      'to a token that is none of ours',
      SIP,
      { authorization: 'Bearer a.b.c' },
      'Bearer error="invalid_token"',
    ],
    ['to another scheme', SIP, { authorization: 'Basic dTpw' }, 'Bearer error="invalid_token"'],
    ['to an unknown key', SIP, { 'x-api-key': 'kg_unknown' }, 'ApiKey'],
    ['where guests may call', HELP, { authorization: 'Bearer a' }, 'Bearer error="invalid_token"'],
    ['where only a key will do', '/v1/auth/token', { authorization: 'Bearer a.b.c' }, 'ApiKey'],
    ['of an operation', '/v1/agentese/invoke', {}, 'Bearer, ApiKey'],
  ] as const)('%s says how to authenticate', async ([, path, headers, challenge], { opened, expect }) => {
    const response = await opened.app.request(path, { method: 'POST', headers })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe(challenge)
  })
})

describe('two credentials in one request', () => {
  test('are refused on every route, in whatever order and however good', async ({
    sends,
    apiKey,
    token,
    expect,
  }) => {
    const bearer = ['Authorization', `Bearer ${token}`] as [string, string]
    const key = ['X-API-Key', apiKey] as [string, string]
    const other = ['Authorization', 'Bearer a.b.c'] as [string, string]
    for (const lines of [
      [bearer, key],
      [key, bearer],
      [other, key],
      [bearer, bearer],
      [other, bearer],
      [key, key],
    ]) {
      for (const path of [SIP, '/v1/agentese/invoke', '/v1/auth/token', HELP]) {
        const { status, headers, body } = await sends('POST', path, ...lines)
        expect({ status, challenge: headers['www-authenticate'] }).toEqual({
          status: 400,
          challenge: 'Bearer error="invalid_request"',
        })
        expect(JSON.parse(body)).toMatchObject({ code: 'CREDENTIALS_AMBIGUOUS' })
      }
    }
  })

  test('are no trouble where there is one', async ({ sends, apiKey, token, expect }) => {
    expect((await sends('POST', SIP, ['Authorization', `bearer ${token}`])).status).toBe(200)
    expect((await sends('POST', SIP, ['X-API-Key', apiKey])).status).toBe(200)
  })
})

describe('Accept: text/event-stream', () => {
  const streams = { accept: 'text/event-stream', 'content-type': 'application/json' }

  test.for([
    [DIALOGUE, { message: 'hi' }, 'self.soul.dialogue'],
    ['/v1/agentese/invoke', { path: 'self.soul.dialogue', input: { message: 'hi' } }, 'self.soul.dialogue'],
    [SIP, {}, 'void.entropy.sip'],
  ] as const)(
    'gets what took no model as one last event: POST %s %j',
    async ([path, body, called], { opened, apiKey, expect }) => {
      const response = await opened.app.request(path, {
        method: 'POST',
        headers: { ...streams, 'x-api-key': apiKey },
        body: JSON.stringify(body),
      })
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
      expect(response.headers.get('ratelimit-limit')).toMatch(/^\d+$/)
      expect(await allEvents(response)).toMatchObject([
        { event: 'complete', id: 'end', data: { path: called, chunks: 0, meta: { observer: {} } } },
      ])
    },
  )

  test('gets it as a guest too', async ({ opened, expect }) => {
    const response = await opened.app.request(HELP, { method: 'POST', headers: streams })
    expect(await allEvents(response)).toMatchObject([
      { event: 'complete', data: { path: 'void.entropy.help' } },
    ])
  })

  test('gets a dry run as its own members', async ({ opened, apiKey, expect }) => {
    const headers = { ...streams, 'x-api-key': apiKey }
    const response = await opened.app.request(`${SIP}?dry_run=true`, { method: 'POST', headers })
    expect(await allEvents(response)).toMatchObject([
      { event: 'complete', data: { path: 'void.entropy.sip', dry_run: true } },
    ])
  })

  test('gets JSON where it is liked less, or where a stream is refused', async ({ opened, expect }) => {
    for (const accept of ['application/json, text/event-stream;q=0.5', 'text/event-stream;q=0', '*/*']) {
      const response = await opened.app.request(HELP, { method: 'POST', headers: { accept } })
      expect(response.headers.get('content-type')).toBe('application/json')
    }
  })

  test('gets a failure before the stream as a problem with its status', async ({
    opened,
    apiKey,
    expect,
  }) => {
    const headers = { ...streams, 'x-api-key': apiKey }
    const response = await opened.app.request(DIALOGUE, { method: 'POST', headers, body: '{"message":7}' })
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
  })

  test('behind the last event does nothing again', async ({ opened, apiKey, owner, expect }) => {
    const headers = { ...streams, 'x-api-key': apiKey, 'last-event-id': 'end' }
    const response = await opened.app.request(SIP, { method: 'POST', headers })
    expect([response.status, await response.text()]).toEqual([204, ''])
    expect(
      await owner`select from marks join api_keys using (tenant_id) where key_prefix = ${apiKey.slice(0, 8)}`,
    ).toEqual([])
  })
})

describe('a method that an address does not have', () => {
  test.for(['TRACE', 'PUT', 'PATCH', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PROPFIND'])(
    '%s is answered 405, with those that it has',
    async (method, { sends, expect }) => {
      const { status, headers, body } = await sends(method, SIP)
      expect([status, headers['allow']]).toEqual([405, 'POST'])
      if (method !== 'HEAD') expect(JSON.parse(body)).toMatchObject({ code: 'METHOD_NOT_ALLOWED' })
    },
  )

  test('is not HEAD where there is GET', async ({ sends, expect }) => {
    expect(await sends('HEAD', '/openapi.json')).toMatchObject({ status: 200, body: '' })
    expect((await sends('POST', '/openapi.json')).headers['allow']).toBe('GET, HEAD')
  })
})
