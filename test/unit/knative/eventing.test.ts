/** The Broker and its Triggers, with a real process that takes the deliveries. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { eventually } from '../../eventually.ts'
import { test, type Answer, type Running } from './local-knative.ts'

const BROKER = 'broker-ingress.knative-eventing.svc.cluster.local'

const all = [{ filters: [] }]
const never = { retry: 0 }

/** Sends an event; `data` tells the function how to answer. */
function send(knative: Running, data: object = {}, headers: Record<string, string> = {}): Promise<Answer> {
  return knative.call({
    host: BROKER,
    method: 'POST',
    path: '/kgents/default',
    body: JSON.stringify(data),
    headers: {
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/test',
      'ce-type': 'io.kgents.test.happened',
      'content-type': 'application/json',
      ...headers,
    },
  })
}

async function printedBy(knative: Running, count: number) {
  return eventually(async () => {
    const lines = await knative.printed()
    if (lines.length < count) throw new Error(`${lines.length} of ${count} deliveries`)
    return lines
  })
}

async function readDeadLetters(folder: string) {
  const text = await readFile(join(folder, 'dead-letters.jsonl'), 'utf8')
  return text
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]))
}

const idle = (knative: Running) =>
  eventually(() => {
    if (knative.status().deliveries > 0) throw new Error('deliveries are under way')
  })

test('an event is answered 202, wakes the function and arrives with its attributes and data', async ({
  world,
  expect,
}) => {
  const knative = await world.start({ triggers: all })
  const answer = await send(knative, { greeting: 'hello' }, { 'ce-tenantid': 'acme', 'ce-subject': 'a.b.c' })
  expect(answer).toMatchObject({ status: 202, body: '' })
  const [delivery] = await printedBy(knative, 1)
  expect(delivery).toMatchObject({
    data: { greeting: 'hello' },
    headers: {
      'ce-id': '1',
      'ce-source': '/test',
      'ce-type': 'io.kgents.test.happened',
      'ce-specversion': '1.0',
      'ce-tenantid': 'acme',
      'ce-subject': 'a.b.c',
      'content-type': 'application/json',
      prefer: 'reply',
    },
  })
  expect(knative.scalings).toEqual(['0->1'])
})

test('a structured event is delivered in binary form', async ({ world, expect }) => {
  const knative = await world.start({ triggers: all })
  const event = {
    specversion: '1.0',
    id: '7',
    source: '/s',
    type: 't',
    tenantid: 'acme',
    data: { answer: [202] },
  }
  const headers = { 'content-type': 'application/cloudevents+json; charset=utf-8' }
  const call = { host: BROKER, method: 'POST', path: '/kgents/default', headers, body: JSON.stringify(event) }
  expect((await knative.call(call)).status).toBe(202)
  const [delivery] = await printedBy(knative, 1)
  expect(delivery).toMatchObject({
    headers: { 'ce-id': '7', 'ce-tenantid': 'acme' },
    data: { answer: [202] },
  })
})

test('only listed headers reach the function, and no credentials', async ({ world, expect }) => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const knative = await world.start({ triggers: all })
  await send(
    knative,
    {},
    { authorization: 'Bearer x', cookie: 'a=b', 'x-other': '1', 'x-request-id': 'r', traceparent },
  )
  const [delivery] = await printedBy(knative, 1)
  expect(delivery?.headers).toMatchObject({ 'x-request-id': 'r', traceparent })
  for (const name of ['authorization', 'cookie', 'x-other', 'ce-knativebrokerttl']) {
    expect(delivery?.headers).not.toHaveProperty(name)
  }
})

test('an event goes to every Trigger that it matches, and to no other', async ({ world, expect }) => {
  const knative = await world.start({
    triggers: [
      { filters: [{ exact: { type: 'io.kgents.test.happened' } }], uri: '/events?first' },
      { filters: [{ prefix: { type: 'io.kgents.' } }], uri: '/events?second' },
      { filters: [{ exact: { type: 'io.kgents.other' } }], uri: '/events?third' },
    ],
  })
  await send(knative)
  await idle(knative)
  expect(await knative.printed()).toHaveLength(2)
})

test('what is not a CloudEvent 1.0 is 400, and another broker 404', async ({ world, expect }) => {
  const knative = await world.start({ triggers: all })
  for (const name of ['ce-id', 'ce-source', 'ce-type', 'ce-specversion']) {
    const answer = await send(knative, {}, { [name]: '' })
    expect(answer.status).toBe(400)
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'EVENT_SYNTAX' })
  }
  expect((await send(knative, {}, { 'ce-specversion': '0.3' })).status).toBe(400)
  expect((await send(knative, {}, { 'ce-tenant_id': 'a' })).status).toBe(400)
  expect((await send(knative, {}, { 'ce-time': 'yesterday' })).status).toBe(400)
  expect((await send(knative, {}, { 'content-type': 'application/cloudevents-batch+json' })).status).toBe(400)
  const elsewhere = { host: BROKER, method: 'POST', path: '/kgents/other' }
  expect((await knative.call(elsewhere)).status).toBe(404)
})

test('a delivery is tried again, with growing pauses, for as often as the Trigger says', async ({
  world,
  expect,
}) => {
  const delivery = { retry: 3, backoffPolicy: 'exponential', backoffDelay: 'PT5S' } as const
  const knative = await world.start({ triggers: [{ filters: [], delivery }] })
  await send(knative, { answer: [500, 503, 429, 202] })
  const times = (await printedBy(knative, 4)).map(({ at }) => at)
  const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0))
  expect(pauses[0]).toBeGreaterThanOrEqual(95)
  expect(pauses[1]).toBeGreaterThanOrEqual(195)
  expect(pauses[2]).toBeGreaterThanOrEqual(395)
  await idle(knative)
  expect(await readDeadLetters(world.stateFolder)).toEqual([])
})

