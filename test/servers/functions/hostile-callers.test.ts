/** What callers try who want more than they may have, or to break something; and what must not come of it. */
import { describe, expect } from 'vitest'
import { z } from 'zod'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { Failure } from '../../../shared/failures.ts'
import { createApp } from '../../../shared/http/app.ts'
import { colleagueOf } from './colleague.ts'
import { testWith, type Tenant, type World } from './world.ts'

const Text = z.strictObject({ text: z.string() })
const QUESTION = {
  messages: [{ role: 'user' as const, content: 'What is it?' }],
  maxTokens: 5,
  temperature: 0,
  estimateTokens: 50,
}

/** What the one call waits for that `slow` makes; set by the test that uses it. */
const slow = { begun: () => {}, end: Promise.resolve() }

/** Verbs that ask a model or wait for others. */
const oracle = defineNode('void.oracle', {
  summary: 'Verbs for tests',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Nothing',
      effects: [],
      input: NoInput,
      output: NoInput,
      examples: [],
      handle: () => ({}),
    }),
    look: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Looks by a model',
      effects: ['calls:llm', 'charges:tokens'],
      cost: () => ({ tokens: 50 }),
      needs: ['inference'],
      input: z.strictObject({ input: Text.optional() }),
      output: Text,
      examples: [],
      handle: (_input, { infer }) => infer(QUESTION),
      complete: ({ text, input }) => ({ text: `${input.input?.text ?? ''}${text}` }),
    }),
    hoard: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Finds, once a model has answered, that there is no room',
      effects: ['calls:llm', 'charges:tokens'],
      cost: () => ({ tokens: 50 }),
      needs: ['inference'],
      input: NoInput,
      output: Text,
      examples: [],
      handle: (_input, { infer }) => infer(QUESTION),
      complete() {
        throw new Failure('QUOTA_EXCEEDED', 'Cannot keep it: there is no room')
      },
    }),
    wait: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Waits for others',
      effects: ['calls:tool'],
      cost: () => ({}),
      transaction: false,
      input: NoInput,
      output: Text,
      examples: [],
      async handle() {
        slow.begun()
        await slow.end
        return { text: 'done' }
      },
    }),
  },
})

const test = testWith([oracle])
const LOOK_TWICE = 'void.oracle.look >> void.oracle.look'

function compose(tenant: Pick<Tenant, 'calls'>, body: object, headers = {}) {
  return tenant.calls('POST', '/v1/agentese/compose', body, headers)
}

describe('what is public', () => {
  test('GET /metrics tells nobody how tenants call their own things', async ({ newTenant, runtime }) => {
    const tenant = await newTenant()
    await tenant.calls('POST', '/v1/agentese/world/merger_with_globex/define', {})
    await runtime.recorder.flush()
    const response = await createApp(runtime).request('/metrics')
    const text = await response.text()
    expect(text).toMatch(/path="world\.\*\.define".*\} [1-9]/)
    expect(text).not.toContain('merger_with_globex')
  })
})

describe('a narrowed token', () => {
  async function narrowed({ calls }: Tenant, scope: string) {
    const { body } = await calls('POST', '/v1/auth/token', { scope })
    return { authorization: `Bearer ${body.access_token}` }
  }

  test.for([
    ['GET', '/v1/jobs', 'job:read'],
    ['GET', '/v1/agentese/aliases', 'alias:read'],
    ['DELETE', '/v1/agentese/aliases/mine', 'alias:delete'],
    ['GET', '/v1/agentese/subscribe?pattern=void.entropy.*', 'event:read'],
  ] as const)('reaches %s %s only with its scope', async ([method, path, scope], { newTenant }) => {
    const tenant = await newTenant()
    await tenant.calls('POST', '/v1/agentese/aliases', { alias: 'mine', target: 'self.soul' })
    const denied = await tenant.calls(method, path, undefined, await narrowed(tenant, 'entropy:read'))
    expect(denied).toMatchObject({
      status: 403,
      body: { code: 'SCOPE_MISSING', details: { scopes: [scope] } },
    })
    expect((await tenant.calls(method, path, undefined, await narrowed(tenant, scope))).status).toBe(200)
  })

  test('neither reads nor cancels what was said to K-gent', async ({ newTenant }) => {
    const tenant = await newTenant()
    const { body } = await tenant.calls('POST', '/v1/agentese/void/oracle/look', {})
    const token = await narrowed(tenant, 'entropy:read')
    for (const method of ['GET', 'DELETE'])
      expect((await tenant.calls(method, body.links.self, undefined, token)).body.code).toBe('SCOPE_MISSING')
  })

  test('does not point an alias of its owner elsewhere', async ({ newTenant }) => {
    const tenant = await newTenant()
    const alias = { alias: 'brain', target: 'self.soul' }
    const { body } = await tenant.calls(
      'POST',
      '/v1/agentese/aliases',
      alias,
      await narrowed(tenant, 'entropy:read'),
    )
    expect(body).toMatchObject({ code: 'SCOPE_MISSING', details: { scopes: ['alias:write'] } })
  })
})

