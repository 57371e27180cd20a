/** Events in and out of a whole platform, through the gateway: what a tenant's shop tells, and what its webhook hears. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../eventually.ts'
import { readState, startPlatform, type StartedPlatform } from './start-platform.ts'

interface Heard {
  type: string
  source: string
  originid?: string
}

/** A webhook of a tenant on this machine. */
async function openSink() {
  const heard: Heard[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      heard.push(JSON.parse(Buffer.concat(chunks).toString()) as Heard)
      response.writeHead(204).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    heard,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => server.close(),
  }
}

function keyOf({ state }: StartedPlatform): string {
  const { tenants } = readState<{ tenants: { acme: { apiKey: string } } }>(state, 'dev.json')
  return tenants.acme.apiKey
}

test('a tenant’s event comes in by its headers, invokes a path, and both are told to a webhook', async () => {
  const sink = await openSink()
  const platform = await startPlatform({ INFERENCE: 'off', EGRESS_PRIVATE_ALLOWED: sink.origin })
  onTestFinished(async () => {
    await platform.stop()
    sink.close()
  })
  const key = keyOf(platform)
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`${platform.url}${path}`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const subscribed = await post('/v1/subscriptions', {
    patterns: ['void.entropy.*'],
    events: ['com.example.*'],
    sink: `${sink.origin}/hook`,
  })
  expect(subscribed.status).toBe(201)
  const mapped = await post('/v1/event-mappings', {
    type: 'com.example.order',
    path: 'void.entropy.sip',
    input: { amount: { $from: '/data/amount' } },
  })
  expect(mapped.status).toBe(201)
  const sent = await post(
    '/v1/events',
    { amount: 0.2 },
    {
      'ce-specversion': '1.0',
      'ce-id': 'order-1',
      'ce-source': '/shop',
      'ce-type': 'com.example.order',
    },
  )
  expect(sent).toEqual({ status: 202, body: { accepted: 1, duplicates: 0, rejected: [] } })
  await eventually(() => {
    expect(sink.heard).toContainEqual(
      expect.objectContaining({ type: 'com.example.order', source: 'tenant:/shop', originid: 'order-1' }),
    )
    expect(sink.heard).toContainEqual(
      expect.objectContaining({ type: 'io.kgents.agentese.invoked', subject: 'void.entropy.sip' }),
    )
  })
  const { id } = subscribed.body['subscription'] as { id: string }
  await eventually(async () => {
    const response = await fetch(`${platform.url}/v1/subscriptions/${id}`, { headers: { 'x-api-key': key } })
    expect(await response.json()).toMatchObject({
      subscription: { delivery: { state: 'delivering', dead: 0 } },
    })
  })
})