test('what no attempt could deliver is a dead letter with the last answer', async ({ world, expect }) => {
  const delivery = { retry: 1, backoffPolicy: 'linear', backoffDelay: 'PT1S' } as const
  const knative = await world.start({ triggers: [{ filters: [], delivery }] })
  await send(knative, { answer: [500], body: 'broken' })
  await idle(knative)
  expect(await knative.printed()).toHaveLength(2)
  const [letter] = await readDeadLetters(world.stateFolder)
  expect(letter).toMatchObject({
    trigger: 'hello-trigger-0',
    attributes: {
      id: '1',
      knativeerrordest: 'http://hello.kgents.svc.cluster.local/events',
      knativeerrorcode: '500',
      knativeerrordata: Buffer.from('broken').toString('base64'),
    },
  })
})

test('a refusal is not tried again', async ({ world, expect }) => {
  const delivery = { retry: 5, backoffPolicy: 'linear', backoffDelay: 'PT1S' } as const
  const knative = await world.start({ triggers: [{ filters: [], delivery }] })
  await send(knative, { answer: [403] })
  await idle(knative)
  expect(await knative.printed()).toHaveLength(1)
  expect(await readDeadLetters(world.stateFolder)).toMatchObject([
    { attributes: { knativeerrorcode: '403' } },
  ])
})

test('a dead letter goes to the sink where there is one, and to the file where the sink fails', async ({
  world,
  expect,
}) => {
  const received: IncomingHttpHeaders[] = []
  const sink = createServer((request, response) => {
    received.push(request.headers)
    response.writeHead(request.url === '/takes' ? 202 : 400).end()
  })
  await once(sink.listen(0, '127.0.0.1'), 'listening')
  const { port } = sink.address() as AddressInfo
  const to = (path: string) => ({ ...never, deadLetterSink: { uri: `http://127.0.0.1:${port}${path}` } })
  const knative = await world.start({
    triggers: [
      { filters: [], delivery: to('/takes') },
      { filters: [], delivery: to('/refuses') },
    ],
  })
  await send(knative, { answer: [500] })
  await idle(knative)
  expect(received).toHaveLength(2)
  expect(received[0]).toMatchObject({ 'ce-id': '1', 'ce-knativeerrorcode': '500' })
  expect(await readDeadLetters(world.stateFolder)).toMatchObject([{ trigger: 'hello-trigger-1' }])
  sink.close()
})

test('a sink that is a function is called on its path, and what it refuses as well is in the file', async ({
  world,
  expect,
}) => {
  const ref = { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'hello', namespace: 'kgents' }
  const delivery = { ...never, deadLetterSink: { ref, uri: '/dead-letters' } }
  const knative = await world.start({ triggers: [{ filters: [], delivery }] })
  await send(knative, { answer: [400, 202] }, { 'ce-id': 'kept' })
  await idle(knative)
  await send(knative, { answer: [400, 400] }, { 'ce-id': 'refused' })
  await idle(knative)
  expect(await knative.printed()).toMatchObject([
    { headers: { 'ce-id': 'kept' } },
    { headers: { 'ce-id': 'kept', 'ce-knativeerrorcode': '400' } },
    { headers: { 'ce-id': 'refused' } },
    { headers: { 'ce-id': 'refused', 'ce-knativeerrorcode': '400' } },
  ])
  expect(await readDeadLetters(world.stateFolder)).toMatchObject([{ attributes: { id: 'refused' } }])
})

test('an answer with a body that is no CloudEvent counts as 502', async ({ world, expect }) => {
  const knative = await world.start({ triggers: [{ filters: [], delivery: never }] })
  await send(knative, { answer: [200], body: '{"ok":true}' })
  await idle(knative)
  expect(await readDeadLetters(world.stateFolder)).toMatchObject([
    { attributes: { knativeerrorcode: '502' } },
  ])
})

test('an answer that is a CloudEvent goes back to the Broker', async ({ world, expect }) => {
  const reply = {
    specversion: '1.0',
    id: '2',
    source: '/hello',
    type: 'io.kgents.test.answered',
    data: { answer: [202] },
  }
  const knative = await world.start({ triggers: all })
  await send(knative, { answer: [200], reply })
  const [, second] = await printedBy(knative, 2)
  expect(second).toMatchObject({ headers: { 'ce-id': '2', 'ce-type': 'io.kgents.test.answered' } })
  await idle(knative)
  expect(await knative.printed()).toHaveLength(2)
})

test('an event that answers itself is cut when knativebrokerttl is used up', async ({ world, expect }) => {
  const reply = { specversion: '1.0', id: '2', source: '/hello', type: 'io.kgents.test.answered', data: {} }
  const knative = await world.start({ triggers: all })
  await send(knative, { answer: [200], reply }, { 'ce-knativebrokerttl': '2' })
  await idle(knative)
  expect(await knative.printed()).toHaveLength(1)
  expect((await send(knative, {}, { 'ce-knativebrokerttl': '1' })).status).toBe(400)
})

test('an event that was accepted is delivered after a restart', async ({ world, expect }) => {
  const delivery = { retry: 8, backoffPolicy: 'exponential', backoffDelay: 'PT1H' } as const
  const triggers = [{ filters: [], delivery }]
  const first = await world.start({ triggers })
  await send(first, { answer: [500] })
  await printedBy(first, 1)
  await first.close()
  const second = await world.start({ triggers })
  expect(await printedBy(second, 1)).toMatchObject([{ headers: { 'ce-id': '1' } }])
  expect(second.status().deliveries).toBe(1)
})
