import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { describe, expect } from 'vitest'
import { eventually } from '../../eventually.ts'
import { Acknowledged, Ended } from '../../../shared/events/subscription-stream.ts'
import type { ReadEvent } from './hub-world.ts'
import { metricOf, test } from './subscription-world.ts'

const paths = (events: readonly ReadEvent[]) => events.map(({ data }) => data['path'])
const sequences = (events: readonly ReadEvent[]) => events.map(({ id }) => id)
const LASTING = 'pattern=void.entropy.*&delivery=at-least-once'

describe('GET /v1/agentese/subscribe', () => {
  test('without a wish for a stream is answered with what would be streamed, and how', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const { status, body } = await world.send(
      hub,
      acme,
      'GET',
      '?pattern=void.entropy.*,self.**&types=invoked',
    )
    expect(status).toBe(200)
    expect(body).toMatchObject({
      subscription: {
        tenant: acme.id,
        user: acme.user,
        archetype: 'developer',
        patterns: ['void.entropy.*', 'self.**'],
        types: ['invoked'],
        delivery: 'at-most-once',
        buffer: 1000,
      },
      paths: expect.arrayContaining(['void.entropy.sip', 'void.entropy.state', 'self.soul.manifest']),
      hint: expect.stringContaining('text/event-stream'),
    })
    expect(body['paths']).not.toContain('self.soul.audit')
  })

  test('tells each event as it happens, with all there is to know about it', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const stream = await world.follow(hub, acme, 'pattern=void.entropy.*')
    const sequence = await world.happens(acme, 'void.entropy.sip', 'invoked', { duration_ms: 3 })
    expect(await stream.next()).toEqual({
      event: 'invoked',
      id: sequence,
      data: {
        event_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        path: 'void.entropy.sip',
        aspect: 'sip',
        timestamp: expect.any(String),
        observer_archetype: 'poet',
        event_type: 'invoked',
        data: { path: 'void.entropy.sip', user: acme.user, archetype: 'poet', duration_ms: 3 },
        trace_id: null,
        sequence,
      },
    })
  })

  test('filters by pattern, aspect and type', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const stream = await world.follow(
      hub,
      acme,
      'pattern=void.**,*.*.manifest&aspects=sip,manifest&types=failed',
    )
    await world.happens(acme, 'void.entropy.sip')
    await world.happens(acme, 'void.entropy.pour', 'failed')
    await world.happens(acme, 'self.soul.dialogue', 'failed')
    await world.happens(acme, 'void.entropy.sip', 'failed')
    await world.happens(acme, 'self.soul.manifest', 'failed')
    expect(paths(await stream.take(2))).toEqual(['void.entropy.sip', 'self.soul.manifest'])
  })

  test.for([
    ['pattern=*', 'PATH_SYNTAX'],
    ['pattern=%3E', 'PATH_SYNTAX'],
    ['pattern=agentese.other.%3E', 'PATH_SYNTAX'],
    ['pattern=void.entropy.s%0d%0aip', 'PATH_SYNTAX'],
    ['pattern=void.entropy.*,', 'PATH_SYNTAX'],
    ['', 'TYPE_MISMATCH'],
    [`pattern=${Array.from({ length: 11 }, (_, at) => `void.entropy.a${at}`).join()}`, 'TYPE_MISMATCH'],
    ['pattern=**&types=deleted', 'TYPE_MISMATCH'],
    ['pattern=**&aspects=%3E', 'TYPE_MISMATCH'],
    ['pattern=**&buffer=0', 'TYPE_MISMATCH'],
    ['pattern=**&buffer=10001', 'TYPE_MISMATCH'],
    ['pattern=**&from=yesterday', 'TYPE_MISMATCH'],
    ['pattern=**&from=9999-12-31T00:00:00Z', 'TYPE_MISMATCH'],
    ['pattern=**&tenant=other', 'TYPE_MISMATCH'],
    ['pattern=**&subscription=..', 'TYPE_MISMATCH'],
    [`pattern=**&delivery=at-most-once&subscription=${randomUUID()}`, 'TYPE_MISMATCH'],
    ['pattern=self.nothing.*', 'NODE_NOT_REGISTERED'],
    [`subscription=${randomUUID()}`, 'NOT_FOUND'],
  ] as const)('refuses ?%s with %s', async ([query, code], { world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const response = await fetch(`${hub}/v1/agentese/subscribe?${query}`, {
      headers: { authorization: `Bearer ${acme.token}`, accept: 'text/event-stream' },
    })
    expect(await response.json()).toMatchObject({ code, message: expect.any(String) })
    expect(await world.consumers(acme)).toEqual([])
  })

  test('refuses who has no credential', async ({ world }) => {
    const hub = await world.openHub()
    expect((await world.follow(hub, { token: 'none' }, 'pattern=**')).status).toBe(401)
  })
})

