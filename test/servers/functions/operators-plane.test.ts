/** What operators see and repair across tenants, how they act in one, and what tenants see of their own work. */
import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import { z } from 'zod'
import { reasonsOf } from '../../../functions/control/operator-platform/health.ts'
import { defineOperation, trigger } from '../../../shared/contract/define-operation.ts'
import { createEvent } from '../../../shared/events/event.ts'
import { Failure } from '../../../shared/failures.ts'
import { permissionsOf } from '../../../shared/identity/permissions.ts'
import { hostOf } from '../../../shared/http/host-of.ts'
import { newId } from '../../../shared/new-id.ts'
import { OPERATIONS, requestFor } from './examples.ts'
import { testWithHolders } from './holders.ts'
import type { Tenant } from './world.ts'

const BRITTLE = 'io.kgents.test.brittle'
const state = { isBroken: true, taken: [] as string[] }

const brittle = defineOperation({
  name: 'brittle',
  summary: 'Takes events while it is not broken',
  routes: {},
  triggers: [
    trigger({
      name: 'taken',
      attributes: { type: BRITTLE },
      data: z.object({ key: z.string() }).loose(),
      async handle({ key }) {
        if (state.isBroken) throw new Failure('DEPENDENCY_UNAVAILABLE', 'Cannot take it: it is broken')
        state.taken.push(key)
      },
    }),
  ],
})

const LETTERS = '/v1/operator/dead-letters'
const TRACE = /^[0-9a-f]{32}$/

const test = testWithHolders([brittle]).extend<{
  operator: Tenant
  /** So many dead letters of a tenant; answers their ids. */
  deadLetters(tenant: Tenant, count: number): Promise<string[]>
}>({
  operator: async ({ newTenant }, use) => use(await newTenant('enterprise', ['super_admin', 'admin'])),
  deadLetters: async ({ owner, opened, eventKey }, use) =>
    use(async ({ id }, count) => {
      for (let at = 0; at < count; at += 1) {
        const event = createEvent(
          {
            source: '/functions/test',
            type: BRITTLE,
            tenant: id,
            data: { key: randomUUID(), diary: 'private words' },
          },
          eventKey,
        )
        const letter = {
          ...event,
          knativeerrordest: `http://${hostOf('brittle')}/events`,
          knativeerrorcode: '503',
          knativeerrordata: Buffer.from('{}').toString('base64'),
        }
        const { status } = await opened.app.request('/dead-letters', {
          method: 'POST',
          headers: { 'content-type': 'application/cloudevents+json' },
          body: JSON.stringify(letter),
        })
        if (status !== 202) throw new Error(`The sink has answered ${status}`)
      }
      return (await owner`select id from dead_letters where tenant_id = ${id} order by id`).map(
        ({ id: letter }) => String(letter),
      )
    }),
})

const DIALOGUE = '/v1/agentese/self/soul/dialogue'
const MESSAGE = { message: 'How does a garden grow?' }

describe('GET /v1/jobs', () => {
  test('filters by status, path, person and time', async ({ admin, colleague, settles, expect }) => {
    const bob = await colleague('developer')
    const first = await admin.calls('POST', DIALOGUE, MESSAGE)
    await settles(admin)
    const second = await bob.calls('POST', DIALOGUE, MESSAGE)
    const ids = async (query: string) =>
      (await admin.calls('GET', `/v1/jobs?${query}`)).body.jobs.map((job: { id: string }) => job.id)
    const [one, two] = [first.body.job.id, second.body.job.id]
    expect(await ids('status=completed')).toEqual([one])
    expect(await ids('path=self.soul.dialogue&status=queued')).toEqual([two])
    expect(await ids('path=self.soul')).toEqual([two, one])
    expect(await ids('path=self.so')).toEqual([])
    expect(await ids(`person=${admin.user}`)).toEqual([one])
    expect(await ids('from=2999-01-01T00:00:00Z')).toEqual([])
    expect(await ids('from=2020-01-01T00:00:00Z&to=2999-01-01T00:00:00Z&limit=1')).toEqual([two])
    const own = await bob.calls('GET', `/v1/jobs?person=${admin.user}`)
    expect(own.body.jobs).toEqual([])
  })
})