describe('a role that was taken away', () => {
  test('takes along the capabilities that only it could take on', async ({ newTenant, owner, runtime }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const acquired = await tenant.calls('POST', '/v1/agentese/self/capabilities/acquire', {
      capability: 'self.soul.audit',
    })
    expect(acquired.status).toBe(200)
    const audit = (calls: Tenant['calls']) =>
      calls('POST', '/v1/agentese/self/soul/audit', {}, { 'x-observer-archetype': 'poet' })
    expect((await audit(tenant.calls)).status).toBe(200)
    const viewer = await colleagueOf(tenant, { owner, runtime }, 'viewer')
    await owner`
      update api_keys set user_id = ${tenant.user}
      where tenant_id = ${tenant.id} and user_id <> ${tenant.user}`
    await owner`update users set roles = '{viewer}' where id = ${tenant.user}`
    expect(await audit(viewer.calls)).toMatchObject({ status: 403, body: { code: 'AFFORDANCE_DENIED' } })
    const { body } = await viewer.calls('POST', '/v1/agentese/self/soul/affordances')
    expect(body.result).toMatchObject({ capabilities: [] })
  })
})

describe('an Idempotency-Key', () => {
  test("is its person's own: a colleague may use the same", async ({ newTenant, owner, runtime }) => {
    const tenant = await newTenant()
    const colleague = await colleagueOf(tenant, { owner, runtime })
    const sip = ({ calls }: Pick<Tenant, 'calls'>) =>
      calls('POST', '/v1/agentese/void/entropy/sip', {}, { 'idempotency-key': 'order-1' })
    const [first, other, again] = [await sip(tenant), await sip(colleague), await sip(tenant)]
    expect(other.status).toBe(200)
    expect(other.body.result.grant).not.toBe(first.body.result.grant)
    expect(again.body.result.grant).toBe(first.body.result.grant)
  })

  test('of the greatest length is good for a composition', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const twice = () =>
      compose(
        tenant,
        { expression: 'void.entropy.sip >> void.entropy.sip' },
        { 'idempotency-key': 'k'.repeat(255) },
      )
    expect((await twice()).status).toBe(200)
    expect((await twice()).status).toBe(200)
    expect(await owner`select from entropy_grants where tenant_id = ${tenant.id}`).toHaveLength(2)
  })

  test.for([
    ['other arguments', { inputs: [{ input: { text: 'b' } }] }],
    ['another mode', { inputs: [{ input: { text: 'a' } }], mode: 'collect' }],
    ['another archetype', { inputs: [{ input: { text: 'a' } }], observer: { archetype: 'poet' } }],
    ['other stages', { expression: 'void.oracle.look', inputs: [{ input: { text: 'a' } }] }],
  ] as const)('stands for one composition, and not for %s', async ([, other], { newTenant }) => {
    const tenant = await newTenant()
    const key = { 'idempotency-key': 'k' }
    const first = { expression: LOOK_TWICE, inputs: [{ input: { text: 'a' } }] }
    expect((await compose(tenant, first, key)).status).toBe(202)
    expect(await compose(tenant, { ...first, ...other }, key)).toMatchObject({
      status: 409,
      body: { code: 'IDEMPOTENCY_MISMATCH' },
    })
  })

  test('makes a look that asks a model one job', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const look = () => tenant.calls('POST', '/v1/agentese/void/oracle/look', {}, { 'idempotency-key': 'k' })
    const [first, second] = await Promise.all([look(), look()])
    expect(second.body.job.id).toBe(first.body.job.id)
    expect(await owner`select from jobs where tenant_id = ${tenant.id}`).toHaveLength(1)
  })
})

