import { randomUUID } from 'node:crypto'
import { describe, expect } from 'vitest'
import { createEvent, deriveReportKey, deriveResultKey } from '../../../shared/events/event.ts'
import { REPORTS } from '../../../shared/events/webhook.ts'
import { WEBHOOK_KEY } from './in-process.ts'
import { testWith, type Tenant } from './world.ts'

const test = testWith()

const SINK = 'https://hooks.example.com/kgents?token=s3cret'
const WANTED = { patterns: ['void.**'], sink: SINK }
const ERROR = { code: 'HTTP_500', message: 'The sink answered 500', status: 500 }

async function subscribes(tenant: Tenant, wanted: object = WANTED): Promise<{ id: string; secret: string }> {
  const { status, body } = await tenant.calls('POST', '/v1/subscriptions', wanted)
  expect(status).toBe(201)
  return { id: body.subscription.id, secret: body.secret }
}

/** As the sender signs it, unless told otherwise. */
function reportOf(tenant: Tenant, id: string, what: keyof typeof REPORTS, data: object = {}, key?: string) {
  const type = REPORTS[what]
  const whole = { subscription: id, at: new Date().toISOString(), error: ERROR, ...data }
  const event = {
    source: '/webhooks',
    type,
    tenant: tenant.id,
    subject: id,
    function: 'subscriptions',
    data: whole,
  }
  return createEvent(event, key ?? deriveReportKey(WEBHOOK_KEY, tenant.id, id))
}

function deadEvent(tenant: Tenant, id: string = randomUUID()) {
  const attributes = { id, type: 'io.kgents.agentese.invoked', source: '/functions/void-entropy' }
  return { ...attributes, time: new Date().toISOString(), tenantid: tenant.id, data: { amount: 1 } }
}