describe('GET /v1/traces', () => {
  test('shows a call of a model as one tree: the wait, the work, the continuation, with tokens and cost', async ({
    admin,
    newTenant,
    owner,
    delivers,
    resultOf,
    settles,
    expect,
  }) => {
    const { body } = await admin.calls('POST', DIALOGUE, MESSAGE)
    const job = body.job.id
    const [row] =
      await owner`select split_part(call ->> 'traceparent', '-', 2) as trace from jobs where id = ${job}`
    const id = String(row?.['trace'])
    expect(id).toMatch(TRACE)
    const waiting = (await admin.calls('GET', `/v1/traces/${id}`)).body
    expect(waiting.spans).toMatchObject([
      { kind: 'call', status: 'queued', name: 'self.soul.dialogue' },
      { kind: 'queue', status: 'queued', parent: job },
    ])
    await delivers(
      resultOf(admin.id, job, 'io.kgents.inference.started', { attempt: 1, engine: 'test', model: 'test' }),
    )
    await settles(admin, () => ({ text: 'Slowly.', durationSeconds: 0.001 }))
    const done = (await admin.calls('GET', `/v1/traces/${id}`)).body
    expect(done).toMatchObject({ id, charges: { tokens: 12 }, cost_cents: 0.012, truncated: false })
    expect(done.spans).toMatchObject([
      { id: job, kind: 'call', status: 'success', tokens: { prompt: 5, completion: 7 }, person: admin.user },
      { kind: 'queue', parent: job, status: 'success' },
      { kind: 'worker', parent: job, status: 'success', duration_ms: 1 },
      { kind: 'continuation', parent: job, status: 'success' },
    ])
    const { traces } = (await admin.calls('GET', '/v1/traces?path=self.soul.dialogue&status=success')).body
    expect(traces).toMatchObject([{ id, path: 'self.soul.dialogue', calls: 1, charges: { tokens: 12 } }])
    expect((await admin.calls('GET', '/v1/traces?end=2020-01-01T00:00:00Z')).body.traces).toEqual([])
    const stranger = await newTenant('enterprise', ['admin'])
    expect((await stranger.calls('GET', `/v1/traces/${id}`)).status).toBe(404)
    expect((await stranger.calls('GET', '/v1/traces')).body.traces).toEqual([])
  })

  test('lists a trace of several calls once, and hides what is personal to others', async ({
    admin,
    colleague,
    runtime,
    expect,
  }) => {
    const trace = randomUUID().replaceAll('-', '')
    const headers = { traceparent: `00-${trace}-00f067aa0ba902b7-01` }
    for (const path of ['void/entropy/sip', 'self/memory/manifest'])
      await admin.calls('POST', `/v1/agentese/${path}`, {}, headers)
    await runtime.recorder.flush()
    const all = (await admin.calls('GET', '/v1/traces')).body.traces
    expect(all).toMatchObject([{ id: trace, calls: 2 }])
    const bob = await colleague('developer')
    expect((await bob.calls('GET', '/v1/traces')).body.traces).toMatchObject([{ id: trace, calls: 1 }])
    const { spans } = (await bob.calls('GET', `/v1/traces/${trace}`)).body
    expect(spans).toMatchObject([{ name: 'void.entropy.sip' }])
    expect((await bob.calls('GET', '/v1/traces?path=self.memory.manifest')).body.traces).toEqual([])
  })
})