describe('a dry run', () => {
  test.for([
    ['/v1/agentese/invoke', { path: 'void.entropy.sip' }],
    ['/v1/agentese/compose', { expression: 'void.entropy.sip >> void.entropy.sip' }],
    ['/v1/agentese/void/entropy/sip', {}],
  ] as const)('asked for by the query of %s does nothing', async ([path, body], { newTenant, owner }) => {
    const tenant = await newTenant()
    const answer = await tenant.calls('POST', `${path}?dry_run=true`, body)
    expect(answer).toMatchObject({ status: 200, body: { dry_run: true } })
    expect(await owner`select from entropy_grants where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  const SIP = '/v1/agentese/void/entropy/sip'
  const INVOKE = '/v1/agentese/invoke'

  test.for(['1', 'True', 'yes', 'on'])('is asked for by "%s", too', async (word, { newTenant, owner }) => {
    const tenant = await newTenant()
    for (const [path, body] of [
      [SIP, {}],
      [INVOKE, { path: 'void.entropy.sip' }],
    ] as const) {
      const answer = await tenant.calls('POST', `${path}?dry_run=${word}`, body)
      expect(answer).toMatchObject({ status: 200, body: { dry_run: true } })
    }
    expect(await owner`select from entropy_grants where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('is not what "no" asks for', async ({ newTenant }) => {
    const { body } = await (await newTenant()).calls('POST', `${SIP}?dry_run=no`, {})
    expect(body.result.amount).toBe(0.1)
  })

  test.for([
    'dry_run',
    'dry_run=',
    'dry_run=perhaps',
    'dry_run=false&dry_run=true',
    'DRY_RUN=true',
    'dry_run=true&foo=bar',
    'foo=bar',
    'amount=2',
    '__proto__=1',
  ])('is not guessed from "%s": the call is refused', async (query, { newTenant, owner, runtime }) => {
    const tenant = await newTenant()
    for (const [path, body] of [
      [SIP, {}],
      [INVOKE, { path: 'void.entropy.sip' }],
      ['/v1/events', { specversion: '1.0', id: '1', source: '/a', type: 'a.b', data: {} }],
    ] as const) {
      const headers = path === '/v1/events' ? { 'content-type': 'application/cloudevents+json' } : {}
      const answer = await tenant.calls('POST', `${path}?${query}`, body, headers)
      expect(answer, path).toMatchObject({ status: 400, body: { code: 'TYPE_MISMATCH' } })
    }
    await runtime.recorder.flush()
    expect(await owner`select from marks where tenant_id = ${tenant.id}`).toHaveLength(0)
    expect(await owner`select from outbox where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('is refused to who may not call, before its query is read', async ({ runtime }) => {
    const response = await createApp(runtime).request(`${SIP}?foo=bar`, { method: 'POST' })
    expect(response.status).toBe(401)
  })

  test('is refused by events, which know of none', async ({ newTenant }) => {
    const event = { specversion: '1.0', id: '1', source: '/a', type: 'a.b', data: {} }
    const headers = { 'content-type': 'application/cloudevents+json' }
    const answer = await (await newTenant()).calls('POST', '/v1/events?dry_run=true', event, headers)
    expect(answer).toMatchObject({ status: 400, body: { code: 'TYPE_MISMATCH' } })
  })

  test('is refused where there is none', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const alias = { alias: 'mine', target: 'self.soul' }
    const answer = await tenant.calls('POST', '/v1/agentese/aliases?dry_run=true', alias)
    expect(answer).toMatchObject({ status: 400, body: { code: 'TYPE_MISMATCH' } })
    expect(await owner`select from aliases where tenant_id = ${tenant.id}`).toHaveLength(0)
  })
})

describe('a URL', () => {
  test.for([
    ['DELETE', '/v1/agentese/aliases/%00'],
    ['DELETE', '/v1/agentese/aliases/a%00b'],
    ['GET', '/v1/agentese/query?pattern=?*&archetype=%00'],
    ['GET', '/v1/agentese/resolve?path=%00'],
    ['GET', '/v1/jobs?%00=1'],
    ['GET', '/v1/jobs?limit=1&limit=100'],
    ['POST', '/v1/agentese/void/%00/sip'],
    ['POST', '/v1/agentese/void/entropy/sip?%00'],
  ] as const)('that nobody can mean is refused: %s %s', async ([method, path], { newTenant }) => {
    const { status, body } = await (await newTenant()).calls(method, path)
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'TYPE_MISMATCH' })
  })

  test('names a holon that is one', async ({ newTenant }) => {
    const answer = await (await newTenant()).calls('POST', '/v1/agentese/world/a%00b/manifest')
    expect(answer).toMatchObject({ status: 400, body: { code: 'PATH_SYNTAX' } })
  })
})

describe('a moment', () => {
  const QUESTION_UNTIL = { reason: 'approval_needed', prompt: 'May I?' }
  const TAKES = [
    ['time.trace.query', (at: string) => ({ start_time: at })],
    ['time.trace.query', (at: string) => ({ end_time: at })],
    ['time.trace.replay', (at: string) => ({ start: at, end: '2026-01-01T00:00:00Z' })],
    ['time.trace.replay', (at: string) => ({ start: '2026-01-01T00:00:00Z', end: at })],
    ['time.past.project', (at: string) => ({ target: 'world.house', timestamp: at })],
    ['time.past.compare', (at: string) => ({ target: 'world.house', t1: at })],
    ['time.past.compare', (at: string) => ({ target: 'world.house', t1: '2026-01-01T00:00:00Z', t2: at })],
  ] as const
  const TAKES_FUTURE = [
    ['time.schedule.defer', (at: string) => ({ path: 'void.entropy.sip', at })],
    ['self.semaphore.yield', (at: string) => ({ ...QUESTION_UNTIL, deadline: at })],
  ] as const

  test.for([
    '0000-01-01T00:00:00Z',
    '0001-01-01T00:00:00+01:00',
    '9999-12-31T23:59:59-23:59',
    '9999-12-31T23:59:59-01:00',
    '2026-01-01T00:00:00+16:00',
    `2026-01-01T00:00:00.${'0'.repeat(200)}Z`,
  ])('that cannot be kept is refused: %s', async (at, { newTenant }) => {
    const tenant = await newTenant()
    for (const [path, inputOf] of [...TAKES, ...TAKES_FUTURE]) {
      const answer = await tenant.calls('POST', '/v1/agentese/invoke', { path, input: inputOf(at) })
      expect(answer, path).toMatchObject({ status: 400, body: { code: 'TYPE_MISMATCH' } })
    }
    const url = `/v1/agentese/subscribe?pattern=void.**&from=${encodeURIComponent(at)}`
    expect(await tenant.calls('GET', url)).toMatchObject({ status: 400 })
    const event = { specversion: '1.0', id: '1', source: '/a', type: 'a.b', time: at, data: {} }
    const headers = { 'content-type': 'application/cloudevents+json' }
    expect(await tenant.calls('POST', '/v1/events', event, headers)).toMatchObject({ status: 400 })
  })

  test.for([
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999999999Z',
    '2026-01-01T00:00:00+15:59',
    '2026-01-01T00:00:00-15:59',
  ])('at the edge is taken: %s', async (at, { newTenant }) => {
    const tenant = await newTenant()
    for (const [path, inputOf] of TAKES) {
      const answer = await tenant.calls('POST', '/v1/agentese/invoke', { path, input: inputOf(at) })
      expect(answer, path).toMatchObject({ status: 200 })
    }
  })

  test('far ahead is no moment for a call, and one for a question', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const at = new Date(Date.now() + 367 * 86_400_000).toISOString()
    const [defer, ask] = TAKES_FUTURE
    const deferred = await tenant.calls('POST', '/v1/agentese/invoke', {
      path: defer[0],
      input: defer[1](at),
    })
    expect(deferred).toMatchObject({ status: 400, body: { code: 'TYPE_MISMATCH' } })
    expect(deferred.body.message).toContain('366 days')
    expect(await owner`select from schedules where tenant_id = ${tenant.id}`).toHaveLength(0)
    const late = '9999-12-31T23:59:59Z'
    const asked = await tenant.calls('POST', '/v1/agentese/invoke', { path: ask[0], input: ask[1](late) })
    expect(asked).toMatchObject({ status: 200 })
  })
})

describe('a body', () => {
  const PUT = '/v1/agentese/self/state/put'
  const MANY = '9'.repeat(310)

  test.for([
    [PUT, '{"key":"a","value":1e400}'],
    [PUT, '{"key":"a","value":{"deep":[-1E+309]}}'],
    [PUT, `{"key":"a","value":${MANY}}`],
    ['/v1/agentese/invoke', '{"path":"self.state.put","input":{"key":"a","value":1e400}}'],
    ['/v1/agentese/compose', '{"expression":"self.state.put","input":{"key":"a","value":1e400}}'],
  ] as const)('with a number beyond all measure is refused: %s %s', async ([path, text], { newTenant }) => {
    const tenant = await newTenant()
    expect(await tenant.calls('POST', path, text)).toMatchObject({
      status: 400,
      body: { code: 'BODY_SYNTAX' },
    })
    expect((await tenant.calls('POST', '/v1/agentese/self/state/manifest', {})).body.result.keys).toBe(0)
  })

  test.for(['1e308', '1e-300', '"1e400"', `"${MANY}"`, '12345678901234567890'])(
    'with %s is taken',
    async (value, { newTenant }) => {
      const tenant = await newTenant()
      expect((await tenant.calls('POST', PUT, `{"key":"a","value":${value}}`)).status).toBe(200)
    },
  )

  const PROTOTYPE = '{"__proto__":{"amount":3}}'

  test.for([
    ['/v1/agentese/void/entropy/sip', PROTOTYPE],
    ['/v1/agentese/invoke', `{"path":"void.entropy.sip","input":${PROTOTYPE}}`],
    ['/v1/agentese/compose', `{"expression":"void.entropy.sip","input":${PROTOTYPE}}`],
    ['/v1/agentese/compose', `{"expression":"void.entropy.sip","inputs":[${PROTOTYPE}]}`],
    ['/v1/agentese/time/schedule/defer', `{"path":"void.entropy.sip","delay":1,"kwargs":${PROTOTYPE}}`],
    ['/v1/agentese/world/house/define', `{"state":${PROTOTYPE}}`],
    ['/v1/agentese/world/tool/invoke', `{"tool":"weather","arguments":${PROTOTYPE}}`],
  ] as const)(
    'with "__proto__" is refused, and not thinned out: %s %s',
    async ([path, text], { newTenant }) => {
      const { status, body } = await (await newTenant()).calls('POST', path, text)
      expect({ status, code: body.code }).toEqual({ status: 400, code: 'TYPE_MISMATCH' })
      expect(body.message).toContain('"__proto__"')
    },
  )

  test('that is compressed is refused as such', async ({ newTenant }) => {
    const path = '/v1/agentese/void/entropy/sip'
    const tenant = await newTenant()
    const answer = await tenant.calls('POST', path, '...', { 'content-encoding': 'gzip' })
    expect(answer).toMatchObject({ status: 415, body: { code: 'CONTENT_TYPE' } })
    expect(answer.body.message).toContain('"Content-Encoding: gzip"')
    expect(await tenant.calls('POST', path, {}, { 'content-encoding': 'identity' })).toMatchObject({
      status: 200,
    })
  })
})

describe('an event', () => {
  test('with NUL in an attribute is refused', async ({ newTenant }) => {
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/a',
      'ce-type': 'a.b',
      'ce-subject': 'a%00b',
    }
    const answer = await (await newTenant()).calls('POST', '/v1/events', {}, headers)
    expect(answer.status).toBe(400)
  })
})

describe('a plan', () => {
  test.for([
    ['void.entropy.sip >> void.entropy.manifest', { input: { amount: -1 } }, 1],
    ['void.entropy.sip >> void.entropy.manifest', { input: { amount: 'x' } }, 1],
    ['void.entropy.sip >> void.entropy.sip', { inputs: [{}, { amount: 1000 }] }, 2],
    ['void.entropy.manifest >> void.entropy.sip', { inputs: [{}, { more: 1 }] }, 2],
  ] as const)(
    'refuses arguments of %s before its first stage',
    async ([expression, more, stage], { newTenant, owner }) => {
      const tenant = await newTenant()
      expect(await compose(tenant, { expression, ...more })).toMatchObject({
        status: 400,
        body: { code: 'TYPE_MISMATCH', details: { stage } },
      })
      expect(await owner`select from entropy_grants where tenant_id = ${tenant.id}`).toHaveLength(0)
    },
  )

  test('says what is wrong with a stage as a whole without naming a member', async ({ newTenant }) => {
    const { body } = await compose(await newTenant(), { expression: 'self.state.put', input: { key: 'a' } })
    expect(body.message).toContain('stage 1, self.state.put does not take its arguments: value is required')
  })

  test.for([
    ['void.entropy.manifest >> self.soul.governance', [], 150],
    ['void.entropy.manifest >> self.soul.governance', [{}, { budget: 'deep' }], 500],
    ['void.entropy.manifest >> world.agent.invoke', [{}, { agent: 'sage' }], 501],
  ] as const)(
    'tells what %s costs before there is a result to go on with',
    async ([expression, inputs, tokens], { newTenant }) => {
      const tenant = await newTenant()
      const { status, body } = await compose(tenant, {
        expression,
        dry_run: true,
        ...(inputs.length === 0 ? {} : { inputs }),
      })
      expect(status).toBe(200)
      expect(body.cost).toEqual({ tokens })
    },
  )
})

describe('a composition of jobs', () => {
  /** The jobs that stages have become. */
  async function jobsOf(tenant: Tenant, { owner }: Pick<World, 'owner'>) {
    const rows = await owner<{ id: string }[]>`
      select id from jobs where tenant_id = ${tenant.id} and function <> 'logos' order by seq`
    return rows.map(({ id }) => id)
  }

  test('takes each result for its own stage, however often a stage of the same path was asked', async ({
    newTenant,
    owner,
    delivers,
    settles,
  }) => {
    const tenant = await newTenant()
    const begun = await compose(tenant, { expression: LOOK_TWICE })
    const [continuing] = await owner<{ event: string }[]>`
      update outbox set published_at = now() where tenant_id = ${tenant.id} returning event`
    const event = JSON.parse(continuing?.event ?? '')
    // The first delivery ends before it could note which job the stage is, so the stage is dispatched again.
    expect(await delivers(event)).toBe(202)
    await owner`update compositions set stage_job = null where tenant_id = ${tenant.id}`
    await owner`delete from inbox where tenant_id = ${tenant.id}`
    await owner`delete from idempotency_keys where tenant_id = ${tenant.id}`
    expect(await delivers(event)).toBe(202)
    expect(await jobsOf(tenant, { owner })).toHaveLength(2)
    let answers = 0
    await settles(tenant, () => ({ text: String(++answers) }))
    const { body } = await tenant.calls('GET', begun.body.links.self)
    expect(body.job.result.stages).toMatchObject([{ result: { text: '2' } }, { result: { text: '23' } }])
  })

  test('goes on where the job of a stage has ended before anybody waited for it', async ({
    newTenant,
    owner,
    delivers,
    settles,
  }) => {
    const tenant = await newTenant()
    const begun = await compose(tenant, { expression: LOOK_TWICE })
    const [continuing] = await owner<{ event: string }[]>`
      update outbox set published_at = now() where tenant_id = ${tenant.id} returning event`
    const event = JSON.parse(continuing?.event ?? '')
    expect(await delivers(event)).toBe(202)
    await owner`update compositions set stage_job = null where tenant_id = ${tenant.id}`
    await settles(tenant, () => ({ text: '1' }))
    await owner`delete from inbox where tenant_id = ${tenant.id}`
    expect(await delivers(event)).toBe(202)
    await settles(tenant, () => ({ text: '2' }))
    const { body } = await tenant.calls('GET', begun.body.links.self)
    expect(body.job).toMatchObject({ status: 'completed', result: { final_result: { text: '12' } } })
    expect(await jobsOf(tenant, { owner })).toHaveLength(2)
  })

  test('that is cancelled takes the job of its stage with it, and costs nothing', async ({
    newTenant,
    owner,
    delivers,
    settles,
  }) => {
    const tenant = await newTenant()
    const begun = await compose(tenant, { expression: LOOK_TWICE })
    const [continuing] = await owner<{ event: string }[]>`
      update outbox set published_at = now() where tenant_id = ${tenant.id} returning event`
    await delivers(JSON.parse(continuing?.event ?? ''))
    expect((await tenant.calls('DELETE', begun.body.links.self)).status).toBe(200)
    const statuses = await owner`select distinct status from jobs where tenant_id = ${tenant.id}`
    expect(statuses).toEqual([{ status: 'cancelled' }])
    const [held] =
      await owner`select reserved::int, spent::int from allowances where tenant_id = ${tenant.id} and resource = 'tokens'`
    expect(held).toEqual({ reserved: 0, spent: 0 })
    await settles(tenant)
    expect(await jobsOf(tenant, { owner })).toHaveLength(1)
  })

  test('that is cancelled while a stage is dispatched wants its job no more', async ({
    newTenant,
    owner,
    delivers,
  }) => {
    const tenant = await newTenant()
    const begun = await compose(tenant, { expression: LOOK_TWICE })
    const [continuing] = await owner<{ event: string }[]>`
      update outbox set published_at = now() where tenant_id = ${tenant.id} returning event`
    const [{ id } = { id: '' }] = await owner<
      { id: string }[]
    >`select id from jobs where tenant_id = ${tenant.id}`
    // Cancelled by the time that the stage's job is there: as the job is written, so is the cancellation.
    await owner.unsafe(`
      create function cancel_composition() returns trigger language plpgsql security definer as $$
      begin update jobs set status = 'cancelled' where id = '${id}'; return null; end $$;
      create trigger cancel_now after insert on jobs for each row when (new.tenant_id = '${tenant.id}')
        execute function cancel_composition()`)
    try {
      expect(await delivers(JSON.parse(continuing?.event ?? ''))).toBe(202)
    } finally {
      await owner.unsafe('drop trigger cancel_now on jobs; drop function cancel_composition()')
    }
    expect((await tenant.calls('GET', begun.body.links.self)).body.job.status).toBe('cancelled')
    const rows = await owner`select distinct status from jobs where tenant_id = ${tenant.id}`
    expect(rows).toEqual([{ status: 'cancelled' }])
  })
})

describe('a second delivery while the first is at work', () => {
  test('leaves the call of a schedule to the first', async ({ newTenant, owner, ticks, delivers }) => {
    const tenant = await newTenant()
    const { body } = await tenant.calls('POST', '/v1/agentese/time/schedule/defer', {
      path: 'void.oracle.wait',
      delay: 0,
    })
    await ticks()
    const [due] = await owner<{ event: string }[]>`
      select event from outbox where tenant_id = ${tenant.id} and event like '%schedule.due%'`
    const event = JSON.parse(due?.event ?? '')
    const { promise: end, resolve: finish } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    Object.assign(slow, { begun: begin, end })
    const first = delivers(event)
    await begun
    expect(await delivers(event)).toBe(409)
    finish()
    expect(await first).toBe(202)
    const [row] = await owner`select status, result from schedules where id = ${body.result.id}`
    expect(row).toEqual({ status: 'executed', result: { text: 'done' } })
  })
})

describe('a job', () => {
  test('ends where its continuation comes to a limit, and is refunded', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    const { body } = await tenant.calls('POST', '/v1/agentese/void/oracle/hoard', {})
    await settles(tenant)
    const { body: ended } = await tenant.calls('GET', body.links.self)
    expect(ended.job).toMatchObject({ status: 'failed', error: { code: 'QUOTA_EXCEEDED' } })
    const [held] =
      await owner`select reserved::int, spent::int from allowances where tenant_id = ${tenant.id} and resource = 'tokens'`
    expect(held).toEqual({ reserved: 0, spent: 0 })
  })
})

describe('a thing of a tenant', () => {
  const at = ({ calls }: Tenant, what: string, body = {}) => calls('POST', `/v1/agentese/world/${what}`, body)

  test('may be tied by a kind, and have members, that are named like those of every object', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    await at(tenant, 'door/define')
    const made = await at(tenant, 'house/define', {
      relations: { constructor: ['door'] },
      state: { toString: 1, valueOf: 2 },
    })
    expect(made).toMatchObject({ status: 200, body: { result: { relations: { constructor: ['door'] } } } })
    const { body } = await at(tenant, 'house/transform', { changes: { toString: null, hasOwnProperty: 3 } })
    expect(body.result.changes).toEqual({ toString: null, hasOwnProperty: 3 })
  })

  test('has ties of so many kinds and no more, at once and one after the other', async ({ newTenant }) => {
    const tenant = await newTenant()
    await at(tenant, 'door/define')
    const kinds = (from: number, to: number) =>
      Object.fromEntries(Array.from({ length: to - from }, (_, n) => [`kind_${from + n}`, ['door']]))
    expect((await at(tenant, 'house/define', { relations: kinds(0, 65) })).status).toBe(400)
    expect((await at(tenant, 'house/define', { relations: kinds(0, 64) })).status).toBe(200)
    const more = await at(tenant, 'house/transform', { relations: kinds(64, 65) })
    expect(more).toMatchObject({ status: 409, body: { code: 'STATE_CONFLICT' } })
  })
})
