import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { deflateSync, gzipSync } from 'node:zlib'
import { test as base } from 'vitest'
import { fencedRequest, type FencedRequest } from '../../../shared/egress/fenced-request.ts'

type Answer = (request: IncomingMessage & { text: string }, response: ServerResponse) => void

/** A server on this machine, and how to ask it as a tenant whom the operator lets in. */
interface Sink {
  origin: string
  port: number
  requests: (IncomingMessage & { text: string })[]
  answer: Answer
  ask(request?: Partial<FencedRequest> & { path?: string }): ReturnType<typeof fencedRequest>
}

async function openSink(): Promise<Sink & AsyncDisposable> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const whole = Object.assign(request, { text: Buffer.concat(chunks).toString() })
      sink.requests.push(whole)
      sink.answer(whole, response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`
  const sink: Sink & AsyncDisposable = {
    origin,
    port,
    requests: [],
    answer: (_request, response) => response.end('fine'),
    ask: ({ path = '/', ...request } = {}) =>
      fencedRequest({
        url: `${origin}${path}`,
        method: 'GET',
        allow: [origin],
        privateAllowed: [origin],
        timeoutSeconds: 10,
        maxBytes: 1000,
        ...request,
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return sink
}

const test = base
  .extend('sink', async ({}, { onCleanup }) => {
    const sink = await openSink()
    onCleanup(() => sink[Symbol.asyncDispose]())
    return sink
  })
  .extend('other', async ({}, { onCleanup }) => {
    const other = await openSink()
    onCleanup(() => other[Symbol.asyncDispose]())
    return other
  })

const denied = { code: 'EGRESS_DENIED' }
const failed = { code: 'UPSTREAM_FAILED' }
/** A public name whose name server is the tenant's own. */
const hostile = (port: number) => ({
  url: `http://hooks.tenant.com:${port}/`,
  allow: [`http://hooks.tenant.com:${port}`],
})

test('fencedRequest() sends what it is given, and gives what is answered', async ({ sink, expect }) => {
  sink.answer = (_request, response) => response.writeHead(500, { 'X-Answer': 'yes' }).end('oh')
  const response = await sink.ask({
    path: '/a?b=c',
    method: 'POST',
    headers: { 'X-Ask': '1' },
    body: '{"a":1}',
  })
  expect(response).toMatchObject({ status: 500, url: `${sink.origin}/a?b=c` })
  expect(response.headers['x-answer']).toBe('yes')
  expect(response.body.toString()).toBe('oh')
  const [request] = sink.requests
  expect(request).toMatchObject({ method: 'POST', url: '/a?b=c', text: '{"a":1}' })
  expect(request?.headers).toMatchObject({ 'x-ask': '1', 'content-length': '7' })
})

test('fencedRequest() opens no connection to this machine, whatever the tenant allows', async ({
  sink,
  expect,
}) => {
  await expect(sink.ask({ privateAllowed: [] })).rejects.toMatchObject(denied)
  await expect(sink.ask({ allow: [] })).rejects.toMatchObject(denied)
  for (const host of ['2130706433', '0x7f000001', '0177.0.0.1', '127.1', '[::ffff:127.0.0.1]', 'localhost']) {
    const origin = new URL(`http://${host}:${sink.port}`).origin
    await expect(
      sink.ask({ url: `http://${host}:${sink.port}/`, allow: [origin], privateAllowed: [] }),
    ).rejects.toMatchObject(denied)
  }
  expect(sink.requests).toEqual([])
})

test('fencedRequest() follows no name to a private address, not even when only one of several is', async ({
  sink,
  expect,
}) => {
  for (const addresses of [
    ['127.0.0.1'],
    ['1.1.1.1', '127.0.0.1'],
    ['2606:4700::1111', '::1'],
    ['169.254.169.254'],
  ]) {
    const asked = sink.ask({ ...hostile(sink.port), resolve: async () => addresses })
    await expect(asked).rejects.toMatchObject(denied)
  }
  expect(sink.requests).toEqual([])
})

test('fencedRequest() connects to the address that it has checked, and asks for it once', async ({
  sink,
  expect,
}) => {
  let asked = 0
  // An address of the Internet that is not given out yet, and then ours.
  const rebinding = async () => [asked++ === 0 ? '2000::1' : '127.0.0.1']
  const first = sink.ask({ ...hostile(sink.port), resolve: rebinding, timeoutSeconds: 1 })
  await expect(first).rejects.toMatchObject({
    code: expect.stringMatching(/UPSTREAM_FAILED|DEADLINE_EXCEEDED/),
  })
  expect(asked).toBe(1)
  expect(sink.requests).toEqual([])
})

test('fencedRequest() gives up a name server that never answers', async ({ sink, expect }) => {
  const never = () => new Promise<string[]>(() => {})
  await expect(
    sink.ask({ ...hostile(sink.port), resolve: never, timeoutSeconds: 0.2 }),
  ).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  await expect(sink.ask({ ...hostile(sink.port), resolve: async () => [] })).rejects.toMatchObject(failed)
})

