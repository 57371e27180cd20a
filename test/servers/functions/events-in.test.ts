import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { describe, expect } from 'vitest'
import { verifyEvent, type KgentsEvent } from '../../../shared/events/event.ts'
import { insertColleague, testWith, type Tenant } from './world.ts'

const test = testWith()

const STRUCTURED = { 'content-type': 'application/cloudevents+json' }
const BATCH = { 'content-type': 'application/cloudevents-batch+json' }

function order(more: Record<string, unknown> = {}) {
  return {
    specversion: '1.0',
    id: randomUUID(),
    source: '/shop',
    type: 'com.example.order.created',
    data: { total: 12 },
    ...more,
  }
}

const sends = (tenant: Tenant, event: unknown) => tenant.calls('POST', '/v1/events', event, STRUCTURED)
const sendsAll = (tenant: Tenant, events: unknown) => tenant.calls('POST', '/v1/events', events, BATCH)

async function outbox(owner: Sql, tenant: Tenant): Promise<(KgentsEvent & { subjects: string[] })[]> {
  const rows = await owner<{ event: string; subjects: string[] }[]>`
    select event, subjects from outbox where tenant_id = ${tenant.id} order by seq`
  return rows.map(({ event, subjects }) => ({ ...(JSON.parse(event) as KgentsEvent), subjects }))
}

