import type postgres from 'postgres'
import { describe, expect } from 'vitest'
import { colleagueOf } from './colleague.ts'
import { testWith, type Tenant } from './world.ts'

const test = testWith()

const invoke = (tenant: Pick<Tenant, 'calls'>, path: string, input: object = {}, archetype?: string) =>
  tenant.calls(
    'POST',
    `/v1/agentese/${path.replaceAll('.', '/')}`,
    input,
    archetype === undefined ? {} : { 'x-observer-archetype': archetype },
  )

const QUESTION = { reason: 'approval_needed', prompt: 'May the report be sent?' }

async function asks(tenant: Tenant, more: object = {}): Promise<string> {
  const { body } = await invoke(tenant, 'self.semaphore.yield', { ...QUESTION, ...more })
  return body.result.token_id
}

/** As if its deadline had passed. */
async function expire(owner: postgres.Sql, tenant: Tenant, token: string) {
  await owner`update semaphores set deadline = now() - interval '1 second' where tenant_id = ${tenant.id} and id = ${token}`
}

const typesOf = async (owner: postgres.Sql, { id }: Tenant) =>
  (
    await owner<{ type: string }[]>`
      select event::json->>'type' as type from outbox where tenant_id = ${id} order by seq`
  )
    .map(({ type }) => type)
    .filter((type) => type.startsWith('io.kgents.semaphore.'))

describe('self.semaphore', () => {
  test('lets a person ask no more while a thousand of its questions wait, and tells how many do', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    await owner`
      insert into semaphores (tenant_id, id, user_id, reason, prompt, options, severity)
      select ${tenant.id}, 'sem-' || lpad(to_hex(n), 8, '0'), ${tenant.user}, 'approval_needed', 'May I?', '[]', 'info'
      from generate_series(1, 999) n`
    await asks(tenant)
    const [{ counted } = {}] = await owner<{ counted: number }[]>`
      select (state->>'pending_count')::int as counted from changes
      where tenant_id = ${tenant.id} and target = 'world.purgatory' order by at desc limit 1`
    expect(counted).toBe(1000)
    expect(await invoke(tenant, 'self.semaphore.yield', QUESTION)).toMatchObject({
      status: 429,
      body: { code: 'QUOTA_EXCEEDED', suggestion: expect.stringContaining('world.purgatory') },
    })
  })

  test('waits until a person has answered, and tells the answer to who asked', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const { body } = await invoke(tenant, 'self.semaphore.yield', {
      ...QUESTION,
      options: ['yes', 'no'],
      input: { draft: 1 },
    })
    const { token_id } = body.result
    expect(body.result).toEqual({ token_id: expect.stringMatching(/^sem-[0-9a-f]{8}$/), status: 'pending' })
    expect((await invoke(tenant, 'self.semaphore.pending')).body.result).toMatchObject({
      semaphores: [{ token_id, status: 'pending', severity: 'info' }],
      next_cursor: null,
    })
    const resolved = await invoke(tenant, 'world.purgatory.resolve', { token_id, human_input: 'yes' })
    expect(resolved.body.result).toEqual({ token_id, status: 'resolved', human_input: 'yes' })
    expect((await invoke(tenant, 'self.semaphore.status', { token_id })).body.result).toMatchObject({
      status: 'resolved',
      human_input: 'yes',
      asked_by: tenant.user,
      ended_by: tenant.user,
      about: { draft: 1 },
    })
    expect((await invoke(tenant, 'self.semaphore.pending')).body.result.semaphores).toEqual([])
    expect(await typesOf(owner, tenant)).toEqual([
      'io.kgents.semaphore.opened',
      'io.kgents.semaphore.resolved',
    ])
  })

  test('shows a person only what it has asked itself', async ({ newTenant, owner, runtime }) => {
    const tenant = await newTenant()
    const token_id = await asks(tenant)
    const colleague = await colleagueOf(tenant, { owner, runtime })
    expect((await invoke(colleague, 'self.semaphore.status', { token_id })).status).toBe(404)
    expect((await invoke(colleague, 'self.semaphore.pending')).body.result.semaphores).toEqual([])
    expect((await invoke(colleague, 'self.semaphore.manifest')).body.result.counts.pending).toBe(0)
    expect((await invoke(colleague, 'world.purgatory.list')).body.result.semaphores).toMatchObject([
      { token_id },
    ])
  })

  test.for([
    [{ ...QUESTION, reason: 'boredom' }],
    [{ ...QUESTION, prompt: ' ' }],
    [{ ...QUESTION, severity: 'fatal' }],
    [{ ...QUESTION, deadline: 'tomorrow' }],
    [{ ...QUESTION, deadline: '2020-01-01T00:00:00Z' }],
    [{ ...QUESTION, options: Array.from({ length: 21 }, (_, at) => `${at}`) }],
    [{ ...QUESTION, input: 'x'.repeat(50_001) }],
  ])('takes no question such as %j', async ([question], { newTenant, owner }) => {
    const tenant = await newTenant()
    expect((await invoke(tenant, 'self.semaphore.yield', question)).body.code).toBe('TYPE_MISMATCH')
    expect(await owner`select from semaphores where tenant_id = ${tenant.id}`).toHaveLength(0)
  })
})