describe('a subscriber', () => {
  test('is told nothing of another tenant, whatever it subscribes to', async ({ world }) => {
    const hub = await world.openHub()
    const [acme, globex] = [await world.tenant(['admin']), await world.tenant(['admin'])]
    const streams = await Promise.all(
      [
        'pattern=**',
        'pattern=*.*.*',
        'pattern=void.**&from=1',
        'pattern=**&delivery=at-least-once&from=1',
      ].map((query) => world.follow(hub, acme, query)),
    )
    await world.happens(globex, 'void.entropy.sip')
    const own = await world.happens(acme, 'void.entropy.sip')
    for (const stream of streams) expect((await stream.next())?.id).toBe(own)
  })

  test('is told only of paths on which it has the verb, and nothing that others do on self', async ({
    world,
  }) => {
    const hub = await world.openHub()
    const acme = await world.tenant(['admin'])
    const headers = { 'x-observer-archetype': 'security' }
    const [developer, security] = [
      await world.follow(hub, acme, 'pattern=self.**', { 'x-observer-archetype': 'developer' }),
      await world.follow(hub, acme, 'pattern=self.**', headers),
    ]
    await world.happens(acme, 'self.soul.audit')
    await world.happens(acme, 'self.unknown.manifest')
    await world.happens(acme, 'self.soul.manifest')
    for (const kind of ['invoked', 'failed', 'refused', 'changed'] as const)
      await world.happens(acme, 'self.soul.manifest', kind, { user: randomUUID() })
    await world.happens(acme, 'self.soul.state', 'changed', { user: acme.user })
    expect(paths(await developer.take(2))).toEqual(['self.soul.manifest', 'self.soul.state'])
    expect(paths(await security.take(2))).toEqual(['self.soul.audit', 'self.soul.manifest'])
  })

  test('of what it may not see at all is refused', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant(['admin'])
    const plain = { 'x-observer-archetype': 'developer' }
    expect((await world.follow(hub, acme, 'pattern=self.soul.audit', plain)).status).toBe(403)
    const viewer = await world.tenant(['viewer'])
    const headers = { 'x-observer-archetype': 'security' }
    expect((await world.follow(hub, viewer, 'pattern=self.soul.*', headers)).status).toBe(403)
  })

  test('is told of holons of its own, which no catalog lists', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const stream = await world.follow(hub, acme, 'pattern=world.house.*')
    await world.happens(acme, 'world.house.demolish')
    await world.happens(acme, 'world.house.state', 'changed')
    expect((await stream.next())?.data['path']).toBe('world.house.state')
  })

  test('hears that the stream lives while nothing happens', async ({ world }) => {
    const hub = await world.openHub({ heartbeatMs: 50 })
    const stream = await world.follow(hub, await world.tenant(), 'pattern=**')
    expect((await stream.events.next()).value).toMatchObject({
      event: 'heartbeat',
      id: expect.any(Number),
      data: { event_type: 'heartbeat', path: 'system.heartbeat' },
    })
  })
})

