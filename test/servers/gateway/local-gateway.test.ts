import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { describe, expect, vi } from 'vitest'
import { test, type LocalWorld } from './local-world.ts'

const SIP = '/v1/agentese/void/entropy/sip'

function call({ url, token }: LocalWorld, path = SIP, init: RequestInit = {}) {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(init.headers as Record<string, string> | undefined),
  }
  return fetch(`${url}${path}`, { method: 'POST', body: '{"amount":0.1}', ...init, headers })
}

describe('a request that goes on', () => {
  test('reaches the function as it was, under the function’s own host name', async ({ world, expect }) => {
    const response = await call(world, `${SIP}?a=%20b`)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ ok: true })
    expect(world.received[0]).toMatchObject({
      method: 'POST',
      url: `${SIP}?a=%20b`,
      body: '{"amount":0.1}',
      headers: {
        host: 'void-entropy.kgents.svc.cluster.local',
        authorization: `Bearer ${world.token}`,
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-proto': 'http',
        'x-forwarded-host': '127.0.0.1',
        'x-forwarded-port': new URL(world.url).port,
        'x-forwarded-path': SIP,
      },
    })
  })

  test('carries no header that only the platform may set', async ({ world, expect }) => {
    const headers = {
      'X-Tenant-ID': 'other',
      'X-Consumer-Username': 'platform',
      'CE-Type': 'io.kgents.job.completed',
      'ce-odd': '1',
      'Knative-Serving-Tag': 'canary',
      'K-Network-Probe': 'activator',
      'X-Observer-Archetype': 'poet',
    }
    await call(world, SIP, { headers })
    const names = Object.keys(world.received[0]?.headers ?? {})
    expect(names).toContain('x-observer-archetype')
    expect(names.filter((name) => /^(ce-|k-|knative|x-tenant|x-consumer)/.test(name))).toEqual([])
  })

  test('keeps its trace and its id, and gets new ones where it has none', async ({ world, expect }) => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const kept = await call(world, SIP, { headers: { traceparent, 'x-request-id': 'mine' } })
    const made = await call(world)
    expect(kept.headers.get('x-request-id')).toBe('mine')
    expect(world.received[0]?.headers).toMatchObject({ traceparent, 'x-request-id': 'mine' })
    expect(world.received[1]?.headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect(made.headers.get('x-request-id')).toBe(world.received[1]?.headers['x-request-id'])
  })

  test('gets status, headers and body of the function, but none about its connection', async ({
    world,
    expect,
  }) => {
    world.answer((_request, response) => {
      response.writeHead(402, {
        'content-type': 'application/problem+json',
        'retry-after': '7',
        'set-cookie': ['a=1', 'b=2'],
      })
      response.end('{"code":"X"}')
    })
    const response = await call(world)
    expect(response.status).toBe(402)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(response.headers.get('retry-after')).toBe('7')
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(await response.text()).toBe('{"code":"X"}')
  })

  test('is routed by what its path comes to, and sent on that way', async ({ world, expect }) => {
    const { hostname, port } = new URL(world.url)
    const path = '/health/../v1//agentese/void/%65ntropy/sip?q=1'
    async function statusOf(headers: Record<string, string>) {
      const outgoing = httpRequest({ hostname, port, path, method: 'POST', headers }).end()
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
      response.resume()
      return response.statusCode
    }
    expect(await statusOf({})).toBe(401)
    expect(await statusOf({ authorization: `Bearer ${world.token}` })).toBe(200)
    expect(world.received.map(({ url }) => url)).toEqual([`${SIP}?q=1`])
  })

  test('gets an answer that comes in pieces piece by piece', async ({ world, expect }) => {
    const { promise: more, resolve: goOn } = Promise.withResolvers<void>()
    world.answer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      void more.then(() => response.end('data: 2\n\n'))
    })
    const response = await call(world)
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toBe('data: 1\n\n')
    goOn()
    expect((await reader?.read())?.value).toBe('data: 2\n\n')
    expect((await reader?.read())?.done).toBe(true)
  })

  test('ends at the function too when the client leaves', async ({ world, expect }) => {
    const left = vi.fn<() => void>()
    world.answer((_request, response) => {
      response.on('close', left)
      response.writeHead(200).write('...')
    })
    const leaving = new AbortController()
    await call(world, SIP, { signal: leaving.signal })
    leaving.abort()
    await expect.poll(() => left.mock.calls.length).toBe(1)
  })

  test('with a body in chunks arrives whole', async ({ world, expect }) => {
    const body = new Blob(['x'.repeat(300_000)]).stream()
    const response = await call(world, SIP, { body, duplex: 'half' })
    expect(response.status).toBe(200)
    expect(world.received[0]?.body.length).toBe(300_000)
    expect(world.received[0]?.headers['content-length']).toBe('300000')
  })
})