describe('POST /v1/subscriptions', () => {
  test('shows the secret once, and stores nothing that it could be told from', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const { id, secret } = await subscribes(tenant)
    expect(secret).toMatch(/^whsec_/)
    const { body } = await tenant.calls('GET', `/v1/subscriptions/${id}`)
    expect(body.subscription).toMatchObject({
      id,
      patterns: ['void.**'],
      status: 'active',
      delivery: { dead: 0 },
    })
    expect(JSON.stringify(body)).not.toContain('whsec_')
    const rows = await owner`select s::text as row from webhook_subscriptions s where id = ${id}`
    const events = await owner`select event from outbox where tenant_id = ${tenant.id}`
    expect(JSON.stringify([rows, events])).not.toContain(secret.replace('whsec_', ''))
    expect(events).toHaveLength(1)
  })

  test('rotates a secret ten times a day, since each one that is replaced is good for a day', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const { id } = await subscribes(tenant)
    const rotate = () => tenant.calls('POST', `/v1/subscriptions/${id}/rotate`)
    for (let count = 0; count < 10; count++) expect((await rotate()).status).toBe(200)
    expect(await rotate()).toMatchObject({ status: 429, body: { code: 'QUOTA_EXCEEDED' } })
    await owner`update webhook_subscriptions set rotated_at = now() - interval '26 hours' where id = ${id}`
    expect((await rotate()).body.subscription.rotation).toBe(11)
    const missing = await tenant.calls(
      'POST',
      '/v1/subscriptions/01999999-0000-7000-8000-000000000001/rotate',
    )
    expect(missing.status).toBe(404)
  })

  test('shows the same secret to who repeats the request, and writes it down nowhere', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const repeatedly = (key: string, path: string, wanted?: object) => () =>
      tenant.calls('POST', path, wanted, { 'idempotency-key': key })
    const create = repeatedly('create', '/v1/subscriptions', WANTED)
    const made = await create()
    const rotate = repeatedly('rotate', `/v1/subscriptions/${made.body.subscription.id}/rotate`)
    const rotated = await rotate()
    expect(rotated.body).toMatchObject({
      secret: expect.stringMatching(/^whsec_/),
      subscription: { rotation: 1 },
    })
    expect(rotated.body.secret).not.toBe(made.body.secret)
    for (const [again, first] of [
      [await create(), made],
      [await rotate(), rotated],
    ] as const) {
      expect(again.headers.get('idempotency-replayed')).toBe('true')
      expect([again.status, again.body]).toEqual([first.status, first.body])
    }
    const kept = await owner`select answer::text from idempotency_keys where tenant_id = ${tenant.id}`
    expect(kept).toHaveLength(2)
    expect(JSON.stringify(kept)).not.toMatch(/whsec_|secret/)
  })

  test.for([
    ['http', 'http://hooks.example.com/'],
    ['this machine', 'https://127.0.0.1/'],
    ['this machine in another way', 'https://2130706433/'],
    ['this machine in IPv6', 'https://[::ffff:7f00:1]/'],
    ['a cloud’s metadata', 'https://169.254.169.254/latest'],
    ['a name of the cluster', 'https://issue-token.kgents.svc.cluster.local/'],
    ['a bare name', 'https://redis/'],
    ['another port', 'https://hooks.example.com:6379/'],
    ['credentials', 'https://user:pass@hooks.example.com/'],
    ['no URL', 'hooks'],
  ] as const)('takes no sink at %s', async ([, sink], { newTenant }) => {
    const tenant = await newTenant()
    const { status, body } = await tenant.calls('POST', '/v1/subscriptions', { ...WANTED, sink })
    expect([status, body.code]).toEqual([403, 'EGRESS_DENIED'])
  })

  test.for([
    ['neither patterns nor events', { patterns: [] }],
    ['a pattern that fits no path', { patterns: ['nowhere.**'] }],
    ['a pattern with a wildcard of NATS', { patterns: ['void.>'] }],
    ['events of the platform', { events: ['io.kgents.job.*'] }],
    ['all events', { events: ['*'] }],
    ['a wildcard of NATS', { events: ['com.>'] }],
    ['a wildcard in the middle', { events: ['com.*.x'] }],
    ['a kind that there is not', { types: ['imagined'] }],
    ['too many patterns', { patterns: Array.from({ length: 21 }, (_, at) => `world.h${at}.*`) }],
  ] as const)('takes no subscription to %s', async ([, more], { newTenant }) => {
    const tenant = await newTenant()
    expect((await tenant.calls('POST', '/v1/subscriptions', { ...WANTED, ...more })).status).toBe(400)
  })

  test('is for those who may, with a credential that is not narrowed, and not without end', async ({
    newTenant,
    opened,
  }) => {
    const viewer = await newTenant('enterprise', ['viewer'])
    expect((await viewer.calls('POST', '/v1/subscriptions', WANTED)).status).toBe(403)
    expect((await viewer.calls('GET', '/v1/subscriptions')).status).toBe(403)
    const tenant = await newTenant()
    const { body } = await tenant.calls('POST', '/v1/auth/token', { scope: 'subscription:*' })
    const narrowed = await opened.app.request('/v1/subscriptions', {
      method: 'POST',
      headers: { authorization: `Bearer ${body.access_token}`, 'content-type': 'application/json' },
      body: JSON.stringify(WANTED),
    })
    expect(narrowed.status).toBe(403)
    for (let count = 0; count < 20; count++) await subscribes(tenant)
    expect((await tenant.calls('POST', '/v1/subscriptions', WANTED)).status).toBe(429)
    const first = (await tenant.calls('GET', '/v1/subscriptions?limit=15')).body
    const rest = (await tenant.calls('GET', `/v1/subscriptions?limit=15&cursor=${first.next_cursor}`)).body
    expect([first.subscriptions.length, rest.subscriptions.length, rest.next_cursor]).toEqual([15, 5, null])
  })
})

test('a subscription is one of 20, even where many are made at once', async ({ newTenant }) => {
  const tenant = await newTenant()
  const answers = await Promise.all(
    Array.from({ length: 40 }, () => tenant.calls('POST', '/v1/subscriptions', WANTED)),
  )
  const { 201: made, 429: refused } = Object.groupBy(answers, ({ status }) => status)
  expect([made?.length, refused?.length]).toEqual([20, 20])
})

test('a subscription of another tenant is not there', async ({ newTenant, delivers }) => {
  const [acme, globex] = [await newTenant(), await newTenant()]
  const { id } = await subscribes(acme)
  const event = randomUUID()
  await delivers(reportOf(acme, id, 'dead', { attempts: 8, event: deadEvent(acme, event) }))
  const path = `/v1/subscriptions/${id}`
  for (const [method, url] of [
    ['GET', path],
    ['DELETE', path],
    ['POST', `${path}/rotate`],
    ['POST', `${path}/test`],
    ['GET', `${path}/dead`],
    ['POST', `${path}/dead/${event}/retry`],
  ] as const) {
    expect((await globex.calls(method, url)).status, `${method} ${url}`).toBe(404)
  }
  expect((await acme.calls('GET', `${path}/dead`)).body.dead).toHaveLength(1)
})