describe('replay', () => {
  test('from Last-Event-ID goes on behind that event, without a gap and without a repetition', async ({
    world,
  }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const all: number[] = []
    for (let at = 0; at < 250; at++) all.push(await world.happens(acme, 'void.entropy.sip'))
    const happening = (async () => {
      for (let at = 0; at < 250; at++) all.push(await world.happens(acme, 'void.entropy.pour'))
    })()
    const headers = { 'last-event-id': String(all[9]) }
    const stream = await world.follow(hub, acme, 'pattern=void.entropy.*', headers)
    const told = await stream.take(490)
    await happening
    expect(sequences(told)).toEqual(all.slice(10))
  })

  test('from a sequence and from a time begins there', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    await world.happens(acme, 'void.entropy.sip')
    const before = Date.now()
    await eventually(() => expect(Date.now()).toBeGreaterThan(before))
    const time = new Date().toISOString()
    const second = await world.happens(acme, 'void.entropy.pour')
    const third = await world.happens(acme, 'void.entropy.sip')
    const follow = (from: string | number) => world.follow(hub, acme, `pattern=void.entropy.*&from=${from}`)
    const streams = await Promise.all([second, time].map(follow))
    const fromTheBeginning = await follow('1600-01-01T00:00:00Z')
    const fourth = await world.happens(acme, 'void.entropy.sip')
    for (const stream of streams) expect(sequences(await stream.take(3))).toEqual([second, third, fourth])
    expect(sequences(await fromTheBeginning.take(4)).slice(1)).toEqual([second, third, fourth])
  })

  test('begins a stream that was lost and made anew at its start', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const sequence = await world.happens(acme, 'void.entropy.sip')
    const stream = await world.follow(hub, acme, 'pattern=void.**', {
      'last-event-id': String(sequence + 1_000_000),
    })
    expect((await stream.next())?.id).toBe(sequence)
  })
})

describe('a client that does not read', () => {
  /** Opens a stream and reads nothing of it beyond its beginning. */
  async function deaf(hub: string, token: string, query: string) {
    const socket = connect(Number(new URL(hub).port), '127.0.0.1')
    socket.write(
      `GET /v1/agentese/subscribe?${query} HTTP/1.1\r\nhost: hub\r\naccept: text/event-stream\r\n` +
        `authorization: Bearer ${token}\r\n\r\n`,
    )
    await new Promise((resolve) => socket.once('readable', resolve))
    return socket
  }

  test('loses the oldest, which are counted and told; others lose nothing', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const socket = await deaf(hub, acme.token, 'pattern=void.**&buffer=5')
    const other = await world.follow(hub, acme, 'pattern=void.**')
    const padding = 'x'.repeat(200_000)
    const all: number[] = []
    const reading = other.take(100)
    for (let at = 0; at < 100; at++)
      all.push(await world.happens(acme, 'void.entropy.sip', 'invoked', { padding }))
    expect(sequences(await reading)).toEqual(all)
    const last = all.at(-1)
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    await eventually(() => expect(text).toContain(`id: ${last}\n`))
    const dropped = await metricOf(hub, 'agentese_subscription_events_dropped_total{reason="buffer_full"}')
    expect(dropped).toBeGreaterThan(10)
    const told = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id))
    const notices = [...text.matchAll(/^event: dropped\ndata: (.*)$/gm)].map(
      ([, data]) => (JSON.parse(data ?? '') as { count: number }).count,
    )
    expect(notices.reduce((sum, count) => sum + count, 0)).toBe(dropped)
    expect(told.length).toBe(100 - dropped)
    expect(told.slice(-5)).toEqual(all.slice(-5))
    expect(text.indexOf('event: dropped')).toBeLessThan(text.indexOf(`id: ${all.at(-5)}\n`))
    socket.destroy()
  })

  test('is cut off in the end', async ({ world }) => {
    const hub = await world.openHub({ stalledMs: 200 })
    const acme = await world.tenant()
    const socket = await deaf(hub, acme.token, 'pattern=void.**')
    expect(await metricOf(hub, 'agentese_subscription_active{delivery="at-most-once"}')).toBe(1)
    const padding = 'x'.repeat(500_000)
    for (let at = 0; at < 40; at++) await world.happens(acme, 'void.entropy.sip', 'invoked', { padding })
    await eventually(async () =>
      expect(await metricOf(hub, 'agentese_subscription_active{delivery="at-most-once"}')).toBe(0),
    )
    socket.destroy()
  })

  test('does not delay the others of its tenant', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const socket = await deaf(hub, acme.token, 'pattern=void.**&delivery=at-least-once')
    const other = await world.follow(hub, acme, 'pattern=void.**')
    const reading = other.take(40)
    const padding = 'x'.repeat(500_000)
    const all: number[] = []
    for (let at = 0; at < 40; at++)
      all.push(await world.happens(acme, 'void.entropy.sip', 'invoked', { padding }))
    expect(sequences(await reading)).toEqual(all)
    socket.destroy()
  })
})