describe('dead letters of all tenants', () => {
  test('are listed by what they are, without what they say', async ({
    operator,
    admin,
    deadLetters,
    expect,
  }) => {
    const ids = await deadLetters(admin, 3)
    const { body } = await operator.calls('GET', `${LETTERS}?tenant=${admin.id}&function=brittle&limit=2`)
    expect(body.dead_letters.map((letter: { id: string }) => letter.id)).toEqual([ids[2], ids[1]])
    expect(body.dead_letters[0]).toMatchObject({
      tenant: { id: admin.id },
      type: BRITTLE,
      error: { status: 503 },
    })
    expect(JSON.stringify(body)).not.toContain('private words')
    const next = await operator.calls(
      'GET',
      `${LETTERS}?tenant=${admin.id}&function=brittle&limit=2&cursor=${body.next_cursor}`,
    )
    expect(next.body).toMatchObject({ dead_letters: [{ id: ids[0] }], next_cursor: null })
  })

  test('are delivered again in bulk, each once, and what was done is in the audit of the tenant', async ({
    operator,
    admin,
    owner,
    deadLetters,
    expect,
  }) => {
    await deadLetters(admin, 4)
    const replay = (more = {}) => operator.calls('POST', `${LETTERS}/replay`, { tenant: admin.id, ...more })
    state.isBroken = true
    expect((await replay({ limit: 2 })).body).toEqual({ taken: 0, failed: 2, remaining: 2 })
    state.isBroken = false
    state.taken = []
    const answers = await Promise.all([replay(), replay()])
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    // Both have delivered what both had found; the function has taken each once.
    expect(state.taken).toHaveLength(4)
    expect((await replay()).body).toEqual({ taken: 0, failed: 0, remaining: 0 })
    const lost = await deadLetters(admin, 2)
    await owner`update dead_letters set function = 'gone' where id = ${lost[0] ?? ''}`
    expect((await replay()).body).toEqual({ taken: 1, failed: 1, remaining: 0 })
    const [left] = (await operator.calls('GET', `${LETTERS}?tenant=${admin.id}`)).body.dead_letters
    expect(left).toMatchObject({
      id: lost[0],
      replays: 1,
      error: { message: expect.stringContaining('gone') },
    })
    const { audit } = (await admin.calls('GET', '/v1/audit')).body
    expect(audit.at(-1)).toMatchObject({
      action: 'dead_letters.replayed',
      actor: { user: null, operator: true },
      details: { count: 2 },
    })
  })

  test('are removed by ids or by a filter, never all of them by mistake', async ({
    operator,
    admin,
    newTenant,
    deadLetters,
    owner,
    expect,
  }) => {
    const ids = await deadLetters(admin, 3)
    const globex = await newTenant('pro', ['admin'])
    await deadLetters(globex, 1)
    const discard = (chosen: object) =>
      operator.calls('POST', `${LETTERS}/discard`, { reason: 'Old', ...chosen })
    expect((await discard({})).status).toBe(400)
    expect((await discard({ ids: [ids[0], newId()] })).body).toEqual({ discarded: 1, remaining: 0 })
    expect((await discard({ tenant: admin.id, limit: 1 })).body).toEqual({ discarded: 1, remaining: 1 })
    expect((await discard({ tenant: admin.id, type: BRITTLE })).body).toEqual({ discarded: 1, remaining: 0 })
    expect((await discard({ tenant: admin.id })).body).toEqual({ discarded: 0, remaining: 0 })
    expect(await owner`select from dead_letters where tenant_id = ${globex.id}`).toHaveLength(1)
    const { audit } = (await admin.calls('GET', '/v1/audit')).body
    expect(audit).toMatchObject(
      [1, 1, 1].map((count) => ({ action: 'dead_letters.discarded', details: { count, reason: 'Old' } })),
    )
  })
})

describe('GET /v1/operator/queues, health and margins', () => {
  test('show what waits, of which tenant', async ({ operator, admin, expect }) => {
    await admin.calls('POST', DIALOGUE, MESSAGE)
    const { body } = await operator.calls('GET', '/v1/operator/queues?limit=100')
    const own = body.queues.find((queue: { tenant: { id: string } }) => queue.tenant.id === admin.id)
    expect(own).toMatchObject({
      waiting: 1,
      admitted: 0,
      running: 0,
      oldest_wait_seconds: expect.any(Number),
    })
    expect(body.total.waiting).toBeGreaterThanOrEqual(1)
  })

  test('never say ok while a part is down', async ({ operator, owner, admin, expect }) => {
    await owner`
      insert into outbox (id, tenant_id, subjects, event, created_at)
      values (${newId()}, ${admin.id}, '{x}', '{}', now() - interval '1 hour')`
    const { status, body } = await operator.calls('GET', '/v1/operator/health')
    await owner`delete from outbox where tenant_id = ${admin.id}`
    expect(status).toBe(200)
    expect(body).toMatchObject({ status: 'degraded', components: { postgres: { status: 'ok' } } })
    expect(body.outbox.lag_seconds).toBeGreaterThan(3000)
    expect(body.reasons.join()).toContain('outbox is behind')
    const facts = {
      outbox: { waiting: 0, lag_seconds: 0 },
      jobs: { waiting: 0, oldest_wait_seconds: 0 },
      dead_letters: 0,
    }
    const ok = { ...facts, components: { nats: { status: 'ok' as const } }, streams: [] }
    expect(reasonsOf(ok)).toEqual([])
    expect(reasonsOf({ ...ok, streams: null })).toHaveLength(1)
    expect(reasonsOf({ ...ok, components: { redis: { status: 'degraded' } } })).toEqual([
      'redis is degraded: is down',
    ])
    const consumers = [{ name: 'broker', pending: 5000, unacknowledged: 0 }]
    expect(reasonsOf({ ...ok, streams: [{ stream: 'EVENTS', messages: 5000, consumers }] })).toHaveLength(1)
  })

  test('count tokens of a month against what they cost', async ({ operator, admin, owner, expect }) => {
    await owner`
      insert into allowances (tenant_id, resource, period, granted, spent) values
        (${admin.id}, 'tokens', '2031-01', null, 250000), (${admin.id}, 'tokens', '2031-02', null, 1)`
    const url = '/v1/operator/margins?from=2031-01&to=2031-01&cents_per_1000_tokens=0.3'
    const { body } = await operator.calls('GET', url)
    expect(
      body.margins.filter(({ tenant }: { tenant: { id: string } }) => tenant.id === admin.id),
    ).toMatchObject([
      { month: '2031-01', revenue_cents: 0, tokens: 250_000, cost_cents: 75, margin_cents: -75 },
    ])
    expect((await operator.calls('GET', '/v1/operator/margins?from=2020-01&to=2031-01')).status).toBe(400)
    expect((await operator.calls('GET', '/v1/operator/margins?from=2020-13')).status).toBe(400)
  })
})

