import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect } from 'vitest'
import { fencedRequest } from '../../../shared/egress/fenced-request.ts'
import type { Runtime } from '../../../shared/calls/runtime.ts'
import { insertColleague, testWith, type Tenant } from './world.ts'

type Got = IncomingMessage & { text: string }

/** An HTTP interface on this machine, which the operator lets tenants call. */
interface Remote {
  origin: string
  requests: Got[]
  answer: (request: Got, response: ServerResponse) => void | Promise<void>
}

/** One connection: whoever holds it while a tool is called keeps everybody else waiting. */
const test = testWith([], { DATABASE_CONNECTIONS: '1' }).extend<{ remote: Remote }>({
  remote: async ({ runtime }, use) => {
    const remote: Remote = {
      origin: '',
      requests: [],
      answer: (_request, response) => json(response, { fine: true }),
    }
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const got = Object.assign(request, { text: Buffer.concat(chunks).toString() })
        remote.requests.push(got)
        void remote.answer(got, response)
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    remote.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    letOut(runtime, [remote.origin])
    await use(remote)
    server.closeAllConnections()
    server.close()
  },
})

/** As an operator who lists `origins`; every public name leads to this machine. */
function letOut({ platform }: Runtime, origins: readonly string[]): void {
  platform.requestOutside = (request) =>
    fencedRequest({ ...request, privateAllowed: origins, resolve: async () => ['127.0.0.1'] })
}

function json(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

const FIND = {
  name: 'find_user',
  description: 'Finds a user',
  input_schema: {
    type: 'object',
    properties: { id: { type: 'string', maxLength: 40 }, lang: { type: 'string' } },
    required: ['id'],
    additionalProperties: false,
  },
}
const CREATE = {
  name: 'create_user',
  method: 'POST',
  input_schema: {
    type: 'object',
    properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0, default: 18 } },
    required: ['name'],
    additionalProperties: false,
  },
  output_schema: { type: 'object', properties: { id: { type: 'integer' } }, required: ['id'] },
}

function toolsOf(tenant: Tenant) {
  return (verb: string, input: object = {}, headers: Record<string, string> = {}) =>
    tenant.calls('POST', `/v1/agentese/world/tool/${verb}`, input, headers)
}

/** A tenant whose admin has allowed the remote, with both tools. */
async function withTools(
  newTenant: (tier?: string, roles?: string[]) => Promise<Tenant>,
  { origin }: Remote,
) {
  const tenant = await newTenant('enterprise', ['admin'])
  const tools = toolsOf(tenant)
  expect((await tools('allow', { origin })).status).toBe(200)
  expect((await tools('define', { ...FIND, url: `${origin}/users/{id}?lang={lang}` })).status).toBe(200)
  expect((await tools('define', { ...CREATE, url: `${origin}/users` })).status).toBe(200)
  return { tenant, tools }
}

const find = (id: unknown, more: object = {}) => ({ tool: 'find_user', arguments: { id, ...more } })