test('fencedRequest() checks each place that it is sent on to', async ({ sink, other, expect }) => {
  sink.answer = ({ url }, response) => {
    const location =
      url === '/in'
        ? 'http://127.0.0.1:1/'
        : url === '/meta'
          ? 'http://169.254.169.254/'
          : `${other.origin}/x`
    response.writeHead(302, { location }).end()
  }
  for (const path of ['/in', '/meta', '/other'])
    await expect(sink.ask({ path })).rejects.toMatchObject(denied)
  expect(other.requests).toEqual([])
})

test('fencedRequest() takes no secret along to another origin', async ({ sink, other, expect }) => {
  sink.answer = (_request, response) => response.writeHead(307, { location: `${other.origin}/x` }).end()
  const both = [sink.origin, other.origin]
  const response = await sink.ask({
    method: 'POST',
    body: '{}',
    headers: { Authorization: 'Bearer s', 'X-Key': 'k', Accept: 'text/plain' },
    allow: both,
    privateAllowed: both,
  })
  expect(response.url).toBe(`${other.origin}/x`)
  const [request] = other.requests
  expect(request?.headers).toMatchObject({ accept: 'text/plain' })
  expect(JSON.stringify(request?.headers)).not.toMatch(/Bearer|x-key/)
})

test('fencedRequest() follows three redirects and no fourth, and none where none is wanted', async ({
  sink,
  expect,
}) => {
  sink.answer = ({ url }, response) => {
    const step = Number(url?.slice(1))
    if (step === 0) response.end('there')
    else response.writeHead(302, { location: `/${step - 1}` }).end()
  }
  expect((await sink.ask({ path: '/3' })).body.toString()).toBe('there')
  await expect(sink.ask({ path: '/4' })).rejects.toMatchObject(failed)
  expect(await sink.ask({ path: '/3', maxRedirects: 0 })).toMatchObject({ status: 302 })
})

test('fencedRequest() unpacks an answer, and stops a small one that unpacks to much', async ({
  sink,
  expect,
}) => {
  const packed = (body: Buffer, encoding: string) => {
    sink.answer = (_request, response) => response.writeHead(200, { 'content-encoding': encoding }).end(body)
  }
  packed(gzipSync('hello'), 'gzip')
  expect((await sink.ask()).body.toString()).toBe('hello')
  packed(deflateSync('hello'), 'Deflate')
  expect((await sink.ask()).body.toString()).toBe('hello')
  packed(gzipSync(Buffer.alloc(10_000_000)), 'gzip')
  await expect(sink.ask({ maxBytes: 100_000 })).rejects.toMatchObject(failed)
  packed(gzipSync(gzipSync('hello')), 'gzip, gzip')
  await expect(sink.ask()).rejects.toMatchObject(failed)
  packed(Buffer.from('not packed'), 'gzip')
  await expect(sink.ask()).rejects.toMatchObject(failed)
})

test('fencedRequest() stops reading at the limit, however the body comes', async ({ sink, expect }) => {
  sink.answer = (_request, response) => {
    const more = () => {
      if (!response.destroyed && response.write('x'.repeat(1000))) setImmediate(more)
    }
    response.on('drain', more)
    more()
  }
  await expect(sink.ask({ maxBytes: 5000 })).rejects.toMatchObject(failed)
  sink.answer = (_request, response) => {
    response.writeHead(
      200,
      Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`x-${at}`, 'y'.repeat(100)])),
    )
    response.end()
  }
  await expect(sink.ask()).rejects.toMatchObject(failed)
})

test('fencedRequest() waits no longer than it is told, for headers and for the last byte', async ({
  sink,
  expect,
}) => {
  const late = { code: 'DEADLINE_EXCEEDED' }
  sink.answer = () => {}
  await expect(sink.ask({ timeoutSeconds: 0.2 })).rejects.toMatchObject(late)
  sink.answer = (_request, response) => {
    const timer = setInterval(() => response.write('.'), 20)
    response.on('close', () => clearInterval(timer))
  }
  await expect(sink.ask({ timeoutSeconds: 0.2 })).rejects.toMatchObject(late)
})

test('fencedRequest() ends when it is no longer wanted', async ({ sink, expect }) => {
  const wanted = new AbortController()
  sink.answer = () => wanted.abort()
  await expect(sink.ask({ signal: wanted.signal })).rejects.toMatchObject({ code: 'CANCELLED' })
  await expect(sink.ask({ signal: wanted.signal })).rejects.toMatchObject({ code: 'CANCELLED' })
})

test('fencedRequest() tells in a failure neither path nor header nor answer', async ({ sink, expect }) => {
  sink.answer = (request) => request.socket.end('HTTP/1.1 garbage SECRET\r\n\r\n')
  const failure: unknown = await sink
    .ask({ path: '/SECRET', headers: { authorization: 'SECRET' }, maxRedirects: 0 })
    .catch((error: unknown) => error)
  expect(failure).toMatchObject(failed)
  const { message, facts } = failure as { message: string; facts: unknown }
  expect(JSON.stringify([message, facts])).not.toContain('SECRET')
})