describe('an at-least-once subscription', () => {
  test('delivers what is not acknowledged three times, and then tells of it once', async ({ world }) => {
    const hub = await world.openHub({ ackWaitMs: 300 })
    const acme = await world.tenant()
    const stream = await world.follow(hub, acme, LASTING)
    const sequence = await world.happens(acme, 'void.entropy.sip')
    const deliveries = await stream.take(3)
    expect(deliveries.map(({ id, data }) => [id, data['attempt']])).toEqual([
      [sequence, 1],
      [sequence, 2],
      [sequence, 3],
    ])
    await eventually(async () => expect(await world.deadLetters(acme)).toHaveLength(1))
    const next = await world.happens(acme, 'void.entropy.pour')
    expect(sequences(await stream.take(3))).toEqual([next, next, next])
    await eventually(async () => expect(await world.deadLetters(acme)).toHaveLength(2))
    const [letter] = await world.deadLetters(acme)
    expect(letter).toMatchObject({
      type: 'io.kgents.subscription.dead',
      subject: 'void.entropy.sip',
      tenantid: acme.id,
      data: {
        subscription: stream.id,
        deliveries: 3,
        sequence,
        event: { id: deliveries[0]?.data['event_id'], signature: expect.any(String) },
      },
    })
    await expect.poll(() => metricOf(hub, 'agentese_subscription_events_dead_total')).toBe(2)
    expect(await metricOf(hub, 'agentese_subscription_events_redelivered_total')).toBe(4)
  })

  test('delivers what is acknowledged once, whichever hub it is acknowledged at', async ({ world }) => {
    const times = { ackWaitMs: 4000 } // time enough to acknowledge
    const [hub, another] = [await world.openHub(times), await world.openHub(times)]
    const acme = await world.tenant()
    const stream = await world.follow(hub, acme, LASTING)
    await world.happens(acme, 'void.entropy.sip')
    const forgotten = await world.happens(acme, 'void.entropy.pour')
    const [first] = await stream.take(2)
    expect(await world.acknowledge(another, acme, stream.id, [first])).toEqual({
      status: 200,
      body: { acknowledged: 1, unknown: [] },
    })
    expect(await stream.next()).toMatchObject({ id: forgotten, data: { attempt: 2 } })
  })

  test('is gone on with at any hub, from what was not acknowledged', async ({ world }) => {
    const times = { ackWaitMs: 4000 } // time enough to acknowledge
    const [hub, another] = [await world.openHub(times), await world.openHub(times)]
    const acme = await world.tenant()
    const stream = await world.follow(hub, acme, `${LASTING}&subscription=${randomUUID()}`)
    const all = [await world.happens(acme, 'void.entropy.sip'), await world.happens(acme, 'void.entropy.sip')]
    const [first] = await stream.take(2)
    await world.acknowledge(hub, acme, stream.id, [first])
    stream.leave()
    all.push(await world.happens(acme, 'void.entropy.sip'))
    const again = await world.follow(another, acme, `subscription=${stream.id}`)
    expect(again.id).toBe(stream.id)
    expect(new Set(sequences(await again.take(2)))).toEqual(new Set(all.slice(1)))
  })

  test('waits while its client owes as many acknowledgements as the buffer holds', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const stream = await world.follow(hub, acme, `${LASTING}&buffer=2`)
    const all: number[] = []
    for (let at = 0; at < 4; at++) all.push(await world.happens(acme, 'void.entropy.sip'))
    const told = await stream.take(2)
    const manager = await world.nc.jetstreamManager()
    const [name = ''] = await world.consumers(acme)
    await expect
      .poll(() => manager.consumers.info('AGENTESE', name))
      .toMatchObject({ num_ack_pending: 2, num_pending: 2 })
    await world.acknowledge(hub, acme, stream.id, told)
    expect(sequences([...told, ...(await stream.take(2))])).toEqual(all)
  })

  test('keeps to what its observer may see, and to types and aspects', async ({ world }) => {
    const hub = await world.openHub({ ackWaitMs: 300 })
    const acme = await world.tenant()
    const stream = await world.follow(
      hub,
      acme,
      'pattern=self.**,*.soul.*&types=invoked&delivery=at-least-once',
    )
    await world.happens(acme, 'self.soul.audit')
    await world.happens(acme, 'self.soul.manifest', 'failed')
    const own = await world.happens(acme, 'self.soul.manifest')
    expect(sequences(await stream.take(3))).toEqual([own, own, own])
    await eventually(async () => expect(await world.deadLetters(acme)).toHaveLength(1))
  })

  test('of another tenant or another person is not there', async ({ world }) => {
    const hub = await world.openHub({ ackWaitMs: 500 })
    const [acme, globex] = [await world.tenant(), await world.tenant()]
    const colleague = { ...acme, user: randomUUID() }
    await world.owner`
      insert into users (id, tenant_id, email, name, roles)
      values (${colleague.user}, ${acme.id}, 'c@b.c', 'Test', '{developer}')`
    colleague.token = await world.tokenOf(colleague)
    const stream = await world.follow(hub, acme, LASTING)
    const sequence = await world.happens(acme, 'void.entropy.sip')
    const event = await stream.next()
    for (const stranger of [globex, colleague]) {
      expect(await world.acknowledge(hub, stranger, stream.id, [event])).toMatchObject({ status: 404 })
      expect(await world.send(hub, stranger, 'DELETE', `/${stream.id}`)).toMatchObject({ status: 404 })
      expect((await world.follow(hub, stranger, `subscription=${stream.id}`)).status).toBe(404)
    }
    expect(await stream.next()).toMatchObject({ id: sequence, data: { attempt: 2 } })
    expect((await world.follow(hub, colleague, `${LASTING}&subscription=${stream.id}`)).status).toBe(409)
    const theirs = await world.follow(hub, globex, `${LASTING}&subscription=${stream.id}`)
    const own = await world.happens(globex, 'void.entropy.sip')
    expect((await theirs.next())?.id).toBe(own)
  })

  test('is acknowledged and ended by nobody whose token was revoked', async ({ world }) => {
    const hub = await world.openHub({ ackWaitMs: 500 })
    const acme = await world.tenant()
    const stream = await world.follow(hub, acme, LASTING)
    await world.happens(acme, 'void.entropy.sip')
    const event = await stream.next()
    await world.owner`update users set removed_at = now(), email = null where id = ${acme.user}`
    // Each is good by its signature, and was never seen before.
    const another = async () => ({ ...acme, token: await world.tokenOf(acme) })
    const acknowledged = await world.acknowledge(hub, await another(), stream.id, [event])
    expect(acknowledged).toMatchObject({ status: 401 })
    expect(await world.send(hub, await another(), 'DELETE', `/${stream.id}`)).toMatchObject({ status: 401 })
    expect(await stream.next()).toMatchObject({ data: { attempt: 2 } })
  })

  test('is acknowledged and ended as the reference says', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const stream = await world.follow(hub, acme, LASTING)
    await world.happens(acme, 'void.entropy.sip')
    const event = await stream.next()
    const narrowed = { ...acme, token: await world.tokenOf(acme, 600, ['entropy:read']) }
    for (const [method, path] of [
      ['POST', '/ack'],
      ['DELETE', ''],
    ] as const) {
      expect(await world.send(hub, narrowed, method, `/${stream.id}${path}`)).toMatchObject({
        status: 403,
        body: { code: 'SCOPE_MISSING' },
      })
    }
    const reader = { ...acme, token: await world.tokenOf(acme, 600, ['event:read']) }
    const { status, body } = await world.acknowledge(hub, reader, stream.id, [event])
    expect([status, Acknowledged.parse(body)]).toEqual([200, { acknowledged: 1, unknown: [] }])
    const ended = await world.send(hub, reader, 'DELETE', `/${stream.id}`)
    expect([ended.status, Ended.parse(ended.body).subscription.id]).toEqual([200, stream.id])
  })

  test.for([
    ['nothing', undefined, 400],
    ['no list', { acks: 'all' }, 400],
    ['the subject of another consumer', { acks: ['>'] }, 400],
    ['tokens too many', { acks: ['1.1.1.1.1.broker'] }, 400],
    ['a delivery that never was', { acks: ['1.999999999.1.1.0'] }, 200],
  ] as const)('takes no acknowledgement of %s', async ([, body, status], { world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const { id } = await world.follow(hub, acme, LASTING)
    const answer = await world.send(hub, acme, 'POST', `/${id}/ack`, body)
    expect(answer.status).toBe(status)
    if (status === 200) expect(answer.body).toEqual({ acknowledged: 0, unknown: body.acks })
  })

  test('ends at every hub when it is deleted, and leaves nothing behind', async ({ world }) => {
    const [hub, another] = [await world.openHub(), await world.openHub()]
    const acme = await world.tenant()
    const stream = await world.follow(hub, acme, LASTING)
    expect(await world.send(another, acme, 'DELETE', `/${stream.id}`)).toMatchObject({ status: 200 })
    expect(await stream.next()).toMatchObject({ event: 'error', data: { code: 'NOT_FOUND' } })
    expect(await stream.next()).toBeUndefined()
    expect(await world.consumers(acme)).toEqual([])
  })

  test('that exists cannot be changed', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    const { id } = await world.follow(hub, acme, LASTING)
    const query = `pattern=self.**&delivery=at-least-once&subscription=${id}`
    expect((await world.follow(hub, acme, query)).status).toBe(409)
    expect((await world.follow(hub, acme, `${LASTING}&subscription=${id}`)).status).toBe(200)
  })

  test('is refused where the tenant has enough of them', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    for (let at = 0; at < 50; at++) (await world.follow(hub, acme, LASTING)).leave()
    expect((await world.follow(hub, acme, LASTING)).status).toBe(429)
    expect((await world.follow(hub, await world.tenant(), LASTING)).status).toBe(200)
  })
})