describe('world.tool.invoke', () => {
  test('sends arguments where the contract puts them, and answers what comes back', async ({
    newTenant,
    remote,
  }) => {
    const { tools } = await withTools(newTenant, remote)
    const { status, body } = await tools('invoke', find('a b', { lang: 'de&x=1' }))
    expect({ status, result: body.result }).toEqual({
      status: 200,
      result: { tool: 'find_user', status: 200, output: { fine: true } },
    })
    expect(body.meta.charges).toEqual({ tool_calls: 1 })
    remote.answer = (_request, response) => json(response, { id: 7, more: 'x' }, 201)
    const made = await tools('invoke', {
      tool: 'create_user',
      input: { name: 'Ada' },
      arguments: { name: 'Bob' },
    })
    expect(made.body.result).toMatchObject({ status: 201, output: { id: 7, more: 'x' } })
    expect(
      remote.requests.map(({ method, url, text }) => [method, url, text === '' ? '' : JSON.parse(text)]),
    ).toEqual([
      ['GET', '/users/a%20b?lang=de%26x%3D1', ''],
      ['POST', '/users', { name: 'Bob', age: 18 }],
    ])
    expect((await tools('invoke', find('a'))).status).toBe(200)
    expect(remote.requests[2]?.url).toBe('/users/a')
  })

  test('takes no arguments that do not fit its schema, and then sends nothing', async ({
    newTenant,
    remote,
  }) => {
    const { tools } = await withTools(newTenant, remote)
    const bad = [
      find(5),
      find('x'.repeat(50)),
      find('a', { admin: true }),
      find(''),
      find('.'),
      find('..'),
      find({ deep: 1 }),
      { tool: 'find_user' },
      { tool: 'create_user', arguments: { name: 'Ada', age: -1 } },
      { tool: 'find_user', arguments: ['a'] },
    ]
    for (const input of bad) {
      expect(await tools('invoke', input), JSON.stringify(input)).toMatchObject({
        status: 400,
        body: { code: 'TYPE_MISMATCH' },
      })
    }
    expect(remote.requests).toHaveLength(0)
    expect(await tools('invoke', { tool: 'find_usr' })).toMatchObject({
      status: 404,
      body: { code: 'NOT_FOUND', available: ['find_user'] },
    })
  })

  test.for([
    ['UTF-8', Buffer.from('\uFEFF{"id":7}')],
    ['UTF-16, little-endian', Buffer.from('\uFEFF{"id":7}', 'utf16le')],
    ['UTF-16, big-endian', Buffer.from('\uFEFF{"id":7}', 'utf16le').swap16()],
  ] as const)('reads an answer with the byte-order mark of %s', async ([, bytes], { newTenant, remote }) => {
    const { tools } = await withTools(newTenant, remote)
    remote.answer = (_request, response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end(bytes)
    const answer = await tools('invoke', { tool: 'create_user', arguments: { name: 'Ada' } })
    expect(answer).toMatchObject({ status: 200, body: { result: { output: { id: 7 } } } })
  })

  test('leaves no byte-order mark in a text, and takes an answer of nothing else for none', async ({
    newTenant,
    remote,
  }) => {
    const { tools } = await withTools(newTenant, remote)
    for (const [text, output] of [
      ['\uFEFFAda', 'Ada'],
      ['\uFEFF', null],
    ] as const) {
      remote.answer = (_request, response) =>
        void response.writeHead(200, { 'content-type': 'text/plain' }).end(text)
      expect((await tools('invoke', find('7', { lang: String(output) }))).body.result.output).toBe(output)
    }
  })

  test('cuts a long error of a server at the end of a character', async ({ newTenant, remote }) => {
    const { tools } = await withTools(newTenant, remote)
    remote.answer = (_request, response) =>
      void response.writeHead(500, { 'content-type': 'text/plain' }).end(`x${'👩‍👩‍👧‍👦'.repeat(500)}`)
    const { body } = await tools('invoke', find('7'))
    expect(body.details.answer).toMatch(/^x(👩‍👩‍👧‍👦)+$/)
  })

  test('fails where the answer is bad, too large, too deep, too late, or not what its contract says', async ({
    newTenant,
    remote,
  }) => {
    const { tools } = await withTools(newTenant, remote)
    const create = { tool: 'create_user', arguments: { name: 'Ada' } }
    const answers: [name: string, answer: Remote['answer'], status: number, code: string][] = [
      ['an error', (_request, response) => json(response, { why: 'no' }, 500), 502, 'UPSTREAM_FAILED'],
      ['not found', (_request, response) => json(response, {}, 404), 502, 'UPSTREAM_FAILED'],
      ['another shape', (_request, response) => json(response, { id: 'seven' }), 502, 'UPSTREAM_FAILED'],
      ['too much', (_request, response) => json(response, 'x'.repeat(300_000)), 502, 'UPSTREAM_FAILED'],
      [
        'bottomless',
        (_request, response) => {
          response.writeHead(200, { 'content-type': 'application/json' })
          response.end(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)
        },
        502,
        'UPSTREAM_FAILED',
      ],
      [
        'no JSON',
        (_request, response) => {
          response.writeHead(200, { 'content-type': 'application/json' }).end('{oops')
        },
        502,
        'UPSTREAM_FAILED',
      ],
      ['nothing at all', (request) => void request.socket.destroy(), 502, 'UPSTREAM_FAILED'],
    ]
    for (const [name, answer, status, code] of answers) {
      remote.answer = answer
      expect(await tools('invoke', create), name).toMatchObject({ status, body: { code } })
    }
    await tools('define', {
      ...FIND,
      name: 'slow',
      url: `${remote.origin}/{id}?lang={lang}`,
      timeout_seconds: 1,
    })
    remote.answer = () => {}
    expect(await tools('invoke', { tool: 'slow', arguments: { id: 'a' } })).toMatchObject({
      status: 504,
      body: { code: 'DEADLINE_EXCEEDED' },
    })
  })

  test('holds no connection to the database while it waits', async ({ newTenant, remote }) => {
    const { tools } = await withTools(newTenant, remote)
    remote.answer = async (_request, response) => {
      const { body } = await tools('list')
      json(response, body.result)
    }
    const { body } = await tools('invoke', find('a'))
    expect(body.result.output.tools).toHaveLength(2)
  })

  test('leaves one mark, and a charge only where it went well', async ({
    newTenant,
    remote,
    owner,
    runtime,
  }) => {
    const { tenant, tools } = await withTools(newTenant, remote)
    await tools('invoke', find('a'))
    remote.answer = (_request, response) => json(response, {}, 500)
    await tools('invoke', find('a'))
    await runtime.recorder.flush()
    expect(
      await owner`
        select outcome, code, charges from marks
        where tenant_id = ${tenant.id} and path = 'world.tool.invoke' order by at`,
    ).toEqual([
      { outcome: 'success', code: null, charges: { tool_calls: 1 } },
      { outcome: 'failure', code: 'UPSTREAM_FAILED', charges: {} },
    ])
    expect(await owner`select resource, amount::int from charges where tenant_id = ${tenant.id}`).toEqual([
      { resource: 'tool_calls', amount: 1 },
    ])
  })

  test('belongs to builders', async ({ newTenant, remote }) => {
    const { tenant } = await withTools(newTenant, remote)
    const poet = await toolsOf(tenant)('invoke', find('a'), { 'x-observer-archetype': 'poet' })
    expect(poet.body.code).toBe('AFFORDANCE_DENIED')
    expect(remote.requests).toHaveLength(0)
  })
})

describe('an Idempotency-Key of world.tool.invoke', () => {
  const KEY = { 'idempotency-key': 'once' }

  test('gives the same answer again, and sends nothing again', async ({ newTenant, remote, owner }) => {
    const { tenant, tools } = await withTools(newTenant, remote)
    remote.answer = (_request, response) => json(response, { id: remote.requests.length })
    const create = { tool: 'create_user', arguments: { name: 'Ada' } }
    const first = await tools('invoke', create, KEY)
    const second = await tools('invoke', create, KEY)
    expect(second.body).toEqual(first.body)
    expect(second.headers.get('idempotency-replayed')).toBe('true')
    expect(remote.requests).toHaveLength(1)
    expect(remote.requests[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f]{64}$/)
    const other = { tool: 'create_user', arguments: { name: 'Bob' } }
    expect((await tools('invoke', other, KEY)).body.code).toBe('IDEMPOTENCY_MISMATCH')
    expect((await tools('remove', { tool: 'create_user' }, KEY)).body.code).toBe('IDEMPOTENCY_MISMATCH')
    expect(await owner`select from charges where tenant_id = ${tenant.id}`).toHaveLength(1)
  })

  test('lets one of two at once through, and the other knows why', async ({ newTenant, remote }) => {
    const { tools } = await withTools(newTenant, remote)
    const late: { status?: number; code?: string } = {}
    remote.answer = async (_request, response) => {
      const { status, body } = await tools('invoke', find('a'), KEY)
      Object.assign(late, { status, code: body.code })
      json(response, {})
    }
    expect((await tools('invoke', find('a'), KEY)).status).toBe(200)
    expect(late).toEqual({ status: 409, code: 'STATE_CONFLICT' })
    expect(remote.requests).toHaveLength(1)
  })

  test('is free again where the call failed', async ({ newTenant, remote, owner }) => {
    const { tenant, tools } = await withTools(newTenant, remote)
    remote.answer = (_request, response) => json(response, {}, 503)
    expect((await tools('invoke', find('a'), KEY)).status).toBe(502)
    expect(await owner`select from idempotency_keys where tenant_id = ${tenant.id}`).toHaveLength(0)
    remote.answer = (_request, response) => json(response, {})
    expect((await tools('invoke', find('a'), KEY)).status).toBe(200)
  })

  test('is taken over from a call that died, but not from one that may still run', async ({
    newTenant,
    remote,
    owner,
  }) => {
    const { tenant, tools } = await withTools(newTenant, remote)
    await tools('invoke', find('a'), KEY)
    await owner`update idempotency_keys set answer = null, created_at = now() - interval '20 seconds' where tenant_id = ${tenant.id}`
    expect((await tools('invoke', find('a'), KEY)).status).toBe(409)
    await owner`update idempotency_keys set created_at = now() - interval '50 seconds' where tenant_id = ${tenant.id}`
    expect((await tools('invoke', find('a'), KEY)).status).toBe(200)
    expect(remote.requests).toHaveLength(2)
  })
})

describe('world.tool.define', () => {
  test('takes no template that could lead elsewhere', async ({ newTenant, owner }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const tools = toolsOf(tenant)
    const bad = [
      'https://{id}/users',
      'https://{id}.example.com/users',
      'https://example.com{id}/users',
      'https://example.com:{id}/users',
      '{id}://example.com/',
      'https://{id}@example.com/',
      'https://user:password@example.com/{id}',
      'https://example.com\\@evil.example.org/{id}',
      'https://example.com/a/../{id}',
      'https://example.com/%2E%2e/{id}',
      'https://example.com/{id}?{lang}=1',
      'https://example.com/{id}#{lang}',
      'https://example.com/{id',
      'https://example.com/{{id}}',
      'https://example.com/{unknown}',
      'https://example.com/{lang}',
      'https://example.com/ {id}',
      'ftp://example.com/{id}',
      'file:///etc/{id}',
      '/users/{id}',
      'example.com/{id}',
    ]
    for (const url of bad) {
      expect(await tools('define', { ...FIND, url }), url).toMatchObject({
        status: 400,
        body: { code: 'TYPE_MISMATCH' },
      })
    }
    expect(await owner`select from tools where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('takes no schema that could take forever, or that is none', async ({ newTenant }) => {
    const tools = toolsOf(await newTenant('enterprise', ['admin']))
    const url = 'https://example.com/'
    const bad: unknown[] = [
      { type: 'object', properties: { a: { type: 'string', pattern: '(a+)+$' } } },
      { type: 'object', patternProperties: { '(a+)+$': {} } },
      { type: 'object', properties: { a: { $ref: 'http://169.254.169.254/' } } },
      { type: 'object', properties: { a: { type: 'array', uniqueItems: true } } },
      { type: 'object', properties: { a: { type: 'text' } } },
      { type: 'string' },
      { type: 'object', description: 'x'.repeat(17_000) },
      { type: 'object', properties: { a: 5 } },
      true,
    ]
    for (const input_schema of bad) {
      const { status } = await tools('define', { name: 'tool', url, input_schema })
      expect(status, JSON.stringify(input_schema)).toBe(400)
    }
    const recursive = {
      type: 'array',
      items: { type: 'object', properties: { a: { anyOf: [{ type: 'string' }] } } },
    }
    expect((await tools('define', { name: 'tool', url, output_schema: recursive })).status).toBe(200)
  })

  test('takes no header that is not to be set, and none with a secret written out', async ({ newTenant }) => {
    const tools = toolsOf(await newTenant('enterprise', ['admin']))
    const define = (headers: object) =>
      tools('define', { name: 'tool', url: 'https://example.com/', headers })
    const bad = [
      { Host: 'internal' },
      { 'Content-Length': '0' },
      { 'Transfer-Encoding': 'chunked' },
      { 'X-A': 'a\r\nX-B: b' },
      { 'X A': 'a' },
      { Authorization: 'Bearer hunter2hunter2' },
      { 'X-Api-Key': 'hunter2hunter2' },
    ]
    for (const headers of bad) {
      const { status, body } = await define(headers)
      expect(status, JSON.stringify(headers)).toBe(400)
      expect(JSON.stringify(body)).not.toContain('hunter2')
    }
    expect((await define({ Authorization: 'Bearer {secret:API}', 'X-Kind': 'test' })).status).toBe(200)
    const { body } = await tools('manifest', { tool: 'tool' })
    expect(body.result.metadata).toMatchObject({ headers: ['X-Kind', 'Authorization'], secrets: ['API'] })
  })

  test('makes nothing twice, and no more than the plan holds', async ({ newTenant, owner }) => {
    const tenant = await newTenant('starter', ['admin'])
    await owner`insert into holdings (tenant_id, kind, held) values (${tenant.id}, 'tool', 20)`
    const tools = toolsOf(tenant)
    const define = (name: string) => tools('define', { name, url: 'https://example.com/' })
    const crowd = await Promise.all(Array.from({ length: 7 }, (_, at) => define(`tool_${at}`)))
    expect(crowd.filter(({ status }) => status === 200)).toHaveLength(5)
    expect(crowd.find(({ status }) => status !== 200)?.body).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { tier: 'starter', limit: 25 },
    })
    const { result } = (await tools('list', { limit: 2 })).body
    const [first] = result.tools
    expect((await define(first.name)).body.code).toBe('STATE_CONFLICT')
    expect((await tools('list', { cursor: result.next_cursor })).body.result.tools).toHaveLength(3)
    expect((await tools('remove', { tool: first.name })).status).toBe(200)
    expect((await tools('remove', { tool: first.name })).status).toBe(404)
    expect((await define('another')).status).toBe(200)
  })
})

describe('the fence around tools', () => {
  test('lets nobody in whom the tenant or the operator has not allowed', async ({
    newTenant,
    remote,
    runtime,
  }) => {
    const { tools } = await withTools(newTenant, remote)
    const denied = { status: 403, body: { code: 'EGRESS_DENIED' } }
    letOut(runtime, [])
    expect(await tools('invoke', find('a'))).toMatchObject(denied)
    letOut(runtime, [remote.origin])
    expect((await tools('invoke', find('a'))).status).toBe(200)
    await tools('allow', { origin: remote.origin, allowed: false })
    expect(await tools('invoke', find('a'))).toMatchObject(denied)
    expect(remote.requests).toHaveLength(1)
  })

  test('lets no address of a private network through, however it is written', async ({
    newTenant,
    remote,
  }) => {
    const { tools } = await withTools(newTenant, remote)
    const { port } = new URL(remote.origin)
    const origins = [
      `https://127.0.0.1:${port}`,
      `https://2130706433:${port}`,
      `https://0x7f.1:${port}`,
      `https://[::1]:${port}`,
      `https://[::ffff:127.0.0.1]:${port}`,
      `https://localhost:${port}`,
      `https://name.example.org:8443`, // its name server says 127.0.0.1
      'https://169.254.169.254',
      'http://169.254.169.254',
      'https://metadata.google.internal',
      'https://kubernetes.default.svc',
    ]
    for (const [at, origin] of origins.entries()) {
      await tools('allow', { origin: new URL(origin).origin })
      const tool = `tool_${at}`
      expect((await tools('define', { name: tool, url: `${origin}/` })).status, origin).toBe(200)
      expect(await tools('invoke', { tool }), origin).toMatchObject({
        status: 403,
        body: { code: 'EGRESS_DENIED' },
      })
    }
    expect(remote.requests).toHaveLength(0)
  })

  test('stands behind redirects as well, which carry no secret away', async ({ newTenant, remote }) => {
    const { tools } = await withTools(newTenant, remote)
    for (const location of [
      'http://169.254.169.254/latest/meta-data',
      'http://127.0.0.1:1/',
      'file:///etc/passwd',
    ]) {
      remote.answer = (_request, response) => void response.writeHead(302, { location }).end()
      expect(await tools('invoke', find('a')), location).toMatchObject({
        status: 403,
        body: { code: 'EGRESS_DENIED' },
      })
    }
  })
})

describe('secrets of tools', () => {
  const SECRET = 'hunter2"/+ä hunter3'
  const store = { name: 'API', value: SECRET }

  async function withSecret(newTenant: (tier?: string, roles?: string[]) => Promise<Tenant>, remote: Remote) {
    const { tenant, tools } = await withTools(newTenant, remote)
    const stored = await tools('secret', { ...store, origins: [remote.origin] })
    expect(stored.body.result).toEqual({ name: 'API', stored: true, origins: [remote.origin] })
    const headers = { Authorization: 'Bearer {secret:API}' }
    await tools('define', { ...FIND, name: 'private', url: `${remote.origin}/{id}?lang={lang}`, headers })
    return { tenant, tools, use: (id = 'a') => tools('invoke', { tool: 'private', arguments: { id } }) }
  }

  test('are sent in headers, and filled into nothing else', async ({ newTenant, remote }) => {
    const { use } = await withSecret(newTenant, remote)
    expect((await use('{secret:API}')).status).toBe(200)
    const [request] = remote.requests
    expect(Buffer.from(request?.headers.authorization ?? '', 'latin1').toString('latin1')).toBe(
      `Bearer ${SECRET}`,
    )
    expect(request?.url).toBe('/%7Bsecret%3AAPI%7D')
  })

  test('are hidden in whatever a server answers, and kept nowhere in the clear', async ({
    newTenant,
    remote,
    owner,
    runtime,
  }) => {
    const { tenant, tools, use } = await withSecret(newTenant, remote)
    const base64 = Buffer.from(SECRET).toString('base64')
    const echo = {
      [SECRET]: [SECRET, { deep: `<${encodeURIComponent(SECRET)}>` }],
      base64,
      hex: Buffer.from(SECRET).toString('hex'),
    }
    const answers: Remote['answer'][] = [
      (_request, response) => json(response, echo),
      (_request, response) => json(response, echo, 500),
      (_request, response) =>
        void response.writeHead(200, { 'content-type': 'text/html' }).end(`<p>${SECRET}</p>`),
      (_request, response) => {
        const escaped = JSON.stringify(SECRET).replaceAll('h', '\\u0068')
        response.writeHead(200, { 'content-type': 'application/json' }).end(`{"escaped":${escaped}}`)
      },
      (_request, response) =>
        void response
          .writeHead(302, {
            location: `http://${encodeURIComponent('hunter2')}.internal/${encodeURIComponent(SECRET)}`,
          })
          .end(),
    ]
    const seen: unknown[] = []
    for (const answer of answers) {
      remote.answer = answer
      seen.push((await use()).body)
    }
    const { rows } = { rows: await owner`select * from tool_secrets where tenant_id = ${tenant.id}` }
    seen.push(
      (await tools('manifest', { tool: 'private' })).body,
      (await tools('manifest')).body,
      (await tools('list')).body,
    )
    await runtime.recorder.flush()
    seen.push(
      await owner`select * from marks where tenant_id = ${tenant.id}`,
      await owner`select event from outbox where tenant_id = ${tenant.id}`,
      await owner`select * from changes where tenant_id = ${tenant.id}`,
      await owner`select answer from idempotency_keys where tenant_id = ${tenant.id}`,
    )
    const everything = JSON.stringify(seen)
    expect(everything).toContain('[secret]')
    for (const form of ['hunter3', base64.slice(0, -2), Buffer.from('hunter3').toString('hex')]) {
      expect(everything, form).not.toContain(form)
    }
    expect(Buffer.from(rows[0]?.['sealed']).includes('hunter')).toBe(false)
  })

  test('go to the origins that an admin named, whatever a developer defines', async ({
    newTenant,
    remote,
    owner,
  }) => {
    const { tools, tenant } = await withSecret(newTenant, remote)
    const key = await insertColleague(owner, tenant, 'developer')
    const asDeveloper = { 'x-api-key': key }
    const headers = { Authorization: 'Bearer {secret:API}' }
    const thief = { name: 'thief', url: 'https://thief.example.org/', headers }
    expect((await tools('define', thief, asDeveloper)).status).toBe(200)
    const { body } = await tools('invoke', { tool: 'thief' }, asDeveloper)
    expect(body.code).toBe('STATE_CONFLICT')
    for (const [verb, input] of [
      ['secret', { ...store, origins: ['https://thief.example.org'] }],
      ['allow', { origin: 'https://thief.example.org:444' }],
    ] as const) {
      expect((await tools(verb, input, asDeveloper)).body.code, verb).toBe('SCOPE_MISSING')
    }
    await tools('define', {
      name: 'unknown',
      url: `${remote.origin}/`,
      headers: { 'X-Key': '{secret:OTHER}' },
    })
    expect((await tools('invoke', { tool: 'unknown' })).body.code).toBe('STATE_CONFLICT')
    expect(remote.requests).toHaveLength(0)
  })

  test('can be replaced and forgotten, and bad ones are refused without being told', async ({
    newTenant,
    remote,
  }) => {
    const { tools, use } = await withSecret(newTenant, remote)
    await tools('secret', { ...store, value: 'another-secret', origins: [remote.origin] })
    await use()
    expect(remote.requests[0]?.headers.authorization).toBe('Bearer another-secret')
    expect((await tools('secret', { name: 'API', value: null })).body.result.stored).toBe(false)
    expect((await use()).body.code).toBe('STATE_CONFLICT')
    for (const value of ['hunter2', 'hunter2\nhunter3', ' hunter2hunter3', 'hunter2hunter3'.repeat(400), 7]) {
      const { status, body } = await tools('secret', { name: 'API', value, origins: [remote.origin] })
      expect(status).toBe(400)
      expect(JSON.stringify(body)).not.toContain('hunter')
    }
    for (const origins of [[], ['https://example.com/path'], ['example.com'], ['javascript:alert(1)']]) {
      expect((await tools('secret', { ...store, origins })).status, String(origins)).toBe(400)
    }
  })

  test('are stored by a direct call alone, since others are written down', async ({ newTenant, owner }) => {
    const admin = await newTenant('enterprise', ['admin'])
    const path = 'world.tool.secret'
    const input = { name: 'KEPT', value: 'hunter2-hunter2', origins: ['https://api.example.com'] }
    for (const [url, body] of [
      ['time/schedule/defer', { path, delay: 60, kwargs: input }],
      ['compose', { expression: path, input }],
      ['compose', { expression: `${path} >> self.soul.reflect`, input }],
      ['invoke', { path: `${path} >> void.entropy.manifest`, input }],
      ['../event-mappings', { type: 'com.example.key', path, input }],
    ] as const) {
      const { status, body: told } = await admin.calls('POST', `/v1/agentese/${url}`, body)
      expect({ status, code: told.code }, url).toEqual({ status: 400, code: 'TYPE_MISMATCH' })
      expect(told.message).toContain('its input is a secret')
      expect(JSON.stringify(told)).not.toContain('hunter2')
    }
    for (const table of ['schedules', 'compositions', 'event_mappings', 'jobs', 'tool_secrets'])
      expect(await owner`select from ${owner(table)} where tenant_id = ${admin.id}`, table).toHaveLength(0)
    expect((await admin.calls('POST', '/v1/agentese/invoke', { path, input })).status).toBe(200)
  })

  test("and tools are each tenant's own", async ({ newTenant, remote }) => {
    const { tools } = await withSecret(newTenant, remote)
    const other = toolsOf(await newTenant('enterprise', ['admin']))
    for (const input of [find('a'), { tool: 'private', arguments: { id: 'a' } }]) {
      expect(await other('invoke', input)).toMatchObject({ status: 404, body: { available: [] } })
    }
    expect((await other('manifest', { tool: 'private' })).status).toBe(404)
    expect((await other('remove', { tool: 'private' })).status).toBe(404)
    expect((await other('list')).body.result.tools).toEqual([])
    await other('allow', { origin: remote.origin })
    await other('define', { name: 'mine', url: `${remote.origin}/`, headers: { 'X-Key': '{secret:API}' } })
    expect((await other('invoke', { tool: 'mine' })).body.code).toBe('STATE_CONFLICT')
    expect((await tools('list')).body.result.tools).toHaveLength(3)
    expect(remote.requests).toHaveLength(0)
  })
})
