/** Events that no attempt could deliver to a function are kept for their tenant's admins, who can have them delivered again. */
import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import { z } from 'zod'
import { defineOperation, trigger } from '../../../shared/contract/define-operation.ts'
import { createEvent, deriveReportKey, type KgentsEvent } from '../../../shared/events/event.ts'
import { Failure } from '../../../shared/failures.ts'
import { hostOf } from '../../../shared/http/host-of.ts'
import { WEBHOOK_KEY } from './in-process.ts'
import { insertColleague, testWith, type Tenant } from './world.ts'

const FRAGILE = 'io.kgents.test.fragile'

/** Whether the function that these events are for is broken, and how often it has taken each. */
const state = { isBroken: true, taken: new Map<string, number>() }

const fragile = defineOperation({
  name: 'fragile',
  summary: 'Takes events while it is not broken',
  routes: {},
  triggers: [
    trigger({
      name: 'taken',
      attributes: { type: FRAGILE },
      data: z.object({ key: z.string() }).loose(),
      async handle({ key }) {
        if (state.isBroken) throw new Failure('DEPENDENCY_UNAVAILABLE', `Cannot take it: it is broken`)
        state.taken.set(key, (state.taken.get(key) ?? 0) + 1)
      },
    }),
  ],
})

interface Failed {
  function?: string
  code?: string
  answer?: string
}

/** What the Broker adds to an event that it could not deliver. */
function asDeadLetter(
  event: KgentsEvent,
  { function: name = 'fragile', code = '503', answer = '{"code":"INTERNAL"}' }: Failed = {},
) {
  return {
    ...event,
    knativeerrordest: `http://${hostOf(name)}/events`,
    knativeerrorcode: code,
    knativeerrordata: Buffer.from(answer).toString('base64').slice(0, 1024),
  }
}

const test = testWith([fragile]).extend<{
  admin: Tenant
  eventOf(tenant: Pick<Tenant, 'id'>, more?: object): KgentsEvent
  /** Hands an event over as the Broker does, in binary form; answers the status. */
  buries(letter: KgentsEvent | ReturnType<typeof asDeadLetter>): Promise<number>
  letterIn(tenant: Tenant): Promise<string>
}>({
  admin: async ({ newTenant }, use) => use(await newTenant('enterprise', ['admin'])),
  eventOf: async ({ eventKey }, use) =>
    use(({ id }, more = {}) =>
      createEvent(
        {
          source: '/functions/test',
          type: FRAGILE,
          tenant: id,
          subject: 'a.b',
          data: { key: randomUUID(), ...more },
        },
        eventKey,
      ),
    ),
  buries: async ({ opened }, use) =>
    use(async ({ data, datacontenttype = 'application/json', ...attributes }) => {
      const headers = Object.entries(attributes).flatMap(([name, value]) =>
        value === undefined ? [] : [[`ce-${name}`, value]],
      )
      const response = await opened.app.request('/dead-letters', {
        method: 'POST',
        headers: {
          ...(Object.fromEntries(headers) as Record<string, string>),
          'content-type': datacontenttype,
        },
        body: JSON.stringify(data),
      })
      const text = await response.text()
      if (response.status === 202 && text !== '') throw new Error('Knative takes a body for a failure')
      return response.status
    }),
  letterIn: async ({}, use) =>
    use(async (tenant) => (await tenant.calls('GET', '/v1/dead-letters')).body.dead_letters[0].id),
})

const list = async (tenant: Pick<Tenant, 'calls'>, query = '') =>
  (await tenant.calls('GET', `/v1/dead-letters${query}`)).body.dead_letters