describe('a stream ends', () => {
  test('when the token behind it expires', async ({ world }) => {
    const hub = await world.openHub()
    const acme = await world.tenant()
    for (const query of ['pattern=void.**', LASTING]) {
      const token = await world.tokenOf(acme, 2)
      const stream = await world.follow(hub, { token }, query)
      expect(await stream.next()).toMatchObject({ event: 'error', data: { code: 'TOKEN_EXPIRED' } })
      expect(await stream.next()).toBeUndefined()
    }
  })

  test('when the API key behind it is revoked', async ({ world }) => {
    const hub = await world.openHub({ recheckMs: 100 })
    const acme = await world.tenant()
    const headers = { authorization: '', 'x-api-key': acme.apiKey }
    const stream = await world.follow(hub, acme, 'pattern=void.**', headers)
    await world.owner`delete from api_keys where tenant_id = ${acme.id}`
    expect(await stream.next()).toMatchObject({ event: 'error', data: { code: 'CREDENTIALS_INVALID' } })
    expect(await stream.next()).toBeUndefined()
  })

  test('when a key or what was exchanged for it is revoked, as soon as the hub is notified', async ({
    world,
  }) => {
    const hub = await world.openHub()
    const [acme, globex] = [await world.tenant(), await world.tenant()]
    const others = await world.follow(hub, globex, 'pattern=void.**')
    const byKey = await world.follow(hub, acme, 'pattern=void.**', {
      authorization: '',
      'x-api-key': acme.apiKey,
    })
    const byToken = await world.follow(hub, acme, 'pattern=void.**')
    await world.owner`update users set removed_at = now(), email = null where tenant_id = ${acme.id}`
    await world.revokes(acme)
    for (const stream of [byKey, byToken]) {
      expect(await stream.next()).toMatchObject({ event: 'error', data: { code: 'CREDENTIALS_INVALID' } })
      expect(await stream.next()).toBeUndefined()
    }
    const own = await world.happens(globex, 'void.entropy.sip')
    expect((await others.next())?.id).toBe(own)
  })

  test('when the hub stops, and is resumed at another', async ({ world }) => {
    const acme = await world.tenant()
    const [hub, another] = [await world.openHub(), await world.openHub()]
    const stream = await world.follow(hub, acme, 'pattern=void.**')
    const all = [await world.happens(acme, 'void.entropy.sip')]
    const last = await stream.next()
    await world.drain(hub)
    expect(await stream.next()).toBeUndefined()
    all.push(await world.happens(acme, 'void.entropy.sip'))
    const headers = { 'last-event-id': String(last?.id) }
    const again = await world.follow(another, acme, 'pattern=void.**', headers)
    expect((await again.next())?.id).toBe(all[1])
  })
})
