/** Events of a tenant's own systems, from `POST /v1/events` to a webhook: what arrives is what was sent. */
import { CloudEvent, emitterFor, HTTP, httpTransport, Mode, type CloudEventV1 } from 'cloudevents'
import { expect } from 'vitest'
import { parseExactly } from '../../../shared/exact-json.ts'
import { eventually } from '../../eventually.ts'
import { preparePython } from '../../python/run-python.ts'
import { test, type Tenant, type TestSink } from './world.ts'

const python = await preparePython()
const BATCH = 'application/cloudevents-batch+json'
const STRUCTURED = 'application/cloudevents+json'
const CORE = { specversion: '1.0', source: '/shop', type: 'com.example.order' }
const TRACE = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`

const shop = test.extend('shop', async ({ webhooks }) => {
  webhooks.world.startRelay()
  webhooks.startSender()
  const tenant = await webhooks.newTenant()
  const sink = webhooks.sink()
  await tenant.subscribes(sink, { events: ['com.example.*'] })
  const url = `${await webhooks.listen()}/v1/events`
  const sends = async (body: string, headers: Record<string, string>) => {
    const response = await fetch(url, {
      method: 'POST',
      body,
      headers: { 'x-api-key': tenant.key, ...headers },
    })
    return { status: response.status, body: (await response.json()) as { code?: string; message?: string } }
  }
  return { tenant, sink, url, sends }
})

/** What the sink has got, by the ids of the events, once all are there. */
async function arrived(sink: TestSink, count: number): Promise<Map<string, string>> {
  await eventually(() => expect(sink.received.length).toBeGreaterThanOrEqual(count))
  return new Map(sink.received.map(({ body, event }) => [event.id, body]))
}

const asSent = (event: string, { id }: Tenant) => event.replace(/}$/, `,"tenantid":"${id}"}`)

const EVENTS: Record<string, string> = {
  'extensions of each type':
    '"comexampletier":"gold €","priority":5,"urgent":true,"empty":"","originid":"x","function":"y"',
  'the names of our own trace': `"traceparent":"${TRACE}","tracestate":"vendor=1"`,
  'a traceparent that is none': '"traceparent":"mine"',
  'a type of data that is a kind of JSON':
    '"datacontenttype":"application/vnd.shop+json","dataschema":"https://example.com/order#1","data":{"total":12}',
  text: '"datacontenttype":"text/plain; charset=utf-8","data":"größer"',
  XML: '"datacontenttype":"application/xml","data":"<much wow=\\"xml\\"/>"',
  'text of no length': '"datacontenttype":"text/plain","data":""',
  bytes: '"datacontenttype":"image/png","data_base64":"AAH+/w=="',
  'bytes that are JSON': '"datacontenttype":"application/json","data_base64":"e30="',
  'bytes of no type': '"data_base64":"eyAieHl6IjogMTIzIH0="',
  'no data': '"subject":"nothing"',
  null: '"data":null',
  'text as JSON': '"data":"I\'m just a string"',
  'a time with its offset and fraction': '"time":"2026-01-01T12:00:00.123456789+05:30","data":1.5',
  'a time without a fraction': '"time":"2026-01-01T12:00:00-00:00"',
  'numbers that no double holds':
    '"data":{"id":9007199254740993,"price":0.12345678901234567890,"zero":-0,"list":[123456789012345678901234567890]}',
  'any subject': '"subject":"50 % of \\"ü\\" 😀 \\\\"',
  'names that objects take for something else': '"data":{"__proto__":{"a":1},"rawJSON":"1"}',
}

shop('an event arrives as it was sent, alone or in a batch', async ({ shop: { tenant, sink, sends } }) => {
  const events = Object.values(EVENTS).map(
    (more, at) =>
      `{"specversion":"1.0","id":"${at}","source":"/functions/x","type":"com.example.order",${more}}`,
  )
  const [first = '', ...rest] = events
  expect((await sends(first, { 'content-type': STRUCTURED })).status).toBe(202)
  expect((await sends(`[${rest.join(',')}]`, { 'content-type': BATCH })).body).toMatchObject({
    accepted: rest.length,
    rejected: [],
  })
  const bodies = await arrived(sink, events.length)
  for (const [at, event] of events.entries()) {
    expect(parseExactly(bodies.get(String(at)) ?? '')).toEqual(parseExactly(asSent(event, tenant)))
    for (const number of event.match(/-?\d[\d.]{17,}|-0(?=,)/g) ?? [])
      expect(bodies.get(String(at))).toContain(number)
  }
})

shop('what is null is unset, and arrives as such', async ({ shop: { tenant, sink, sends } }) => {
  const event = {
    ...CORE,
    id: '1',
    subject: null,
    time: null,
    datacontenttype: null,
    dataschema: null,
    comexample: null,
    data: null,
  }
  expect((await sends(JSON.stringify(event), { 'content-type': STRUCTURED })).status).toBe(202)
  const bodies = await arrived(sink, 1)
  expect(JSON.parse(bodies.get('1') ?? '')).toEqual({ ...CORE, id: '1', data: null, tenantid: tenant.id })
})

shop('headers are read as the HTTP binding says', async ({ shop: { tenant, sink, sends } }) => {
  const headers = {
    'ce-specversion': '1.0',
    'ce-id': '1',
    'ce-source': '/shop',
    'ce-type': 'com.example.order',
  }
  const sent = await sends('<a/>', {
    ...headers,
    'content-type': 'application/xml',
    'ce-subject': 'a%20b',
    'ce-quoted': '"say \\"a b\\""',
    'ce-raw': Buffer.from('größer €').toString('latin1'),
    'ce-priority': '5',
    'ce-traceparent': TRACE,
    traceparent: `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`,
  })
  expect(sent.status).toBe(202)
  for (const bad of ['%FF', '%C0%A0', '\u00ff']) {
    const { status, body } = await sends('{}', { ...headers, 'ce-subject': bad })
    expect([status, body.code]).toEqual([400, 'EVENT_SYNTAX'])
    expect(body.message).toContain('ce-subject')
  }
  const bodies = await arrived(sink, 1)
  expect(JSON.parse(bodies.get('1') ?? '')).toEqual({
    ...CORE,
    id: '1',
    datacontenttype: 'application/xml',
    subject: 'a b',
    quoted: 'say "a b"',
    raw: 'größer €',
    priority: '5',
    traceparent: TRACE,
    data: '<a/>',
    tenantid: tenant.id,
  })
})

test('events reach a sink in the order in which they came, in batches and one after another', async ({
  webhooks,
}) => {
  webhooks.world.startRelay()
  const [first] = [webhooks.startSender(), webhooks.startSender()]
  const tenant = await webhooks.newTenant()
  const sink = webhooks.sink()
  // Were two of them under way at once, either could come first.
  let [underWay, most] = [0, 0]
  sink.answer = (_received, response) => {
    most = Math.max(most, (underWay += 1))
    setTimeout(() => {
      underWay -= 1
      response.writeHead(204).end()
    }, 5)
  }
  await tenant.subscribes(sink, { events: ['com.example.*'] })
  const event = (at: number) => ({ ...CORE, source: `/shop/${at % 4}`, id: String(at) })
  const batch = Array.from({ length: 100 }, (_, at) => event(at))
  await tenant.calls('POST', '/v1/events', batch, { 'content-type': BATCH })
  for (let at = 100; at < 120; at++)
    await tenant.calls('POST', '/v1/events', event(at), { 'content-type': STRUCTURED })
  await eventually(() => expect(sink.received).toHaveLength(120))
  await first.close(5000)
  for (let at = 120; at < 140; at++)
    await tenant.calls('POST', '/v1/events', event(at), { 'content-type': STRUCTURED })
  await eventually(() => expect(sink.received).toHaveLength(140))
  expect(most).toBe(1)
  expect(sink.received.map(({ event }) => Number(event.id))).toEqual(
    Array.from({ length: 140 }, (_, at) => at),
  )
})

test('an event that a sink does not take holds up none behind it', async ({ webhooks }) => {
  webhooks.world.startRelay()
  webhooks.startSender({ schedule: [0.5] })
  const tenant = await webhooks.newTenant()
  const sink = webhooks.sink()
  sink.answer = ({ event }, response) =>
    response.writeHead(event.id === '1' && sink.received.length === 2 ? 503 : 204).end()
  await tenant.subscribes(sink, { events: ['com.example.*'] })
  const batch = ['0', '1', '2', '3'].map((id) => ({ ...CORE, id }))
  await tenant.calls('POST', '/v1/events', batch, { 'content-type': BATCH })
  await eventually(() => expect(sink.received).toHaveLength(5))
  expect(sink.received.map(({ event }) => event.id)).toEqual(['0', '1', '2', '3', '1'])
})

shop('the SDK for JavaScript sends and reads them', async ({ shop: { tenant, sink, url } }) => {
  const event: CloudEventV1<unknown> = {
    ...CORE,
    id: 'js',
    time: '2026-01-01T12:00:00.123Z',
    comexampletier: 'gold',
    dataschema: 'https://example.com/order',
    datacontenttype: 'application/vnd.shop+json',
    data: { total: 12 },
  }
  for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
    const emit = emitterFor(httpTransport(url), { mode })
    await emit(new CloudEvent({ ...event, id: mode }), { headers: { 'x-api-key': tenant.key } })
  }
  await arrived(sink, 2)
  for (const { headers, body } of sink.received) {
    const read = HTTP.toEvent(JSON.parse(JSON.stringify({ headers, body }))) as CloudEvent<unknown>
    expect(read.toJSON()).toEqual({
      ...event,
      id: expect.stringMatching(/^(binary|structured)$/),
      tenantid: tenant.id,
    })
  }
})

shop.skipIf(python.missing !== undefined)(
  'the SDK for Python sends and reads them',
  async ({ shop: { tenant, sink, url } }) => {
    const answers = (await python.run('cloudevents_client.py', 'send', url, tenant.key)).trim().split('\n')
    const taken = { accepted: 1, duplicates: 0, rejected: [] }
    expect(answers.map((line) => JSON.parse(line) as unknown)).toEqual([
      [202, taken, false],
      [202, taken, true],
      [202, taken, true],
      [202, taken, true],
      [202, taken, false],
    ])
    const bodies = await arrived(sink, 5)
    const common = { time: '2026-01-01T12:00:00.123456+05:30', subject: '50 % of ü', tier: 'gold €' }
    const read = await Promise.all(
      [...bodies.values()].map((body) => python.run('cloudevents_client.py', 'read', body)),
    )
    expect(read.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { ...common, id: 'binary', exact: true },
      { ...common, id: 'structured', exact: true },
      { ...common, id: 'text', data: 'héllo' },
      { ...common, id: 'bytes', data: [0, 255] },
      { ...common, id: 'earlier', exact: true, subject: 'a b', tier: 'gold' },
    ])
  },
)
if (python.missing !== undefined) console.warn(python.missing)