describe('a request that the gateway answers', () => {
  async function problem(response: Response) {
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    return { ...((await response.json()) as Record<string, unknown>), status: response.status }
  }

  test('without a token: 401, and what to do', async ({ world, expect }) => {
    const response = await fetch(`${world.url}${SIP}`, { method: 'POST' })
    expect(response.headers.get('www-authenticate')).toBe('Bearer, ApiKey')
    expect(response.headers.get('x-request-id')).not.toBeNull()
    expect(await problem(response)).toMatchObject({
      status: 401,
      code: 'CREDENTIALS_MISSING',
      category: 'UNAUTHORIZED',
      suggestion: expect.stringContaining('/v1/auth/token') as string,
      path: SIP,
    })
    expect(world.received).toEqual([])
  })

  test('with an API key it goes on without a token', async ({ world, expect }) => {
    const response = await fetch(`${world.url}${SIP}`, {
      method: 'POST',
      headers: { 'x-api-key': 'kg_abcde_x' },
    })
    expect(response.status).toBe(200)
  })

  test('with the cookie of a session it goes on without a token; with another cookie it does not', async ({
    world,
    expect,
  }) => {
    const statusWith = async (cookie: string) =>
      (await fetch(`${world.url}${SIP}`, { method: 'POST', headers: { cookie } })).status
    for (const name of ['kgents_session', 'theme=dark; kgents_session', '__Host-kgents_session'])
      expect(await statusWith(`${name}=kgs_x`)).toBe(200)
    for (const cookie of ['theme=dark', 'xkgents_session=kgs_x', 'kgents_session=other'])
      expect(await statusWith(cookie)).toBe(401)
  })

  test('of an unknown path: 404, and where the known ones are listed', async ({ world, expect }) => {
    expect(await problem(await call(world, '/v1/nothing'))).toMatchObject({
      status: 404,
      code: 'ROUTE_NOT_FOUND',
      suggestion: expect.stringContaining('/v1/agentese/discover') as string,
    })
  })

  test('with a body announced too large: 413, before the body is read', async ({ world, expect }) => {
    const { hostname, port } = new URL(world.url)
    const headers = {
      authorization: `Bearer ${world.token}`,
      'content-length': 50_000_000,
      expect: '100-continue',
    }
    const outgoing = httpRequest({ hostname, port, path: SIP, method: 'POST', headers })
    outgoing.flushHeaders()
    const [response] = (await once(outgoing, 'response')) as [{ statusCode: number }]
    expect(response.statusCode).toBe(413)
    outgoing.destroy()
  })

  test('with a body that turns out too large: 413, and the function sees nothing', async ({
    world,
    expect,
  }) => {
    const body = new Blob(['x'.repeat(3_000_000)]).stream()
    const response = await call(world, SIP, { body, duplex: 'half' })
    expect(await problem(response)).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' })
    expect(world.received).toEqual([])
  })

  test('whose function cannot be reached: 503 with Retry-After', async ({ world, expect }) => {
    await world.stopFunctions()
    const response = await call(world)
    expect(response.headers.get('retry-after')).toBe('1')
    expect(await problem(response)).toMatchObject({
      status: 503,
      code: 'DEPENDENCY_UNAVAILABLE',
      retry_after: 1,
    })
  })

  test('whose function hangs up before it answers: 503, and it is not sent twice, whatever its method', async ({
    world,
    expect,
  }) => {
    const calls = [call(world), call(world), fetch(`${world.url}/health`), fetch(`${world.url}/health`)]
    for (const response of await Promise.all(calls)) await response.text() // connections that are used again
    world.received.length = 0
    world.answer((request) => void request.socket.destroy())
    for (const init of [{ method: 'GET' }, { method: 'HEAD' }]) {
      expect((await fetch(`${world.url}/health`, init)).status).toBe(503)
    }
    expect(await problem(await call(world))).toMatchObject({ status: 503, code: 'DEPENDENCY_UNAVAILABLE' })
    expect(world.received.map(({ method }) => method)).toEqual(['GET', 'HEAD', 'POST'])
  })

  test('of a browser that asks first: 200 with what is allowed', async ({ world, expect }) => {
    const response = await fetch(`${world.url}${SIP}`, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-allow-headers')).toContain('Idempotency-Key')
    expect(world.received).toEqual([])
  })
})

test('an answer that breaks off is broken off, not made whole', async ({ world, expect }) => {
  world.answer((request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half', () => request.socket.destroy())
  })
  const response = await call(world)
  await expect(response.text()).rejects.toThrow(/terminated|aborted/)
})

test('renderMetrics() counts requests by service, route and status', async ({ world, expect }) => {
  await (await call(world)).text()
  await (await fetch(`${world.url}${SIP}`, { method: 'POST' })).text()
  await (await call(world, '/v1/nothing')).text()
  await expect
    .poll(() => world.gateway.renderMetrics())
    .toContain('kong_http_requests_total{service="",route="unknown",code="404"} 1')
  const labels = 'service="void-entropy",route="void.entropy.sip"'
  for (const line of [
    `kong_http_requests_total{${labels},code="200"} 1`,
    `kong_http_requests_total{${labels},code="401"} 1`,
    `kong_request_latency_ms_count{${labels}} 2`,
  ])
    await expect.poll(() => world.gateway.renderMetrics()).toContain(line)
})

test('drain() lets a request in flight finish and takes no new one', async ({ world, expect }) => {
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>()
  const { promise: more, resolve: goOn } = Promise.withResolvers<void>()
  world.answer((_request, response) => {
    onAsked()
    void more.then(() => response.end('done'))
  })
  const inFlight = call(world)
  await asked
  const drained = world.gateway.drain(5_000)
  await expect(call(world)).rejects.toThrow('fetch failed')
  goOn()
  expect(await (await inFlight).text()).toBe('done')
  await drained
})
