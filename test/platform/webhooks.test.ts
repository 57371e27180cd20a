/** Events in and out of a whole platform, through the gateway: what a tenant's shop tells, and what its webhook hears. */
import { expect, inject } from 'vitest'
import { eventually } from '../eventually.ts'
import { test } from './world.ts'

test('a tenant’s event comes in by its headers, invokes a path, and both are told to a webhook', async ({
  newTenant,
}) => {
  const tenant = await newTenant('pro', ['admin'])
  const sink = `${inject('platform').sink}/${tenant.tenant}`
  const subscribed = await tenant.call('POST', '/v1/subscriptions', {
    patterns: ['void.entropy.*'],
    events: ['com.example.*'],
    sink,
  })
  expect(subscribed.status).toBe(201)
  const mapped = await tenant.call('POST', '/v1/event-mappings', {
    type: 'com.example.order',
    path: 'void.entropy.sip',
    input: { amount: { $from: '/data/amount' } },
  })
  expect(mapped.status).toBe(201)
  const sent = await tenant.call(
    'POST',
    '/v1/events',
    { amount: 0.2 },
    {
      'ce-specversion': '1.0',
      'ce-id': 'order-1',
      'ce-source': '/shop',
      'ce-type': 'com.example.order',
    },
  )
  expect(sent).toMatchObject({ status: 202, body: { accepted: 1, duplicates: 0, rejected: [] } })
  await eventually(async () => {
    const heard: unknown = await (await fetch(sink)).json()
    expect(heard).toContainEqual(
      expect.objectContaining({ type: 'com.example.order', source: '/shop', id: 'order-1' }),
    )
    expect(heard).toContainEqual(
      expect.objectContaining({ type: 'io.kgents.agentese.invoked', subject: 'void.entropy.sip' }),
    )
  })
  await eventually(async () => {
    const { body } = await tenant.call('GET', `/v1/subscriptions/${subscribed.body.subscription.id}`)
    expect(body).toMatchObject({ subscription: { delivery: { state: 'delivering', dead: 0 } } })
  })
})
