/** Numbers that no double holds: through every function that keeps or passes on what its caller sent, or refused by name. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect } from 'vitest'
import { fencedRequest } from '../../../shared/egress/fenced-request.ts'
import { parseExactly } from '../../../shared/exact-json.ts'
import { testWith, type Tenant } from './world.ts'

/** An API whose answers are what it was sent, and numbers of its own. */
const test = testWith().extend<{ remote: { origin: string; received: string[]; answer: string } }>({
  remote: async ({ runtime }, use) => {
    const remote = { origin: '', received: [] as string[], answer: '{}' }
    const server = createServer((request, response) => {
      let text = ''
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      request.on('end', () => {
        remote.received.push(text === '{}' ? (request.url ?? '') : text)
        response.writeHead(200, { 'content-type': 'application/json' }).end(remote.answer)
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    remote.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    runtime.platform.requestOutside = (request) =>
      fencedRequest({ ...request, privateAllowed: [remote.origin] })
    await use(remote)
    server.closeAllConnections()
    server.close()
  },
})

const TEXT =
  '{"id":9007199254740993,"list":[123456789012345678901234567890,-9007199254740993],"price":0.12345678901234567891}'
const FREE: unknown = JSON.parse(TEXT, (_, value: unknown, { source }) =>
  typeof value === 'number' && source !== undefined ? JSON.rawJSON(source) : value,
)

const invoke = async (tenant: Tenant, path: string, input: unknown) => {
  const { status, body } = await tenant.calls('POST', `/v1/agentese/${path.replaceAll('.', '/')}`, input)
  expect([status, body.code]).toEqual([200, undefined])
  return body.result
}

describe('what callers keep', () => {
  test('a memory has its metadata as they were sent', async ({ newTenant }) => {
    const tenant = await newTenant()
    const { crystal_id: id } = await invoke(tenant, 'self.memory.engram', {
      content: 'A bill',
      metadata: FREE,
    })
    const { metadata } = await invoke(tenant, 'self.memory.get', { id })
    expect(metadata).toEqual(FREE)
  })

  test('a value is got as it was put, also after a checkpoint', async ({ newTenant }) => {
    const tenant = await newTenant()
    for (const value of [FREE, parseExactly('9007199254740993')]) {
      await invoke(tenant, 'self.state.put', { key: 'a', value })
      expect((await invoke(tenant, 'self.state.inspect', { key: 'a' })).entries[0].value).toEqual(value)
    }
    await invoke(tenant, 'self.state.put', { key: 'a', value: FREE })
    await invoke(tenant, 'self.state.checkpoint', { label: 'one' })
    await invoke(tenant, 'self.state.drop', { key: 'a' })
    await invoke(tenant, 'self.state.restore', { label: 'one' })
    expect((await invoke(tenant, 'self.state.inspect', { key: 'a' })).entries[0].value).toEqual(FREE)
  })

  test('an entity has its state as it was defined, and knows what has changed', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const made = await invoke(tenant, 'world.house.define', { state: FREE, metadata: FREE })
    expect(made).toMatchObject({ state: FREE, metadata: FREE })
    const same = await invoke(tenant, 'world.house.transform', { changes: FREE })
    expect(same).toMatchObject({ transformed: false, entity: { state: FREE } })
    const changes = parseExactly('{"id":9007199254740995}')
    expect(await invoke(tenant, 'world.house.transform', { changes })).toMatchObject({ changes })
    const events = await owner<{ event: string }[]>`select event from outbox where tenant_id = ${tenant.id}`
    expect(events.some(({ event }) => event.includes('"id":9007199254740995'))).toBe(true)
  })

  test('a call that is deferred or repeated is the same call', async ({ newTenant }) => {
    const tenant = await newTenant()
    const input = { content: 'A bill', metadata: FREE }
    const deferred = { path: 'self.memory.engram', delay: 3600, kwargs: input }
    await invoke(tenant, 'time.schedule.defer', deferred)
    const engram = (key: string, metadata: unknown) =>
      tenant.calls(
        'POST',
        '/v1/agentese/self/memory/engram',
        { ...input, metadata },
        { 'idempotency-key': key },
      )
    const [first, again, other] = [
      await engram('k', FREE),
      await engram('k', FREE),
      await engram('k', parseExactly(TEXT.replace('993,', '992,'))),
    ]
    expect(again.body.result).toEqual(first.body.result)
    expect([other.status, other.body.code]).toEqual([409, 'IDEMPOTENCY_MISMATCH'])
  })

  test('a call by way of logos is as exact as a direct one', async ({ newTenant }) => {
    const tenant = await newTenant()
    const body = { path: 'self.state.put', input: { key: 'a', value: FREE } }
    expect((await tenant.calls('POST', '/v1/agentese/invoke', body)).status).toBe(200)
    const got = await tenant.calls('POST', '/v1/agentese/invoke', {
      path: 'self.state.inspect',
      input: { key: 'a' },
    })
    expect(got.body.result.entries[0].value).toEqual(FREE)
  })
})

describe('a tool', () => {
  const SCHEMA = {
    type: 'object',
    properties: {
      id: { type: 'integer', minimum: 0 },
      ids: { type: 'array', items: { type: 'integer' } },
      price: { type: 'number' },
      page: { type: 'integer', default: 1 },
      free: {},
    },
    additionalProperties: false,
  }

  async function withTool(tenant: Tenant, origin: string, url: string) {
    await invoke(tenant, 'world.tool.allow', { origin })
    await invoke(tenant, 'world.tool.define', {
      name: 'pay',
      method: 'POST',
      url: `${origin}${url}`,
      input_schema: { ...SCHEMA, required: url.includes('{id}') ? ['id'] : [] },
      output_schema: {},
    })
    return (text: string) =>
      tenant.calls('POST', '/v1/agentese/world/tool/invoke', `{"tool":"pay","arguments":${text}}`)
  }

  test('is sent its arguments, and its answer is passed on, as they are', async ({ newTenant, remote }) => {
    const call = await withTool(await newTenant('enterprise', ['admin']), remote.origin, '/pay')
    remote.answer = TEXT
    const sent =
      '{"id":9007199254740993,"ids":[1,12345678901234567890],"price":0.12345678901234567891,"free":{"a":[9007199254740993]}}'
    const { status, body } = await call(sent)
    expect([status, body.code]).toEqual([200, undefined])
    expect(parseExactly(remote.received[0] ?? '')).toEqual({ ...(parseExactly(sent) as object), page: 1 })
    expect(body.result.output).toEqual(FREE)
  })

  test('has them in its URL as well', async ({ newTenant, remote }) => {
    const call = await withTool(
      await newTenant('enterprise', ['admin']),
      remote.origin,
      '/pay/{id}?page={page}',
    )
    expect((await call('{"id":9007199254740993}')).status).toBe(200)
    expect(remote.received).toEqual(['/pay/9007199254740993?page=1'])
  })

  test.for([
    '{"id":1.5}',
    '{"id":9007199254740993.5}',
    '{"id":-9007199254740993}',
    '{"ids":[9007199254740993,0.5]}',
  ])('refuses %s by name, and sends nothing', async (text, { newTenant, remote }) => {
    const call = await withTool(await newTenant('enterprise', ['admin']), remote.origin, '/pay')
    const { status, body } = await call(text)
    expect([status, body.code]).toEqual([400, 'TYPE_MISMATCH'])
    expect(body.message).toMatch(/"ids?/)
    expect(remote.received).toEqual([])
  })

  test('whose answer has a number beyond all measure has failed', async ({ newTenant, remote }) => {
    const call = await withTool(await newTenant('enterprise', ['admin']), remote.origin, '/pay')
    remote.answer = '{"a":[1e400]}'
    const { body } = await call('{}')
    expect(body).toMatchObject({ code: 'UPSTREAM_FAILED', message: expect.stringContaining('"/a/0"') })
  })
})

test('a number where another one is wanted is refused by name', async ({ newTenant }) => {
  const tenant = await newTenant()
  const refused = async (path: string, text: string) => {
    const { status, body } = await tenant.calls('POST', path, text)
    expect(status).toBe(400)
    return body.message as string
  }
  expect(await refused('/v1/agentese/void/entropy/sip', '{"amount":0.12345678901234567891}')).toContain(
    '"amount": 0.12345678901234567891 is a number that would be changed here',
  )
  expect(await refused('/v1/agentese/self/memory/engram', '{"content":9007199254740993}')).toContain(
    '"content"',
  )
  expect(
    await refused('/v1/agentese/self/memory/engram', '{"content":"a","metadata":9007199254740993}'),
  ).toContain('"metadata"')
  expect(
    await refused('/v1/agentese/self/memory/engram', '{"content":"a","metadata":{"a":[1e400]}}'),
  ).toContain('"/metadata/a/0"')
  expect(await refused('/v1/agentese/self/memory/engram', '12345678901234567890')).toContain(
    'not a JSON object',
  )
})

test('a mapping passes on what an event holds', async ({ newTenant, owner, delivers }) => {
  const tenant = await newTenant()
  const mapping = {
    type: 'com.example.*',
    path: 'self.state.put',
    input: { key: 'order', value: { $from: '/data' } },
  }
  expect((await tenant.calls('POST', '/v1/event-mappings', mapping)).status).toBe(201)
  const event = { specversion: '1.0', id: '1', source: '/shop', type: 'com.example.order', data: FREE }
  const headers = { 'content-type': 'application/cloudevents+json' }
  expect((await tenant.calls('POST', '/v1/events', event, headers)).status).toBe(202)
  const [matched] = await owner<{ event: string }[]>`
    select event from outbox where tenant_id = ${tenant.id} and event like '%mapping.matched%'`
  expect(await delivers(parseExactly(matched?.event ?? '') as never)).toBe(202)
  expect((await invoke(tenant, 'self.state.inspect', { key: 'order' })).entries[0].value).toEqual(FREE)
})
