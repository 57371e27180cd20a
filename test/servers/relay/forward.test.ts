import { HTTP, type CloudEvent } from 'cloudevents'
import { expect } from 'vitest'
import { verifyEvent, type KgentsEvent } from '../../../shared/events/event.ts'
import { eventually } from '../../eventually.ts'
import { test, SIGNING_KEY, type Delivery } from './world.ts'

const idOf = (delivery: Delivery) => delivery.headers['ce-id']

test('every event reaches the Broker as a binary CloudEvent whose signature still fits', async ({
  world,
}) => {
  world.startRelay()
  const ids = await world.emitsAtOnce(20)
  await eventually(() => expect(new Set(world.broker.deliveries.map(idOf))).toEqual(new Set(ids)))
  const [delivery] = world.broker.deliveries
  expect(delivery?.headers).toMatchObject({
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-tenantid': world.tenant,
    traceparent: delivery?.headers['ce-traceparent'],
  })
  const event = HTTP.toEvent({
    headers: { ...delivery?.headers },
    body: delivery?.body,
  }) as CloudEvent<unknown>
  expect(() => verifyEvent(event.toJSON() as unknown as KgentsEvent, SIGNING_KEY)).not.toThrow()
})

test('events wait for a Broker that is away, and for one that fails', async ({ world }) => {
  await world.broker.close()
  const relay = world.startRelay()
  const ids = await world.emits(5)
  await eventually(async () => expect(await relay.value('relay_forward_retries_total')).toBeGreaterThan(5))
  world.broker.answer = () => 503
  await world.broker.open()
  await eventually(() => expect(world.broker.deliveries.length).toBeGreaterThan(5))
  world.broker.answer = () => 202
  await eventually(async () => expect(await relay.value('relay_forwarded_total')).toBe(5))
  expect(new Set(world.broker.deliveries.map(idOf))).toEqual(new Set(ids))
  await eventually(async () => {
    const { num_ack_pending: pending } = await world.jsm.consumers.info('EVENTS', 'broker')
    expect(pending).toBe(0)
  })
})

test.for([404, 408, 409, 429, 500])(
  'an event that is answered %i is sent again',
  async (status, { world }) => {
    const relay = world.startRelay()
    world.broker.answer = () => (world.broker.deliveries.length === 1 ? status : 202)
    await world.emits(1)
    await eventually(async () => expect(await relay.value('relay_forwarded_total')).toBe(1))
    expect(world.broker.deliveries).toHaveLength(2)
  },
)

test('an event that the Broker refuses for good is dropped, and the others go on', async ({ world }) => {
  const relay = world.startRelay()
  world.broker.answer = (delivery) => (delivery.body.includes('"n":1}') ? 400 : 202)
  await world.emits(3)
  await eventually(async () => expect(await relay.value('relay_forwarded_total')).toBe(2))
  await eventually(async () => expect(await relay.value('relay_forward_rejected_total')).toBe(1))
  await eventually(async () => {
    const { num_ack_pending, num_pending } = await world.jsm.consumers.info('EVENTS', 'broker')
    expect(num_ack_pending + num_pending).toBe(0)
  })
})

test('a relay that stops hands the events it had fetched to another at once', async ({ world }) => {
  await world.emits(40)
  const slow = world.startRelay({ FORWARD_CONCURRENCY: '8' })
  world.broker.answer = () => 503
  await eventually(() => expect(world.broker.deliveries.length).toBeGreaterThan(8))
  await slow.stop()
  world.broker.answer = () => 202
  const next = world.startRelay()
  await eventually(async () => {
    const before = await slow.value('relay_forwarded_total')
    expect(before + (await next.value('relay_forwarded_total'))).toBe(40)
  })
})