describe('POST /v1/events', () => {
  test('takes an event in each form, as it is, and signs it', async ({ newTenant, owner, eventKey }) => {
    const tenant = await newTenant()
    const time = '2026-01-01T00:00:00.000Z'
    const event = order({ subject: 'order ü', time })
    expect((await sends(tenant, event)).body).toEqual({ accepted: 1, duplicates: 0, rejected: [] })
    const binary = await tenant.calls(
      'POST',
      '/v1/events',
      { total: 13 },
      {
        'ce-specversion': '1.0',
        'ce-id': 'b',
        'ce-source': '/shop',
        'ce-type': 'com.example.order.created',
        'ce-subject': 'order%20%C3%BC',
      },
    )
    expect(binary.status).toBe(202)
    expect((await sendsAll(tenant, [order(), order()])).body.accepted).toBe(2)
    const [first, second, ...rest] = await outbox(owner, tenant)
    expect(rest).toHaveLength(2)
    expect(first).toEqual({
      ...event,
      tenantid: tenant.id,
      signature: expect.any(String),
      subjects: [`events.${tenant.id}.com.example.order.created`],
    })
    expect(second).toMatchObject({ id: 'b', subject: 'order ü', data: { total: 13 } })
    for (const { subjects: _subjects, ...each } of [first, second, ...rest] as KgentsEvent[] &
      { subjects: unknown }[]) {
      expect(() => verifyEvent(each, eventKey)).not.toThrow()
    }
  })

  test('takes an event without data in each form, as one without', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const { data: _, ...bare } = order()
    const headers = Object.entries({ ...bare, id: 'b' }).map(
      ([name, value]) => [`ce-${name}`, value] as const,
    )
    const answers = [
      await sends(tenant, bare),
      await sendsAll(tenant, [{ ...bare, id: 'c' }]),
      await tenant.calls('POST', '/v1/events', undefined, Object.fromEntries(headers)),
      await tenant.calls('POST', '/v1/events', '', {
        ...Object.fromEntries(headers),
        'ce-id': 'd',
        'content-type': 'application/json',
      }),
    ]
    for (const { body } of answers) expect(body).toEqual({ accepted: 1, duplicates: 0, rejected: [] })
    const written = await outbox(owner, tenant)
    expect(written.map(({ id }) => id)).toEqual([bare.id, 'c', 'b', 'd'])
    for (const each of written) expect(each).not.toHaveProperty('data')
  })

  test('takes an event once, however often and in whichever form it comes', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const event = order()
    const answers = await Promise.all([
      sends(tenant, event),
      sends(tenant, event),
      sendsAll(tenant, [event, event]),
    ])
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202])
    const sum = (name: string) => answers.reduce((sum, { body }) => sum + body[name], 0)
    expect(sum('accepted')).toBe(1)
    expect(await outbox(owner, tenant)).toHaveLength(1)
    const twice = [order({ id: 'a', data: 1 }), order({ id: 'a', data: 2 })]
    expect((await sendsAll(tenant, twice)).body).toMatchObject({ accepted: 1, duplicates: 1 })
    expect((await outbox(owner, tenant))[1]?.data).toBe(1)
    // Another source, another event; another tenant as well.
    expect((await sends(tenant, { ...event, source: '/other' })).body.accepted).toBe(1)
    expect((await sends(await newTenant(), event)).body.accepted).toBe(1)
  })

  test('batches with the same events in another order wait for each other, and never for ever', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    const events = Array.from({ length: 50 }, () => order())
    const answers = await Promise.all(
      [events, events.toReversed(), events, events.toReversed()].map((batch) => sendsAll(tenant, batch)),
    )
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202])
    expect(answers.reduce((sum, { body }) => sum + body.accepted, 0)).toBe(50)
  })

  test('judges each event of a batch alone', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const { status, body } = await sendsAll(tenant, [
      order(),
      order({ type: 'io.kgents.job.completed' }),
      'nothing',
      null,
      order({ id: '' }),
      order({ data: 'x'.repeat(300_000) }),
      order({ tenantid: randomUUID() }),
      order({ tenantid: tenant.id }),
    ])
    expect(status).toBe(202)
    expect(body).toMatchObject({ accepted: 2, duplicates: 0 })
    expect(body.rejected.map((each: { index: number; code: string }) => [each.index, each.code])).toEqual([
      [1, 'EVENT_SYNTAX'],
      [2, 'EVENT_SYNTAX'],
      [3, 'EVENT_SYNTAX'],
      [4, 'EVENT_SYNTAX'],
      [5, 'BODY_TOO_LARGE'],
      [6, 'TENANT_MISMATCH'],
    ])
    expect(await outbox(owner, tenant)).toHaveLength(2)
  })

  test.for([
    ['a type of the platform', { type: 'io.kgents.inference.completed' }, 400],
    ['one in other letters', { type: 'IO.Kgents.job.completed' }, 400],
    ['the bare name', { type: 'io.kgents' }, 400],
    ['a type that is a wildcard', { type: 'com.*' }, 400],
    ['a type that is many subjects', { type: 'com.>' }, 400],
    ['a type with an empty part', { type: 'com..x' }, 400],
    ['a type with a space', { type: 'com x' }, 400],
    ['a type with a line break', { type: 'com\r\nx' }, 400],
    ['another tenant', { tenantid: randomUUID() }, 403],
    ['another version', { specversion: '0.3' }, 400],
    ['a source that is no URI reference', { source: 'a b' }, 400],
    ['a time that is none', { time: 'yesterday' }, 400],
    ['data twice', { data_base64: 'AAAA' }, 400],
    ['binary data that is not base64', { data_base64: 'AAA', data: undefined }, 400],
    ['an attribute with a bad name', { 'Bad-Name': 'x' }, 400],
    ['data that is no text, of a type that is', { datacontenttype: 'text/plain' }, 400],
    ['a type of data that is none', { datacontenttype: 'json' }, 400],
    ['a schema that is no URI', { dataschema: 'a b' }, 400],
    ['an attribute that is an object', { order: {} }, 400],
    ['an attribute that is no whole number', { priority: 1.5 }, 400],
    ['an attribute beyond 32 bits', { priority: 2_147_483_648 }, 400],
    ['a signature', { signature: 'x' }, 400],
    ['a member "__proto__"', JSON.parse('{"__proto__": "x"}') as Record<string, string>, 400],
    ['more attributes than headers hold', { more: 'é'.repeat(3000) }, 413],
    ['an id that is a number', { id: 5 }, 400],
    ['a subject with NUL', { subject: 'a\u0000b' }, 400],
  ] as const)('refuses %s, and writes nothing', async ([, more, status], { newTenant, owner }) => {
    const tenant = await newTenant()
    expect((await sends(tenant, order(more))).status).toBe(status)
    expect(await outbox(owner, tenant)).toEqual([])
  })

  test.for([
    ['source', { source: 'a b' }],
    ['dataschema', { dataschema: 'relative' }],
  ] as const)('says that %s has the wrong form', async ([name, more], { newTenant }) => {
    const { body } = await sends(await newTenant(), order(more))
    expect(body.message).toContain(`${name}: is no URI`)
  })

  test('refuses what is no event at all', async ({ newTenant }) => {
    const tenant = await newTenant()
    const statuses = await Promise.all([
      tenant.calls('POST', '/v1/events', order()),
      tenant.calls('POST', '/v1/events', '<xml/>', { 'content-type': 'application/cloudevents+xml' }),
      sendsAll(tenant, order()),
      sends(tenant, [order()]),
      sendsAll(
        tenant,
        Array.from({ length: 101 }, () => order()),
      ),
      tenant.calls('POST', '/v1/events', 'x', { ...STRUCTURED }),
    ])
    expect(statuses.map(({ status }) => status)).toEqual([415, 415, 400, 400, 400, 400])
    expect((await sendsAll(tenant, [])).body).toEqual({ accepted: 0, duplicates: 0, rejected: [] })
  })

  test('lets no attribute make it look like ours', async ({ newTenant, owner, eventKey }) => {
    const tenant = await newTenant()
    const event = order({ source: '/functions/logos', function: 'self-soul' })
    expect((await sends(tenant, event)).status).toBe(202)
    const [{ subjects, ...written }] = (await outbox(owner, tenant)) as [KgentsEvent & { subjects: string[] }]
    expect(subjects).toEqual([`events.${tenant.id}.com.example.order.created`])
    expect(written).toMatchObject(event)
    expect(() => verifyEvent(written, eventKey)).not.toThrow()
    const asOurs = { ...written, type: 'io.kgents.inference.completed' }
    expect(() => verifyEvent(asOurs, eventKey)).toThrow()
  })

  test('is for those who may send events', async ({ newTenant }) => {
    const viewer = await newTenant('enterprise', ['viewer'])
    expect((await sends(viewer, order())).status).toBe(403)
  })
})