describe('a dead letter is kept', () => {
  test('with its attributes, the function that failed and what that answered, without data and signature', async ({
    admin,
    eventOf,
    buries,
    expect,
  }) => {
    const event = eventOf(admin)
    expect(await buries(asDeadLetter(event, { answer: '{"code":"DEPENDENCY_UNAVAILABLE"}' }))).toBe(202)
    const { data: _data, signature: _signature, ...attributes } = event
    const [letter] = await list(admin)
    expect(letter).toEqual({
      id: expect.any(String),
      function: 'fragile',
      event: attributes,
      error: { status: 503, message: '{"code":"DEPENDENCY_UNAVAILABLE"}' },
      replays: 0,
      at: expect.any(String),
    })
    expect((await admin.calls('GET', `/v1/dead-letters/${letter.id}`)).body).toEqual({ dead_letter: letter })
  })

  test('once for each function, however often it is delivered', async ({
    admin,
    eventOf,
    buries,
    expect,
  }) => {
    const event = eventOf(admin)
    const letters = ['fragile', 'fragile', 'self-soul'].map((name) => asDeadLetter(event, { function: name }))
    expect(await Promise.all(letters.map((letter) => buries(letter)))).toEqual([202, 202, 202])
    expect((await list(admin)).map((each: { function: string }) => each.function).toSorted()).toEqual([
      'fragile',
      'self-soul',
    ])
  })

  test('as it came, with every digit of its numbers', async ({ admin, buries, eventKey, owner, expect }) => {
    const data = { key: 'x', amount: JSON.rawJSON('0.12345678901234567890'), nul: '\0' }
    const event = createEvent({ source: '/x', type: FRAGILE, tenant: admin.id, data }, eventKey)
    expect(await buries(asDeadLetter(event))).toBe(202)
    const [row] = await owner<
      { event: string }[]
    >`select event from dead_letters where tenant_id = ${admin.id}`
    expect(JSON.parse(row?.event ?? '')).toEqual(JSON.parse(JSON.stringify(event)))
    expect(row?.event).toContain('0.12345678901234567890')
    expect(row?.event).not.toContain('knativeerror')
  })

  test.for<[string, Failed, object]>([
    ['no answer', { code: '-1', answer: '' }, { message: '' }],
    ['an answer cut within a character', { answer: `${'x'.repeat(766)}é` }, { status: 503 }],
    ['NUL and other controls', { answer: 'a\0\u001bb' }, { status: 503, message: 'a b' }],
  ])(
    'with an error that can be shown, of %s',
    async ([, failed, error], { admin, eventOf, buries, expect }) => {
      expect(await buries(asDeadLetter(eventOf(admin), failed))).toBe(202)
      const [letter] = await list(admin)
      expect(letter.error).toMatchObject(error)
      expect(letter.error.message).not.toContain('\ufffd')
      expect('status' in letter.error).toBe('status' in error)
    },
  )

  test('although the Broker does not say which function failed', async ({
    admin,
    eventOf,
    buries,
    letterIn,
    expect,
  }) => {
    expect(await buries(eventOf(admin))).toBe(202)
    expect(await list(admin)).toMatchObject([{ function: 'unknown', error: { message: '' } }])
    const replayed = await admin.calls('POST', `/v1/dead-letters/${await letterIn(admin)}/replay`)
    expect(replayed).toMatchObject({ status: 409, body: { code: 'STATE_CONFLICT' } })
    expect(await list(admin)).toHaveLength(1)
  })

  test('of the sender of webhooks, which signs with another key', async ({ admin, buries, expect }) => {
    const subscription = randomUUID()
    const event = createEvent(
      {
        source: '/webhooks',
        type: 'io.kgents.subscription.failed',
        tenant: admin.id,
        data: { subscription },
      },
      deriveReportKey(WEBHOOK_KEY, admin.id, subscription),
    )
    expect(await buries(asDeadLetter(event, { function: 'subscriptions' }))).toBe(202)
    expect(await list(admin)).toHaveLength(1)
  })

  test('in pages, newest first, by function and by type', async ({ admin, eventOf, buries, expect }) => {
    for (const name of ['fragile', 'self-soul', 'fragile']) {
      await buries(asDeadLetter(eventOf(admin), { function: name }))
    }
    const all = await list(admin)
    const first = (await admin.calls('GET', '/v1/dead-letters?limit=2')).body
    const second = (await admin.calls('GET', `/v1/dead-letters?limit=2&cursor=${first.next_cursor}`)).body
    expect([...first.dead_letters, ...second.dead_letters]).toEqual(all)
    expect(second.next_cursor).toBeNull()
    expect(
      all
        .map((each: { id: string }) => each.id)
        .toSorted()
        .toReversed(),
    ).toEqual(all.map((each: { id: string }) => each.id))
    expect(await list(admin, '?function=self-soul')).toHaveLength(1)
    expect(await list(admin, `?type=${FRAGILE}&function=fragile`)).toHaveLength(2)
    expect(await list(admin, '?type=io.kgents.other')).toEqual([])
  })
})