describe('a report of the sender', () => {
  test('is written down; the newest wins, however late the others come', async ({ newTenant, delivers }) => {
    const tenant = await newTenant()
    const { id } = await subscribes(tenant)
    const at = (second: number) => ({ at: `2026-01-01T00:00:0${second}.000Z` })
    const state = async () =>
      (await tenant.calls('GET', `/v1/subscriptions/${id}`)).body.subscription.delivery
    expect(await delivers(reportOf(tenant, id, 'failed', { ...at(2), event: 'e', attempt: 3 }))).toBe(202)
    expect(await state()).toMatchObject({
      state: 'failing',
      last_error: { ...ERROR, ...at(2), event: 'e', attempt: 3 },
    })
    expect(await delivers(reportOf(tenant, id, 'recovered', at(1)))).toBe(202)
    expect((await state()).state).toBe('failing')
    expect(await delivers(reportOf(tenant, id, 'recovered', at(3)))).toBe(202)
    expect((await state()).state).toBe('delivering')
  })

  test('is believed for its own subscription alone', async ({ newTenant, delivers, eventKey, owner }) => {
    const [acme, globex] = [await newTenant(), await newTenant()]
    const [mine, theirs] = [await subscribes(acme), await subscribes(globex)]
    const keyOfMine = deriveReportKey(WEBHOOK_KEY, acme.id, mine.id)
    const sibling = await subscribes(acme)
    const forged = [
      reportOf(acme, sibling.id, 'disabled', {}, keyOfMine),
      reportOf(globex, theirs.id, 'disabled', {}, keyOfMine),
      reportOf(globex, theirs.id, 'disabled', {}, WEBHOOK_KEY),
      reportOf(globex, theirs.id, 'disabled', {}, eventKey),
      reportOf(globex, theirs.id, 'disabled', {}, deriveResultKey(eventKey, globex.id, theirs.id)),
      { ...reportOf(acme, mine.id, 'disabled'), tenantid: globex.id },
    ]
    for (const event of forged) expect(await delivers(event)).toBe(403)
    // Rightly signed, and about a subscription that its tenant does not have.
    expect(await delivers(reportOf(acme, theirs.id, 'disabled'))).toBe(202)
    expect(await delivers(reportOf(acme, theirs.id, 'dead', { attempts: 8, event: deadEvent(acme) }))).toBe(
      202,
    )
    expect(await owner`select status from webhook_subscriptions where id = ${theirs.id}`).toEqual([
      { status: 'active' },
    ])
    expect(await owner`select from webhook_dead_letters where subscription_id = ${theirs.id}`).toHaveLength(0)
    // The sender's key signs nothing else.
    const other = createEvent(
      {
        source: '/webhooks',
        type: 'io.kgents.mapping.matched',
        tenant: acme.id,
        data: { subscription: mine.id },
      },
      keyOfMine,
    )
    expect(await delivers(other)).toBe(403)
  })

  test('that an event is dead is kept once, and a subscription with too many is ended', async ({
    newTenant,
    delivers,
    owner,
  }) => {
    const tenant = await newTenant()
    const { id } = await subscribes(tenant)
    const event = deadEvent(tenant)
    for (let count = 0; count < 2; count++) {
      expect(await delivers(reportOf(tenant, id, 'dead', { attempts: 8, event }))).toBe(202)
    }
    const dead = () => tenant.calls('GET', `/v1/subscriptions/${id}/dead`)
    expect((await dead()).body.dead).toMatchObject([{ attempts: 8, error: ERROR, event: { id: event.id } }])
    expect(JSON.stringify((await dead()).body)).not.toContain('amount')
    await owner`
      insert into webhook_dead_letters (tenant_id, subscription_id, event_id, event, error, attempts)
      select ${tenant.id}, ${id}, gen_random_uuid(), '{}', '{}', 8 from generate_series(1, 998)`
    await delivers(reportOf(tenant, id, 'dead', { attempts: 8, event: deadEvent(tenant) }))
    const { body } = await tenant.calls('GET', `/v1/subscriptions/${id}`)
    expect(body.subscription).toMatchObject({ status: 'disabled', delivery: { dead: 1000 } })
  })
})
