import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { describe } from 'vitest'
import { deployKongConfig } from '../../../gateway/kong/deployment.ts'
import { createKongConfig } from '../../../gateway/kong/kong.ts'
import { createGateway } from '../../../gateway/local/gateway.ts'
import { Problem } from '../../../shared/problem.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { listen, publicKeys, test, type LocalWorld } from './local-world.ts'
import { sendRaw } from './raw-request.ts'

const SIP = '/v1/agentese/void/entropy/sip'
const END = 'Connection: close\r\n\r\n'
const pad = (bytes: number) => 'a'.repeat(bytes)

describe('a request that nginx would not take either', () => {
  // The same requests were sent to nginx; where it answers otherwise, we are the stricter one.
  test.for<[what: string, status: number, request: string]>([
    ['two hosts', 400, `GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n${END}`],
    ['two hosts that are the same', 400, `GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n${END}`],
    ['no host', 400, `GET /health HTTP/1.1\r\n${END}`],
    ['an empty host', 400, `GET /health HTTP/1.1\r\nHost:\r\n${END}`],
    ['a host with a path', 400, `GET /health HTTP/1.1\r\nHost: a/b\r\n${END}`],
    ['a host with two dots', 400, `GET /health HTTP/1.1\r\nHost: a..b\r\n${END}`],
    ['absolute form without a host', 400, `GET http://a/health HTTP/1.1\r\n${END}`],
    ['absolute form with a user', 400, `GET http://u:p@a/health HTTP/1.1\r\nHost: a\r\n${END}`],
    ['asterisk form', 400, `OPTIONS * HTTP/1.1\r\nHost: a\r\n${END}`],
    ['a target that is no path', 400, `GET health HTTP/1.1\r\nHost: a\r\n${END}`],
    ['a space in the target', 400, `GET /hea lth HTTP/1.1\r\nHost: a\r\n${END}`],
    ['CONNECT to an authority', 400, `CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n`],
    ['CONNECT', 405, `CONNECT /health HTTP/1.1\r\nHost: a\r\n\r\n`],
    ['TRACE', 405, `TRACE /health HTTP/1.1\r\nHost: a\r\n${END}`],
    ['HTTP/0.9', 505, `GET /health\r\n\r\n`],
    ['HTTP/2.0', 505, `GET /health HTTP/2.0\r\nHost: a\r\n\r\n`],
    ['HTTP/3.0', 505, `GET /health HTTP/3.0\r\nHost: a\r\n\r\n`],
    ['a folded header', 400, `GET /health HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n${END}`],
    ['a space before the colon', 400, `GET /health HTTP/1.1\r\nHost: a\r\nX : b\r\n${END}`],
    ['a space in a name', 400, `GET /health HTTP/1.1\r\nHost: a\r\nX Y: b\r\n${END}`],
    ['a line without a colon', 400, `GET /health HTTP/1.1\r\nHost: a\r\nXY\r\n${END}`],
    ['a zero byte', 400, `GET /health HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n${END}`],
    ['a bare carriage return', 400, `GET /health HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n${END}`],
    [
      'two lengths',
      400,
      `POST ${SIP} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx`,
    ],
    ['a length that is no number', 400, `POST ${SIP} HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx`],
    [
      'a length and a transfer coding',
      400,
      `POST ${SIP} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'two transfer codings',
      400,
      `POST ${SIP} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['chunks in HTTP/1.0', 400, `POST ${SIP} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    [
      'an unknown transfer coding',
      501,
      `POST ${SIP} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['two tokens', 400, `GET /health HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nAuthorization: y\r\n${END}`],
    ['two keys', 400, `GET /health HTTP/1.1\r\nHost: a\r\nX-API-Key: x\r\nX-API-Key: y\r\n${END}`],
    [
      'a token and a key',
      400,
      `GET /health HTTP/1.1\r\nHost: a\r\nX-API-Key: x\r\nAuthorization: y\r\n${END}`,
    ],
    ['a first line of 9 KB', 414, `GET /${pad(9_000)} HTTP/1.1\r\nHost: a\r\n${END}`],
    ['a first line of 90 KB', 414, `GET /${pad(90_000)} HTTP/1.1\r\nHost: a\r\n${END}`],
    ['a header of 9 KB', 431, `GET /health HTTP/1.1\r\nHost: a\r\nX: ${pad(9_000)}\r\n${END}`],
    ['a header of 900 KB', 431, `GET /health HTTP/1.1\r\nHost: a\r\nX: ${pad(900_000)}\r\n${END}`],
    ['headers of 21 KB', 431, `GET /health HTTP/1.1\r\nHost: a\r\n${`X: ${pad(7_000)}\r\n`.repeat(3)}${END}`],
    ['1100 headers', 431, `GET /health HTTP/1.1\r\nHost: a\r\n${'X: b\r\n'.repeat(1_100)}${END}`],
    ['no HTTP', 400, '\x16\x03\x01\x00\x00\r\n\r\n'],
  ])('with %s is answered with a problem', async ([, status, request], { world, expect }) => {
    const answer = await sendRaw(world.url, request)
    expect(answer).toMatchObject({
      status,
      headers: { 'content-type': 'application/problem+json', connection: 'close' },
    })
    expect(Problem.parse(JSON.parse(answer.body))).toMatchObject({ status })
    expect(world.received).toEqual([])
  })

  test.for<[what: string, status: number, request: string]>([
    ['transfer coding', 501, `POST ${SIP} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n`],
    ['version', 505, `GET /health HTTP/2.0\r\nHost: a\r\n\r\n`],
    ['chunk', 400, `POST /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz`],
  ])(
    'for its %s gets one answer, whatever comes behind it',
    async ([, status, request], { world, expect }) => {
      const answer = await sendRaw(world.url, `${request}GET /health HTTP/1.1\r\nHost: a\r\n\r\n`)
      expect(answer.status).toBe(status)
      expect(Problem.parse(JSON.parse(answer.body))).toMatchObject({ status })
      expect(world.received).toEqual([])
    },
  )
})

describe('a request that nginx would take', () => {
  async function get(world: LocalWorld, target: string, headers = '') {
    const { status } = await sendRaw(
      world.url,
      `GET ${target} HTTP/1.1\r\nHost: one.example\r\n${headers}${END}`,
    )
    return { status, ...world.received[0] }
  }

  test('in absolute form goes by its path, for the host that it names', async ({ world, expect }) => {
    expect(await get(world, 'http://Other.example:8000/health?q=1')).toMatchObject({
      status: 200,
      url: '/health?q=1',
      headers: { 'x-forwarded-host': 'other.example' },
    })
  })

  test('with a first line and a header of nearly 8 KB each goes on', async ({ world, expect }) => {
    const { status, url } = await get(world, `/health?${pad(8_000)}`, `X-Long: ${pad(8_000)}\r\n`)
    expect([status, url?.length]).toEqual([200, 8_008])
  })

  test('shows its credentials behind nine hundred other headers', async ({ world, expect }) => {
    const before = 'a: b\r\n'.repeat(900)
    const text = (headers: string) =>
      `POST ${SIP} HTTP/1.1\r\nHost: a\r\n${before}${headers}Content-Length: 2\r\n${END}{}`
    expect((await sendRaw(world.url, text(''))).status).toBe(401)
    expect((await sendRaw(world.url, text(`Authorization: BEARER ${world.token}\r\n`))).status).toBe(200)
  })

  test('gets its answer before what cannot be read behind it is refused', async ({ world, expect }) => {
    const { status, body } = await sendRaw(
      world.url,
      'GET /health HTTP/1.1\r\nHost: a\r\n\r\nno HTTP\r\n\r\n',
    )
    expect([status, body.match(/HTTP\/1\.1 \d+/g)]).toEqual([200, ['HTTP/1.1 400']])
    expect(world.received).toHaveLength(1)
  })

  test('leaves behind what concerns its connection, and what Connection names', async ({ world, expect }) => {
    const { headers = {} } = await get(
      world,
      '/health',
      'Connection: X-Drop, tracestate\r\nX-Drop: 1\r\nX-Keep: 2\r\nTE: trailers\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n',
    )
    expect(Object.keys(headers)).toContain('x-keep')
    for (const name of ['x-drop', 'te', 'keep-alive', 'proxy-connection'])
      expect(headers).not.toHaveProperty(name)
  })

  test('says where it comes from as the gateway sees it, not as it claims', async ({ world, expect }) => {
    const { headers } = await get(
      world,
      '/health',
      [
        'X-Forwarded-For: 1.2.3.4',
        'X-Real-IP: 1.2.3.4',
        'X-Forwarded-Proto: https',
        'X-Forwarded-Host: evil.example',
        'X-Forwarded-Port: 1',
        'X-Forwarded-Path: /evil',
        'X-Forwarded-Prefix: /evil',
        '',
      ].join('\r\n'),
    )
    expect(headers).toMatchObject({
      'x-forwarded-for': '1.2.3.4, 127.0.0.1',
      'x-real-ip': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'one.example',
      'x-forwarded-port': new URL(world.url).port,
      'x-forwarded-path': '/health',
    })
    expect(headers).not.toHaveProperty('x-forwarded-prefix')
  })

  test('with an expectation that nobody knows goes on', async ({ world, expect }) => {
    expect((await get(world, '/health', 'Expect: 200-maybe\r\n')).status).toBe(200)
  })

  test('has a trace of its own in place of a malformed one, without its state', async ({ world, expect }) => {
    const { headers } = await get(world, '/health', 'traceparent: 00-0-0-01\r\ntracestate: a=1\r\n')
    expect(headers?.['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    expect(headers).not.toHaveProperty('tracestate')
  })
})

test('an answer may have 15 KB of headers', async ({ world, expect }) => {
  world.answer((_request, response) => response.writeHead(200, { 'x-long': pad(15_000) }).end())
  const response = await fetch(`${world.url}/health`)
  expect([response.status, response.headers.get('x-long')?.length]).toEqual([200, 15_000])
})

describe('createGateway()', () => {
  const health = {
    name: 'health',
    scale: { timeoutSeconds: 1 },
    endpoints: [
      { name: 'health.brief', method: 'GET', path: '/health', auth: 'none' as const, streams: false },
    ],
  }

  /** A gateway whose functions are at what `resolve` returns for each attempt. */
  async function open(resolve: () => string, samplingRate = 1) {
    const config = deployKongConfig(createKongConfig([health], []), { keys: publicKeys })
    const services = config.services.map((service) => ({ ...service, read_timeout: 100 }))
    const log = createLog('gateway', 'silent')
    const gateway = createGateway({ config: { ...config, services }, resolve, log, samplingRate })
    return { url: `http://${await listen(gateway.server)}/health`, close: () => gateway.drain(0) }
  }

  /** A server of functions, and how many requests it has seen. */
  async function openFunctions(answers: boolean) {
    const traces: string[] = []
    const server: Server = createServer((request, response) => {
      traces.push(String(request.headers['traceparent']))
      if (answers) response.end()
    })
    return { traces, address: `http://${await listen(server)}`, server }
  }

  async function close(server: Server) {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }

  test('sends nothing again after a timeout', async ({ expect }) => {
    const functions = await openFunctions(false)
    const gateway = await open(() => functions.address)
    expect((await fetch(gateway.url)).status).toBe(504)
    expect(functions.traces).toHaveLength(1)
    await gateway.close()
    await close(functions.server)
  })

  test('tries once more where there was no connection', async ({ expect }) => {
    const functions = await openFunctions(true)
    const gone = await openFunctions(true)
    await close(gone.server)
    const places = [gone.address, functions.address]
    const gateway = await open(() => places.shift() ?? gone.address)
    expect((await fetch(gateway.url)).status).toBe(200)
    expect((await fetch(gateway.url)).status).toBe(503)
    expect([functions.traces.length, places.length]).toEqual([1, 0])
    await gateway.close()
    await close(functions.server)
  })

  test('samples the traces that begin here as configured, and keeps what others decided', async ({
    expect,
  }) => {
    const functions = await openFunctions(true)
    const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    for (const [rate, flag] of [
      [0, '00'],
      [1, '01'],
    ] as const) {
      const gateway = await open(() => functions.address, rate)
      await fetch(gateway.url)
      await fetch(gateway.url, { headers: { traceparent: given } })
      await gateway.close()
      expect(functions.traces.splice(0)).toEqual([expect.stringMatching(new RegExp(`-${flag}$`)), given])
    }
    await close(functions.server)
  })
})