describe('what cannot be believed is not kept', () => {
  test('and is refused for good', async ({ admin, newTenant, eventOf, buries, owner, expect }) => {
    const globex = await newTenant()
    const letter = asDeadLetter(eventOf(admin))
    for (const forged of [
      { ...letter, tenantid: globex.id },
      { ...letter, type: 'io.kgents.test.other' },
      { ...letter, data: { key: 'forged' } },
      { ...letter, signature: '' },
    ]) {
      expect([400, 403]).toContain(await buries(forged))
    }
    expect(await buries({ ...letter, id: '' })).toBe(400)
    expect(await owner`select from dead_letters where tenant_id in (${admin.id}, ${globex.id})`).toEqual([])
  })
})

describe('a replay', () => {
  test('that is taken removes the letter, and has the effect of the event once', async ({
    admin,
    eventOf,
    buries,
    delivers,
    letterIn,
    expect,
  }) => {
    const key = randomUUID()
    const event = eventOf(admin, { key, exact: JSON.rawJSON('1.00000000000000000001'), text: 'ünïcode' })
    state.isBroken = true
    expect(await delivers(event)).toBe(503)
    await buries(asDeadLetter(event))
    const id = await letterIn(admin)
    state.isBroken = false
    const { status, body } = await admin.calls('POST', `/v1/dead-letters/${id}/replay`)
    expect({ status, body }).toEqual({ status: 200, body: { id, function: 'fragile', outcome: 'taken' } })
    expect(state.taken.get(key)).toBe(1)
    expect(await list(admin)).toEqual([])
    expect((await admin.calls('GET', `/v1/dead-letters/${id}`)).status).toBe(404)
    expect((await admin.calls('POST', `/v1/dead-letters/${id}/replay`)).status).toBe(404)
  })

  test('of what was handled meanwhile does nothing again', async ({
    admin,
    eventOf,
    buries,
    delivers,
    letterIn,
    expect,
  }) => {
    const key = randomUUID()
    const event = eventOf(admin, { key })
    await buries(asDeadLetter(event))
    state.isBroken = false
    expect(await delivers(event)).toBe(202)
    const id = await letterIn(admin)
    expect((await admin.calls('POST', `/v1/dead-letters/${id}/replay`)).body.outcome).toBe('taken')
    expect(state.taken.get(key)).toBe(1)
  })

  test('that fails keeps the letter, with what the function answered now', async ({
    admin,
    eventOf,
    buries,
    letterIn,
    expect,
  }) => {
    await buries(asDeadLetter(eventOf(admin), { code: '500', answer: 'before' }))
    const id = await letterIn(admin)
    state.isBroken = true
    const { status, body } = await admin.calls('POST', `/v1/dead-letters/${id}/replay`)
    expect(status).toBe(200)
    expect(body).toMatchObject({ outcome: 'failed', error: { status: 503 } })
    expect(body.error.message).toContain('it is broken')
    expect(await list(admin)).toMatchObject([{ id, error: body.error, replays: 1 }])
  })

  test('goes to no host but a function’s', async ({ admin, eventOf, buries, letterIn, expect }) => {
    const letter = asDeadLetter(eventOf(admin))
    await buries({ ...letter, knativeerrordest: 'http://redis-rest.kgents.svc.cluster.local/events' })
    const { status } = await admin.calls('POST', `/v1/dead-letters/${await letterIn(admin)}/replay`)
    expect(status).toBe(409)
    const other = asDeadLetter(eventOf(admin))
    await buries({ ...other, knativeerrordest: 'http://fragile.example.com/events' })
    expect(await list(admin, '?function=unknown')).toHaveLength(1)
  })
})