describe('POST /v1/operator/tenants/:id/impersonate', () => {
  const begin = (operator: Tenant, tenant: string, more = {}) =>
    operator.calls('POST', `/v1/operator/tenants/${tenant}/impersonate`, { reason: 'Ticket 7', ...more })

  test('lets an operator look, as itself, with a record on both sides', async ({
    operator,
    admin,
    withToken,
    expect,
  }) => {
    const { status, body } = await begin(operator, admin.id)
    expect({ status, seconds: body.expires_in }).toEqual({ status: 201, seconds: 900 })
    const guest = withToken(body.access_token)
    expect((await guest.calls('GET', '/v1/tenant')).body.tenant.id).toBe(admin.id)
    expect((await guest.calls('GET', '/v1/auth/identity')).body).toMatchObject({
      tenant: admin.id,
      user: operator.user,
      roles: ['admin'],
      impersonator: { operator: operator.user, impersonation: body.impersonation, may_write: false },
    })
    expect((await admin.calls('GET', '/v1/auth/identity')).body).not.toHaveProperty('impersonator')
    for (const side of [admin, operator])
      expect((await side.calls('GET', '/v1/audit')).body.audit[0]).toMatchObject({
        action: 'tenant.impersonated',
        details: { reason: 'Ticket 7', may_write: false },
      })
  })

  test('changes nothing without being allowed to, and names the operator where it is', async ({
    operator,
    admin,
    withToken,
    expect,
  }) => {
    const rename = { name: 'Renamed' }
    const reading = withToken((await begin(operator, admin.id)).body.access_token)
    expect((await reading.calls('PATCH', '/v1/tenant', rename)).body.code).toBe('AFFORDANCE_DENIED')
    for (const path of ['void/entropy/sip', 'self/soul/dialogue'])
      expect((await reading.calls('POST', `/v1/agentese/${path}`, MESSAGE)).status, path).toBeOneOf([
        400, 403,
      ])
    const invoked = await reading.calls('POST', '/v1/agentese/invoke', {
      path: 'void.entropy.sip',
      input: {},
    })
    expect(invoked.body.code).toBe('AFFORDANCE_DENIED')
    const writing = withToken((await begin(operator, admin.id, { may_write: true })).body.access_token)
    expect((await writing.calls('PATCH', '/v1/tenant', rename)).status).toBe(200)
    expect((await admin.calls('GET', '/v1/audit')).body.audit[0]).toMatchObject({
      action: 'tenant.renamed',
      actor: { user: operator.user, operator: true, impersonation: expect.any(String) },
    })
  })

  test('reaches no operation of operators and makes no credential, whatever it may write', async ({
    operator,
    admin,
    owner,
    withToken,
    expect,
  }) => {
    const guest = withToken((await begin(operator, admin.id, { may_write: true })).body.access_token)
    const count = async () =>
      (
        await owner`
          select (select count(*) from api_keys where tenant_id in (${admin.id}, ${operator.id})) as keys,
            (select count(*) from invitations where tenant_id in (${admin.id}, ${operator.id})) as invitations,
            (select count(*) from users where tenant_id in (${admin.id}, ${operator.id})) as users`
      )[0]
    const before = await count()
    const withheld = OPERATIONS.filter(
      ({ auth, permission, reveal, scopes }) =>
        auth === 'required' &&
        (permission === 'platform:operate' ||
          reveal !== undefined ||
          scopes.some((scope) => /^(api_key|invitation|member):(write|delete)$/.test(scope))),
    )
    expect(withheld.length).toBeGreaterThan(20)
    for (const endpoint of withheld) {
      const { status } = await guest.calls(...requestFor(endpoint))
      expect(status, endpoint.name).toBe(403)
    }
    expect(await count()).toEqual(before)
    expect((await guest.calls('POST', '/v1/auth/token', {})).status).toBe(401)
  })

  test('is as narrow as the credential that began it, and ends with its key', async ({
    operator,
    admin,
    withKey,
    withToken,
    passTime,
    expect,
  }) => {
    const scopes = ['platform_impersonation:write', 'member:read']
    const { body: made } = await operator.calls('POST', '/v1/api-keys', { name: 'support', scopes })
    const { body } = await withKey(made.key).calls('POST', `/v1/operator/tenants/${admin.id}/impersonate`, {
      reason: 'x',
    })
    const guest = withToken(body.access_token)
    expect((await guest.calls('GET', '/v1/members')).body.members).toHaveLength(1)
    expect((await guest.calls('GET', '/v1/tenant')).body.code).toBe('SCOPE_MISSING')
    await operator.calls('DELETE', `/v1/api-keys/${made.api_key.id}`)
    passTime()
    expect((await guest.calls('GET', '/v1/members')).status).toBe(401)
  })

  test('follows no stream, takes no copy of everything, and shows its token to no repetition', async ({
    operator,
    admin,
    owner,
    withToken,
    expect,
  }) => {
    const url = `/v1/operator/tenants/${admin.id}/impersonate`
    const once = () =>
      operator.calls('POST', url, { reason: 'x', may_write: true }, { 'idempotency-key': 'k' })
    const [first, second] = [await once(), await once()]
    expect(second.body).toEqual({ ...first.body, access_token: undefined })
    const rows = await owner`select answer::text from idempotency_keys where tenant_id = ${operator.id}`
    expect(JSON.stringify(rows)).not.toContain(first.body.access_token)
    const guest = withToken(first.body.access_token)
    expect((await guest.calls('GET', '/v1/agentese/subscribe?pattern=void.*')).body.code).toBe(
      'AFFORDANCE_DENIED',
    )
  })

  test('ends with its time, by its operator, and with the operator', async ({
    operator,
    admin,
    owner,
    withToken,
    passTime,
    expect,
  }) => {
    const look = async (token: string) => (await withToken(token).calls('GET', '/v1/tenant')).status
    const first = (await begin(operator, admin.id)).body
    expect(await look(first.access_token)).toBe(200)
    expect(
      (await operator.calls('DELETE', `/v1/operator/impersonations/${first.impersonation}`)).body.ended,
    ).toBe(true)
    expect(
      (await operator.calls('DELETE', `/v1/operator/impersonations/${first.impersonation}`)).status,
    ).toBe(404)
    const second = (await begin(operator, admin.id)).body
    expect(await look(second.access_token)).toBe(200)
    passTime()
    expect(await look(first.access_token)).toBe(401)
    await owner`update users set roles = '{admin}' where id = ${operator.user}`
    passTime()
    expect(await look(second.access_token)).toBe(401)
  })

  test('is for a reason, for a quarter of an hour at most, and for another tenant', async ({
    operator,
    admin,
    expect,
  }) => {
    for (const odd of [
      { reason: ' ' },
      { minutes: 16 },
      { minutes: 0 },
      { minutes: 1.5 },
      { may_write: 'yes' },
    ])
      expect((await begin(operator, admin.id, odd)).status, JSON.stringify(odd)).toBe(400)
    expect((await begin(operator, operator.id)).status).toBe(404)
    expect((await begin(operator, randomUUID())).status).toBe(404)
    expect((await begin(admin, operator.id)).body.code).toBe('SCOPE_MISSING')
  })

  test('cannot be made up: a token that names an impersonation which there is not is refused', async ({
    operator,
    admin,
    runtime,
    withToken,
    expect,
  }) => {
    const { token } = await runtime.platform.issueToken({
      tenant: admin.id,
      tier: 'enterprise',
      user: operator.user,
      roles: ['admin'],
      permissions: permissionsOf(['admin']),
      impersonation: { id: newId(), mayWrite: true },
    })
    expect((await withToken(token).calls('GET', '/v1/tenant')).status).toBe(401)
  })
})