describe('world.purgatory', () => {
  test('ends a question once, also when many answer at the same time', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const token_id = await asks(tenant)
    const answers = await Promise.all([
      ...['a', 'b', 'c'].map((human_input) =>
        invoke(tenant, 'world.purgatory.resolve', { token_id, human_input }),
      ),
      invoke(tenant, 'world.purgatory.cancel', { token_id }),
    ])
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(answers.filter(({ body }) => body.code === 'STATE_CONFLICT')).toHaveLength(3)
    expect(await typesOf(owner, tenant)).toHaveLength(2)
  })

  test('takes only an answer that is one of the options', async ({ newTenant }) => {
    const tenant = await newTenant()
    const token_id = await asks(tenant, { options: ['yes', 'no'] })
    const { status, body } = await invoke(tenant, 'world.purgatory.resolve', {
      token_id,
      human_input: 'maybe',
    })
    expect({ status, code: body.code, available: body.available }).toEqual({
      status: 400,
      code: 'TYPE_MISMATCH',
      available: ['yes', 'no'],
    })
    expect((await invoke(tenant, 'self.semaphore.status', { token_id })).body.result.status).toBe('pending')
  })

  test('shows a question past its deadline as void, and lets nobody end it', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const token_id = await asks(tenant, { deadline: '2999-01-01T00:00:00+02:00' })
    const patient = await asks(tenant)
    await expire(owner, tenant, token_id)
    expect((await invoke(tenant, 'world.purgatory.inspect', { token_id })).body.result.status).toBe('voided')
    expect((await invoke(tenant, 'world.purgatory.manifest')).body.result.counts).toEqual({
      pending: 1,
      resolved: 0,
      cancelled: 0,
      voided: 1,
    })
    for (const verb of ['resolve', 'cancel']) {
      const input = { token_id, ...(verb === 'resolve' ? { human_input: 'yes' } : {}) }
      const { status, body } = await invoke(tenant, `world.purgatory.${verb}`, input)
      expect({ status, code: body.code, was: body.details.status }).toEqual({
        status: 409,
        code: 'STATE_CONFLICT',
        was: 'voided',
      })
    }
    const statusOf = async () =>
      (await owner`select status from semaphores where tenant_id = ${tenant.id} and id = ${token_id}`)[0]
        ?.status
    expect(await statusOf()).toBe('pending')
    await invoke(tenant, 'world.purgatory.resolve', { token_id: patient, human_input: 'yes' })
    expect(await statusOf()).toBe('voided')
  })

  test('writes down what is void when asked, and tells it once', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const token_id = await asks(tenant)
    await asks(tenant)
    await expire(owner, tenant, token_id)
    const first = await invoke(tenant, 'world.purgatory.void_expired')
    const second = await invoke(tenant, 'world.purgatory.void_expired')
    expect(first.body.result).toEqual({ voided_count: 1, voided_ids: [token_id] })
    expect(second.body.result).toEqual({ voided_count: 0, voided_ids: [] })
    expect((await typesOf(owner, tenant)).filter((type) => type.endsWith('voided'))).toHaveLength(1)
  })

  test('lists by status and severity, page by page, and each question once', async ({ newTenant }) => {
    const tenant = await newTenant()
    const tokens: string[] = []
    for (let n = 0; n < 5; n++) tokens.push(await asks(tenant, { severity: n === 0 ? 'critical' : 'info' }))
    await invoke(tenant, 'world.purgatory.cancel', { token_id: tokens[4] })
    const seen: string[] = []
    let cursor: string | null | undefined
    do {
      const { body } = await invoke(tenant, 'world.purgatory.list', {
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      })
      seen.push(...body.result.semaphores.map(({ token_id }: { token_id: string }) => token_id))
      cursor = body.result.next_cursor
    } while (cursor !== null)
    expect(seen).toEqual(tokens.slice(0, 4).toReversed())
    const critical = await invoke(tenant, 'world.purgatory.list', { severity: 'critical' })
    expect(critical.body.result.semaphores).toMatchObject([{ token_id: tokens[0] }])
    const cancelled = await invoke(tenant, 'world.purgatory.list', { status: 'cancelled' })
    expect(cancelled.body.result.semaphores).toMatchObject([{ token_id: tokens[4] }])
  })

  test('is ended by few, and by nobody of another tenant', async ({ newTenant }) => {
    const tenant = await newTenant()
    const other = await newTenant('enterprise', ['admin'])
    const token_id = await asks(tenant)
    const input = { token_id, human_input: 'yes' }
    for (const archetype of ['poet', 'scientist', 'guest'])
      expect((await invoke(tenant, 'world.purgatory.resolve', input, archetype)).body.code).toBe(
        'AFFORDANCE_DENIED',
      )
    expect((await invoke(other, 'world.purgatory.resolve', input)).status).toBe(404)
    expect((await invoke(other, 'world.purgatory.cancel', { token_id })).status).toBe(404)
    expect((await invoke(other, 'world.purgatory.inspect', { token_id })).status).toBe(404)
    expect((await invoke(other, 'world.purgatory.list')).body.result.semaphores).toEqual([])
    expect((await invoke(tenant, 'world.purgatory.resolve', input, 'architect')).status).toBe(200)
  })

  test('remembers what waited when', async ({ newTenant }) => {
    const tenant = await newTenant()
    const [, second] = await Promise.all([asks(tenant), asks(tenant), asks(tenant)])
    const project = async () =>
      (
        await invoke(tenant, 'time.past.project', {
          target: 'world.purgatory',
          timestamp: new Date(Date.now() + 1000).toISOString(),
        })
      ).body.result.state
    expect((await project()).pending_count).toBe(3)
    await invoke(tenant, 'world.purgatory.cancel', { token_id: second })
    const { pending_count, pending } = await project()
    expect(pending_count).toBe(2)
    expect(JSON.stringify(pending)).not.toContain(second)
  })
})