describe('many at once', () => {
  test('are delivered again by what they have in common, and of another tenant none', async ({
    admin,
    newTenant,
    eventOf,
    buries,
    expect,
  }) => {
    const globex = await newTenant('enterprise', ['admin'])
    for (const tenant of [admin, admin, admin, globex]) await buries(asDeadLetter(eventOf(tenant)))
    state.isBroken = true
    const failing = await admin.calls('POST', '/v1/dead-letters/replay', { function: 'fragile', limit: 2 })
    expect(failing.body).toEqual({ taken: 0, failed: 2, remaining: 1 })
    state.isBroken = false
    const rest = await admin.calls('POST', '/v1/dead-letters/replay', { type: FRAGILE })
    expect(rest.body).toEqual({ taken: 3, failed: 0, remaining: 0 })
    expect([await list(admin), await list(globex)]).toMatchObject([[], [{ replays: 0 }]])
  })

  test('are removed, oldest first, and never all by mistake', async ({ admin, eventOf, buries, expect }) => {
    for (let n = 0; n < 3; n++) await buries(asDeadLetter(eventOf(admin)))
    const [newest] = await list(admin)
    expect((await admin.calls('POST', '/v1/dead-letters/discard', {})).status).toBe(400)
    const { body } = await admin.calls('POST', '/v1/dead-letters/discard', { function: 'fragile', limit: 2 })
    expect(body).toEqual({ discarded: 2, remaining: 1 })
    expect(await list(admin)).toMatchObject([{ id: newest?.id }])
  })
})

describe('dead letters belong to the admins of their tenant', () => {
  const CALLS = [
    ['GET', ''],
    ['POST', '/replay'],
    ['DELETE', ''],
  ] as const

  test('and another tenant finds none', async ({ admin, newTenant, eventOf, buries, letterIn, expect }) => {
    const globex = await newTenant('enterprise', ['admin'])
    await buries(asDeadLetter(eventOf(admin)))
    const id = await letterIn(admin)
    expect(await list(globex)).toEqual([])
    for (const [method, path] of CALLS) {
      expect((await globex.calls(method, `/v1/dead-letters/${id}${path}`)).status).toBe(404)
    }
    expect(await list(admin)).toHaveLength(1)
  })

  test('and nobody else in it may call', async ({ admin, eventOf, buries, letterIn, owner, expect }) => {
    await buries(asDeadLetter(eventOf(admin)))
    const id = await letterIn(admin)
    for (const role of ['viewer', 'developer']) {
      const headers = { 'x-api-key': await insertColleague(owner, admin, role) }
      for (const [method, path] of [...CALLS.map(([each, rest]) => [each, `/${id}${rest}`]), ['GET', '']]) {
        const { status } = await admin.calls(method ?? '', `/v1/dead-letters${path}`, undefined, headers)
        expect(status, `${role} ${method} ${path}`).toBe(403)
      }
    }
    expect(await list(admin)).toHaveLength(1)
  })

  test('who can remove them', async ({ admin, eventOf, buries, letterIn, expect }) => {
    await buries(asDeadLetter(eventOf(admin)))
    const id = await letterIn(admin)
    const { status, body } = await admin.calls('DELETE', `/v1/dead-letters/${id}`)
    expect({ status, id: body.dead_letter.id }).toEqual({ status: 200, id })
    expect(await list(admin)).toEqual([])
    expect((await admin.calls('DELETE', `/v1/dead-letters/${id}`)).status).toBe(404)
  })
})