describe('a mapping', () => {
  const MAPPING = {
    type: 'com.example.order.*',
    path: 'void.entropy.sip',
    input: { amount: { $from: '/data/amount', default: 0.5 } },
  }
  const maps = async (tenant: Tenant, more: object = {}) =>
    (await tenant.calls('POST', '/v1/event-mappings', { ...MAPPING, ...more })).body.mapping
  const seen = async (tenant: Tenant, id: string) =>
    (await tenant.calls('GET', `/v1/event-mappings/${id}`)).body.mapping

  /** Events that were written for mappings, as the Trigger would deliver them. */
  async function matched(owner: Sql, tenant: Tenant): Promise<KgentsEvent[]> {
    const events = await outbox(owner, tenant)
    return events.flatMap(({ subjects: _subjects, ...event }) =>
      event.type === 'io.kgents.mapping.matched' ? [event] : [],
    )
  }

  test('invokes its path once for each event, with what the event holds', async ({
    newTenant,
    owner,
    delivers,
  }) => {
    const tenant = await newTenant()
    const { id } = await maps(tenant)
    const event = order({ data: { amount: 0.25 } })
    await sends(tenant, event)
    await sends(tenant, event)
    const [delivery, ...more] = await matched(owner, tenant)
    expect(more).toEqual([])
    expect(await delivers(delivery as KgentsEvent)).toBe(202)
    expect(await delivers(delivery as KgentsEvent)).toBe(202)
    const marks = await owner`select path, user_id, charges from marks where tenant_id = ${tenant.id}`
    expect(marks).toEqual([{ path: 'void.entropy.sip', user_id: tenant.user, charges: { entropy: 0.25 } }])
    expect(await seen(tenant, id)).toMatchObject({
      last_run: { event: event.id, status: 'succeeded', attempts: 1 },
      failures: [],
    })
  })

  test('starts a job where the path asks a model', async ({ newTenant, owner, delivers }) => {
    const tenant = await newTenant()
    const { id } = await maps(tenant, {
      path: 'self.soul.dialogue',
      input: { message: { $from: '/data/text' } },
    })
    await sends(tenant, order({ data: { text: 'What is a house?' } }))
    const [delivery] = await matched(owner, tenant)
    expect(await delivers(delivery as KgentsEvent)).toBe(202)
    const { last_run: run } = await seen(tenant, id)
    expect(run).toMatchObject({ status: 'accepted', job: expect.any(String) })
    expect((await tenant.calls('GET', `/v1/jobs/${run.job}`)).status).toBe(200)
  })

  test('acts with the rights that its owner has when the event comes', async ({
    newTenant,
    owner,
    delivers,
  }) => {
    const tenant = await newTenant()
    const { id } = await maps(tenant)
    await sends(tenant, order())
    await owner`update users set roles = '{viewer}' where id = ${tenant.user}`
    const [delivery] = await matched(owner, tenant)
    expect(await delivers(delivery as KgentsEvent)).toBe(202)
    expect(
      await owner`select from marks where tenant_id = ${tenant.id} and outcome = 'success'`,
    ).toHaveLength(0)
    const [run] = await owner`select status, code from event_mapping_runs where mapping_id = ${id}`
    expect(run).toMatchObject({
      status: 'failed',
      code: expect.stringMatching(/SCOPE_MISSING|AFFORDANCE_DENIED/),
    })
    await owner`update tenants set status = 'canceled' where id = ${tenant.id}`
    await owner`delete from event_mapping_runs where mapping_id = ${id}`
    await owner`delete from inbox where tenant_id = ${tenant.id}`
    expect(await delivers(delivery as KgentsEvent)).toBe(202)
    expect(await owner`select code from event_mapping_runs where mapping_id = ${id}`).toEqual([
      { code: 'IDENTITY_GONE' },
    ])
  })

  test('tells what went wrong, and does not try again what cannot go well', async ({
    newTenant,
    owner,
    delivers,
  }) => {
    const tenant = await newTenant()
    const { id } = await maps(tenant, { input: { amount: { $from: '/data/amount' } } })
    await sendsAll(tenant, [order({ data: {} }), order({ data: { amount: 'much' } }), order({ data: null })])
    for (const delivery of await matched(owner, tenant)) expect(await delivers(delivery)).toBe(202)
    const { failures } = await seen(tenant, id)
    expect(failures).toHaveLength(3)
    for (const failure of failures) expect(failure).toMatchObject({ status: 'failed', code: 'TYPE_MISMATCH' })
  })

  test('is tried again while the function is away, and not those beside it that went well', async ({
    newTenant,
    owner,
    delivers,
    runtime,
  }) => {
    const tenant = await newTenant()
    const well = await maps(tenant)
    const away = await maps(tenant, { path: 'void.entropy.manifest', input: {} })
    await sends(tenant, order())
    const [delivery] = await matched(owner, tenant)
    const { dispatch } = runtime.platform
    const paths: string[] = []
    runtime.platform.dispatch = async (request, dispatcher) => {
      paths.push(request.path)
      const isAway = paths.length <= 2 && request.path === 'void.entropy.manifest'
      return isAway
        ? { status: 503, body: { code: 'DEPENDENCY_UNAVAILABLE', message: 'away' } }
        : dispatch(request, dispatcher)
    }
    expect(await delivers(delivery as KgentsEvent)).toBe(503)
    expect((await seen(tenant, away.id)).last_run).toMatchObject({
      status: 'retrying',
      code: 'DEPENDENCY_UNAVAILABLE',
    })
    expect(await delivers(delivery as KgentsEvent)).toBe(202)
    runtime.platform.dispatch = dispatch
    expect(paths.sort()).toEqual(['void.entropy.manifest', 'void.entropy.manifest', 'void.entropy.sip'])
    expect((await seen(tenant, away.id)).last_run).toMatchObject({ status: 'succeeded', attempts: 2 })
    expect((await seen(tenant, well.id)).last_run).toMatchObject({ status: 'succeeded', attempts: 1 })
  })

  test('is for the events that it names, by type and source', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const exact = await maps(tenant, { type: 'com.example.order.created' })
    await maps(tenant, { type: 'com.example.order' })
    const fromShop = await maps(tenant, { type: '*', source: '/shop' })
    await sendsAll(tenant, [order(), order({ source: '/b' }), order({ type: 'com.other' })])
    const events = await matched(owner, tenant)
    expect(events.map(({ data }) => (data as { mappings: string[] }).mappings.toSorted())).toEqual([
      [String(exact.id), String(fromShop.id)].toSorted(),
      [exact.id],
      [fromShop.id],
    ])
  })

  test('of one tenant neither sees another tenant’s events nor is seen', async ({
    newTenant,
    owner,
    delivers,
  }) => {
    const [acme, globex] = [await newTenant(), await newTenant()]
    const { id } = await maps(acme, { type: '*' })
    await sends(globex, order())
    expect(await matched(owner, globex)).toEqual([])
    for (const method of ['GET', 'DELETE']) {
      expect((await globex.calls(method, `/v1/event-mappings/${id}`)).status).toBe(404)
    }
    expect((await globex.calls('GET', '/v1/event-mappings')).body.mappings).toEqual([])
    // Not even with an event that the platform would have signed for the wrong tenant.
    await sends(acme, order())
    const [delivery] = await matched(owner, acme)
    expect(await delivers({ ...(delivery as KgentsEvent), tenantid: globex.id })).toBe(403)
    expect(await owner`select from marks where tenant_id = ${globex.id}`).toHaveLength(0)
  })

  test('is personal: a colleague does not see it, an admin does', async ({ newTenant, owner, opened }) => {
    const tenant = await newTenant()
    const { id } = await maps(tenant)
    const status = async (role: string) => {
      const key = await insertColleague(owner, tenant, role)
      return (await opened.app.request(`/v1/event-mappings/${id}`, { headers: { 'x-api-key': key } })).status
    }
    expect(await status('developer')).toBe(404)
    expect(await status('admin')).toBe(200)
  })

  test.for([
    ['a path that nothing serves', { path: 'void.nothing.here' }, 404],
    ['a path that is none', { path: 'void' }, 400],
    ['a type of the platform', { type: 'io.kgents.job.completed' }, 400],
    ['a pointer that is none', { input: { a: { $from: 'data' } } }, 400],
    ['a rule that there is not', { input: { a: { $from: '/data', $eval: '1' } } }, 400],
    ['a template that is too large', { input: { a: 'x'.repeat(20_000) } }, 400],
    [
      'a template that would make too much',
      { input: Object.fromEntries(Array.from({ length: 51 }, (_, at) => [at, { $from: '/data' }])) },
      400,
    ],
  ] as const)('is not made with %s', async ([, more, status], { newTenant }) => {
    const tenant = await newTenant()
    expect((await tenant.calls('POST', '/v1/event-mappings', { ...MAPPING, ...more })).status).toBe(status)
  })

  test('is not made with a narrowed token, whose limits it would not have', async ({ newTenant, opened }) => {
    const tenant = await newTenant()
    const { body } = await tenant.calls('POST', '/v1/auth/token', { scope: 'event_mapping:*' })
    const authorization = `Bearer ${body.access_token}`
    const { status } = await opened.app.request('/v1/event-mappings', {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify(MAPPING),
    })
    expect(status).toBe(403)
  })

  test('is one of 20, even where many are made at once', async ({ newTenant }) => {
    const tenant = await newTenant()
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => tenant.calls('POST', '/v1/event-mappings', MAPPING)),
    )
    const { 201: made, 429: refused } = Object.groupBy(answers, ({ status }) => status)
    expect([made?.length, refused?.length]).toEqual([20, 20])
  })

  test('cannot multiply one request without end', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    for (let count = 0; count < 20; count++) await maps(tenant, { type: '*' })
    expect((await tenant.calls('POST', '/v1/event-mappings', MAPPING)).status).toBe(429)
    expect(
      (
        await sendsAll(
          tenant,
          Array.from({ length: 11 }, () => order()),
        )
      ).status,
    ).toBe(429)
    expect(await outbox(owner, tenant)).toEqual([])
    expect(
      (
        await sendsAll(
          tenant,
          Array.from({ length: 10 }, () => order()),
        )
      ).body.accepted,
    ).toBe(10)
  })
})
