import { expect } from 'vitest'
import { eventually } from '../../eventually.ts'
import { isSignedWith, test } from './world.ts'

const BATCH = { 'content-type': 'application/cloudevents-batch+json' }

test('a sink is sent each event of its tenant once, signed so that it can tell', async ({ webhooks }) => {
  webhooks.world.startRelay()
  webhooks.startSender()
  const [acme, globex] = [await webhooks.newTenant(), await webhooks.newTenant()]
  const sink = webhooks.sink()
  const { secret, subscription } = await acme.subscribes(sink)
  for (let count = 0; count < 5; count++) {
    await globex.sips()
    await acme.sips()
  }
  await eventually(() => expect(sink.ids).toHaveLength(5))
  for (const received of sink.received) {
    const { headers, event } = received
    expect(headers['content-type']).toBe('application/cloudevents+json; charset=utf-8')
    expect(headers['webhook-id']).toBe(event.id)
    expect(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(60)
    expect(isSignedWith(secret, received)).toBe(true)
    expect(isSignedWith('whsec_AAAA', received)).toBe(false)
    expect(event).toMatchObject({ specversion: '1.0', type: 'io.kgents.agentese.invoked', tenantid: acme.id })
    expect(event).not.toHaveProperty('signature')
  }
  expect(sink.received).toHaveLength(5)
  await eventually(async () => {
    const { body } = await acme.calls('GET', `/v1/subscriptions/${subscription.id}`)
    expect(body.subscription.delivery).toEqual({ state: 'delivering', dead: 0 })
  })
})

test('a sink gets what happened since it was named, though relay and sender came later', async ({
  webhooks,
}) => {
  const tenant = await webhooks.newTenant()
  const sink = webhooks.sink()
  await tenant.subscribes(sink)
  await tenant.sips()
  await tenant.sips()
  webhooks.world.startRelay()
  webhooks.startSender()
  await eventually(() => expect(sink.ids).toHaveLength(2))
})

test('a sink that fails is tried again, and what it could never take is kept and can be sent again', async ({
  webhooks,
}) => {
  webhooks.world.startRelay()
  webhooks.startSender({ schedule: [0.05, 0.05] })
  const tenant = await webhooks.newTenant()
  const sink = webhooks.sink()
  const { subscription } = await tenant.subscribes(sink)
  const path = `/v1/subscriptions/${subscription.id}`
  sink.answer = (_received, response) => response.writeHead(500).end(`we are\n${'👩‍👩‍👧‍👦'.repeat(99)}`)
  await tenant.sips()
  await eventually(async () => expect((await tenant.calls('GET', `${path}/dead`)).body.dead).toHaveLength(1))
  expect(sink.received).toHaveLength(3)
  expect(new Set(sink.received.map(({ body }) => body)).size).toBe(1)
  const [dead] = (await tenant.calls('GET', `${path}/dead`)).body.dead
  expect(dead).toMatchObject({
    attempts: 3,
    error: { code: 'HTTP_500', status: 500, message: `The sink answered 500: we are ${'👩‍👩‍👧‍👦'.repeat(17)}` },
    event: { id: sink.ids[0], type: 'io.kgents.agentese.invoked' },
  })
  await eventually(async () => {
    const { delivery } = (await tenant.calls('GET', path)).body.subscription
    expect(delivery).toMatchObject({
      state: 'failing',
      dead: 1,
      last_error: { code: 'HTTP_500', event: sink.ids[0] },
    })
  })
  sink.answer = (_received, response) => response.writeHead(200).end()
  expect((await tenant.calls('POST', `${path}/dead/${dead.event.id}/retry`)).status).toBe(202)
  expect((await tenant.calls('POST', `${path}/dead/${dead.event.id}/retry`)).status).toBe(404)
  await eventually(() => expect(sink.received).toHaveLength(4))
  expect(sink.received[3]?.event).toEqual(sink.received[0]?.event)
  expect((await tenant.calls('GET', `${path}/dead`)).body.dead).toEqual([])
})

test('a sink that takes an event after some attempts has it once in its books', async ({ webhooks }) => {
  webhooks.world.startRelay()
  webhooks.startSender()
  const tenant = await webhooks.newTenant()
  const sink = webhooks.sink()
  sink.answer = (_received, response) => response.writeHead(sink.received.length < 3 ? 503 : 204).end()
  await tenant.subscribes(sink)
  await tenant.sips()
  await eventually(() => expect(sink.received).toHaveLength(3))
  await tenant.sips()
  await eventually(() => expect(sink.ids).toHaveLength(2))
  expect(sink.received).toHaveLength(4)
})

test('a sink that says that it is gone is sent nothing more', async ({ webhooks }) => {
  webhooks.world.startRelay()
  webhooks.startSender()
  const tenant = await webhooks.newTenant()
  const sink = webhooks.sink()
  sink.answer = (_received, response) => response.writeHead(410).end()
  const { subscription } = await tenant.subscribes(sink)
  await webhooks.untilReady(subscription.id)
  await tenant.sips()
  await webhooks.untilReady(subscription.id, 0)
  const path = `/v1/subscriptions/${subscription.id}`
  expect((await tenant.calls('GET', path)).body.subscription).toMatchObject({
    status: 'disabled',
    disabled_reason: 'The sink answered 410',
  })
  expect((await tenant.calls('POST', `${path}/test`)).status).toBe(409)
  expect(sink.received).toHaveLength(1)
})

test('a sink that hangs, redirects or answers without end costs its neighbours nothing', async ({
  webhooks,
}) => {
  webhooks.world.startRelay()
  webhooks.startSender({ timeoutSeconds: 50 })
  const [acme, globex] = [await webhooks.newTenant(), await webhooks.newTenant()]
  const [hanging, endless, well] = [webhooks.sink(0), webhooks.sink(1), webhooks.sink(2)]
  hanging.answer = () => {}
  endless.answer = (_received, response) => {
    response.writeHead(302, { location: well.url })
    const more = () => void (response.destroyed || (response.write('x'.repeat(10_000)) && setImmediate(more)))
    more()
  }
  await acme.subscribes(hanging)
  await acme.subscribes(endless)
  await globex.subscribes(well)
  for (let count = 0; count < 20; count++) await Promise.all([acme.sips(), globex.sips()])
  await eventually(() => expect(well.ids).toHaveLength(20))
  await eventually(() => expect(endless.received.length).toBeGreaterThan(4))
  expect(hanging.received).toHaveLength(1)
  expect(well.received.every(({ event }) => event.tenantid === globex.id)).toBe(true)
})

test('each secret that was rotated is good for its whole day, however many rotations follow', async ({
  webhooks,
}) => {
  webhooks.world.startRelay()
  webhooks.startSender()
  const tenant = await webhooks.newTenant()
  const sink = webhooks.sink()
  const { secret: first, subscription } = await tenant.subscribes(sink)
  const path = `/v1/subscriptions/${subscription.id}`
  const rotates = async (): Promise<string> => (await tenant.calls('POST', `${path}/rotate`)).body.secret
  const secrets = [first, await rotates(), await rotates()]
  expect(new Set(secrets).size).toBe(3)
  /** By which of the secrets a test event is signed, once the newest of them is known. */
  const signing = async (newest: string) => {
    await eventually(async () => {
      await tenant.calls('POST', `${path}/test`)
      expect(sink.received.some((received) => isSignedWith(newest, received))).toBe(true)
    })
    const last = sink.received.findLast((received) => isSignedWith(newest, received))
    expect(last?.event).toMatchObject({ type: 'io.kgents.subscription.test', tenantid: tenant.id })
    return secrets.map((secret) => last !== undefined && isSignedWith(secret, last))
  }
  expect(await signing(secrets[2] ?? '')).toEqual([true, true, true])
  const { owner } = webhooks.world
  await owner`
    update webhook_subscriptions set rotated_at = now() - interval '23 hours',
      earlier_rotations = jsonb_build_array(now() - interval '24 hours 30 minutes')`
  secrets.push(await rotates())
  expect(await signing(secrets[3] ?? '')).toEqual([false, true, true, true])
})

const ASKED_FOR: Record<string, () => string> = {
  seconds: () => '1',
  'a date': () => new Date(Date.now() + 2000).toUTCString(),
}

test.for(Object.entries(ASKED_FOR))(
  'a sink that asks for time, by %s, is sent nothing until then',
  async ([, asked], { webhooks }) => {
    webhooks.world.startRelay()
    webhooks.startSender({ schedule: [0.01] })
    const tenant = await webhooks.newTenant()
    const sink = webhooks.sink()
    const times: number[] = []
    sink.answer = (_received, response) => {
      times.push(Date.now())
      if (times.length > 1) response.writeHead(204).end()
      else response.writeHead(429, { 'retry-after': asked() }).end()
    }
    await tenant.subscribes(sink)
    for (let count = 0; count < 3; count++) await tenant.sips()
    await eventually(() => expect(sink.ids).toHaveLength(3))
    const [first = 0, ...later] = times
    // A date has whole seconds.
    for (const time of later) expect(time - first).toBeGreaterThanOrEqual(1000)
  },
)

test('several senders share the work, and one that stops leaves the rest to the others', async ({
  webhooks,
}) => {
  webhooks.world.startRelay()
  const [first] = [webhooks.startSender(), webhooks.startSender()]
  const tenant = await webhooks.newTenant()
  const sink = webhooks.sink()
  await tenant.subscribes(sink)
  for (let count = 0; count < 10; count++) await tenant.sips()
  await eventually(() => expect(sink.ids).toHaveLength(10))
  expect(sink.received).toHaveLength(10)
  await first.close(5000)
  for (let count = 0; count < 10; count++) await tenant.sips()
  await eventually(() => expect(sink.ids).toHaveLength(20))
})

test('a subscription that is deleted is sent nothing more, and leaves nothing behind', async ({
  webhooks,
}) => {
  webhooks.world.startRelay()
  const sender = webhooks.startSender()
  const tenant = await webhooks.newTenant()
  const sink = webhooks.sink()
  const { subscription } = await tenant.subscribes(sink)
  await webhooks.untilReady(subscription.id)
  await eventually(() => expect(sender.sinks).toBe(1))
  expect((await tenant.calls('DELETE', `/v1/subscriptions/${subscription.id}`)).status).toBe(200)
  await webhooks.untilReady(subscription.id, 0)
  await eventually(() => expect(sender.sinks).toBe(0))
  await tenant.sips()
  await eventually(async () => expect(await webhooks.world.unpublished()).toBe(0))
  const other = await tenant.subscribes(webhooks.sink(1))
  await tenant.sips()
  await eventually(() => expect(webhooks.sink(1).ids).toHaveLength(1))
  expect(sink.received).toEqual([])
  expect((await webhooks.consumers()).every((name) => name.endsWith(other.subscription.id))).toBe(true)
})

test('a person who may have no subscription any more has none', async ({ webhooks }) => {
  webhooks.world.startRelay()
  const [demoted, removed, left, canceled, suspended, well] = [
    await webhooks.newTenant(),
    await webhooks.newTenant(),
    await webhooks.newTenant(),
    await webhooks.newTenant(),
    await webhooks.newTenant(),
    await webhooks.newTenant(),
  ]
  const ids: string[] = []
  for (const tenant of [demoted, removed, left, canceled, suspended]) {
    const { subscription } = await tenant.subscribes(webhooks.sink())
    ids.push(subscription.id)
    await webhooks.untilReady(subscription.id)
  }
  const { owner } = webhooks.world
  await owner`update users set roles = '{viewer}' where id = ${demoted.user}`
  await owner`delete from api_keys where user_id = ${removed.user}`
  await owner`delete from users where id = ${removed.user}`
  await owner`update tenants set status = 'canceled' where id = ${canceled.id}`
  await owner`update users set removed_at = now(), email = null where id = ${left.user}`
  await owner`update tenants set suspended_at = now() where id = ${suspended.id}`
  // Any change lets the relay look; without one it looks once a minute.
  const { subscription } = await well.subscribes(webhooks.sink())
  await webhooks.untilReady(subscription.id)
  for (const id of ids) await webhooks.untilReady(id, 0)
})

test('events about people reach a webhook of an admin, and no other, however wide', async ({ webhooks }) => {
  webhooks.world.startRelay()
  webhooks.startSender()
  const admin = await webhooks.newTenant(['admin'])
  const events = ['io.kgents.members.invited', 'com.example.*']
  await admin.subscribes(webhooks.sink(), { events })
  const asDeveloper = { 'x-observer-archetype': 'developer' }
  const wide = { sink: webhooks.sink(1).url, events: ['io.*', 'com.example.*'] }
  expect((await admin.calls('POST', '/v1/subscriptions', wide, asDeveloper)).status).toBe(201)
  const { body } = await admin.calls('POST', '/v1/invitations', { email: 'ada@example.com' })
  const own = { specversion: '1.0', id: '1', source: '/shop', type: 'com.example.last', data: {} }
  await admin.calls('POST', '/v1/events', own, { 'content-type': 'application/cloudevents+json' })
  const types = (at: number) => webhooks.sink(at).received.map(({ event }) => event['type'])
  await eventually(() => expect(types(0)).toEqual(['io.kgents.members.invited', 'com.example.last']))
  await eventually(() => expect(types(1)).toEqual(['com.example.last']))
  const [invited] = webhooks.sink().received
  expect(invited?.event['data']).toEqual({ invitation: body.invitation })
})

test('a person who may not look as before any more is told what its roles allow now', async ({
  webhooks,
}) => {
  const { owner, jsm } = webhooks.world
  webhooks.world.startRelay()
  const [tenant, other] = [await webhooks.newTenant(['admin']), await webhooks.newTenant()]
  const { subscription } = await tenant.subscribes(webhooks.sink())
  const archetype = async () =>
    (await jsm.consumers.info('EVENTS', `sink-${subscription.id}`)).config.metadata?.['archetype']
  await webhooks.untilReady(subscription.id)
  expect(await archetype()).toBe('admin')
  await owner`update users set roles = '{developer}' where id = ${tenant.user}`
  await other.subscribes(webhooks.sink(1))
  await eventually(async () => expect(await archetype()).toBe('developer'))
})

test('what is subscribed to is told, and nothing besides', async ({ webhooks }) => {
  webhooks.world.startRelay()
  webhooks.startSender()
  const tenant = await webhooks.newTenant()
  const [paths, failures, own] = [webhooks.sink(0), webhooks.sink(1), webhooks.sink(2)]
  // Overlapping patterns, of which one covers another.
  await tenant.subscribes(paths, { patterns: ['void.**', 'void.entropy.*', '*.entropy.sip', '**.sip'] })
  await tenant.subscribes(failures, { patterns: ['**'], types: ['failed'] })
  await tenant.subscribes(own, { events: ['com.example.order.*', 'com.example.order.created', 'com.other'] })
  await tenant.sips()
  await tenant.calls('POST', '/v1/agentese/void/entropy/pour', {
    grant: '01999999-0000-7000-8000-000000000000',
  })
  await tenant.calls('POST', '/v1/agentese/self/soul/dialogue', { message: 'hello' })
  await eventually(() => expect(paths.ids).toHaveLength(2))
  await eventually(() => expect(failures.ids).toHaveLength(1))
  expect(paths.received).toHaveLength(2)
  expect(failures.received[0]?.event.type).toBe('io.kgents.agentese.failed')
  expect(own.received).toEqual([])
})

test('a tenant’s own events reach its own sinks', async ({ webhooks }) => {
  webhooks.world.startRelay()
  webhooks.startSender()
  const [acme, globex] = [await webhooks.newTenant(), await webhooks.newTenant()]
  const [sink, other] = [webhooks.sink(0), webhooks.sink(1)]
  await acme.subscribes(sink, { events: ['com.example.*'] })
  await globex.subscribes(other, { events: ['com.example.*'] })
  const event = {
    specversion: '1.0',
    id: 'o-1',
    source: '/shop',
    type: 'com.example.order',
    data: { total: 1 },
  }
  await acme.calls('POST', '/v1/events', [event, { ...event, id: 'o-2', type: 'com.examples' }], BATCH)
  await eventually(() => expect(sink.ids).toHaveLength(1))
  expect(sink.received[0]?.event).toEqual({ ...event, tenantid: acme.id })
  expect(other.received).toEqual([])
})

test('NATS may be away, and may come back without its streams', async ({ webhooks }) => {
  webhooks.world.startRelay()
  webhooks.startSender()
  const tenant = await webhooks.newTenant()
  const sink = webhooks.sink()
  const { subscription } = await tenant.subscribes(sink)
  await tenant.sips()
  await eventually(() => expect(sink.ids).toHaveLength(1))
  await webhooks.world.killNats()
  await tenant.sips()
  await webhooks.world.startNatsAgain()
  await eventually(() => expect(sink.ids).toHaveLength(2))
  await webhooks.world.killNats()
  await tenant.sips()
  await webhooks.world.startNatsAgain({ empty: true })
  await webhooks.untilReady(subscription.id)
  await eventually(() => expect(sink.ids).toHaveLength(3))
})
