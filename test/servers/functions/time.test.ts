import { describe, expect } from 'vitest'
import { colleagueOf } from './colleague.ts'
import { testWith, type Tenant } from './world.ts'

const test = testWith()
const invoke = (
  tenant: Pick<Tenant, 'calls'>,
  path: string,
  input: object = {},
  headers?: Record<string, string>,
) => tenant.calls('POST', `/v1/agentese/${path.replaceAll('.', '/')}`, input, headers)

describe('time.schedule', () => {
  test('makes a due call once, however often the tick and its word come', async ({
    newTenant,
    settles,
    ticks,
    owner,
    delivers,
  }) => {
    const tenant = await newTenant()
    const { body } = await invoke(tenant, 'time.schedule.defer', {
      path: 'void.entropy.sip',
      delay: 0,
      kwargs: { amount: 1 },
    })
    expect(body.result).toMatchObject({ path: 'void.entropy.sip', status: 'pending' })
    await ticks()
    await ticks()
    await settles(tenant)
    const words = await owner<{ event: string }[]>`
      select event from outbox where tenant_id = ${tenant.id} and event like '%schedule.due%'`
    expect(words).toHaveLength(1)
    await owner`delete from inbox where tenant_id = ${tenant.id}`
    for (const { event } of words) await delivers(JSON.parse(event))
    const { body: listed } = await invoke(tenant, 'time.schedule.list')
    expect(listed.result.schedules).toMatchObject([{ status: 'executed' }])
    const { body: told } = await invoke(tenant, 'time.schedule.status', { id: body.result.id })
    expect(told.result).toMatchObject({ status: 'executed', input: { amount: 1 }, result: { amount: 1 } })
    expect(await owner`select from entropy_grants where tenant_id = ${tenant.id}`).toHaveLength(1)
  })

  test('repeats the call under its key where the process died before it could note the answer', async ({
    newTenant,
    settles,
    ticks,
    owner,
  }) => {
    const tenant = await newTenant()
    await invoke(tenant, 'time.schedule.defer', { path: 'void.entropy.sip', delay: 0 })
    await ticks()
    await settles(tenant)
    // As if the answer had never been noted, and the word came again after a while.
    await owner`update schedules set status = 'running', finished_at = null, fired_at = now() - interval '1 hour' where tenant_id = ${tenant.id}`
    await ticks()
    await settles(tenant)
    const { body } = await invoke(tenant, 'time.schedule.list')
    expect(body.result.schedules).toMatchObject([{ status: 'executed' }])
    expect(await owner`select from entropy_grants where tenant_id = ${tenant.id}`).toHaveLength(1)
  })

  test('calls with the rights that its owner has by then', async ({ newTenant, settles, ticks, owner }) => {
    const tenant = await newTenant()
    await invoke(tenant, 'time.schedule.defer', { path: 'void.entropy.sip', delay: 0 })
    await owner`update users set roles = '{viewer}' where id = ${tenant.user}`
    await ticks()
    await settles(tenant)
    const rows =
      await owner`select status, error->>'code' as code from schedules where tenant_id = ${tenant.id}`
    expect(rows).toEqual([{ status: 'failed', code: 'ARCHETYPE_DENIED' }])
    expect(await owner`select from entropy_grants where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('waits for what is not due, and takes back what is pending, only', async ({
    newTenant,
    settles,
    ticks,
    owner,
    runtime,
  }) => {
    const tenant = await newTenant()
    const { body } = await invoke(tenant, 'time.schedule.defer', { path: 'void.entropy.sip', delay: 3600 })
    const { id } = body.result
    await ticks()
    await settles(tenant)
    expect((await invoke(tenant, 'time.schedule.cancel', { id })).body.result.status).toBe('cancelled')
    expect(await invoke(tenant, 'time.schedule.cancel', { id })).toMatchObject({ status: 409 })
    for (const other of [await newTenant(), await colleagueOf(tenant, { owner, runtime })])
      for (const verb of ['cancel', 'status'])
        expect(await invoke(other, `time.schedule.${verb}`, { id })).toMatchObject({ status: 404 })
  })

  test('lists calls without what went in and came out, which may be large', async ({ newTenant }) => {
    const tenant = await newTenant()
    const kwargs = { content: 'x'.repeat(20_000) }
    await invoke(tenant, 'time.schedule.defer', { path: 'self.memory.engram', delay: 60, kwargs })
    const { body } = await invoke(tenant, 'time.schedule.list', { limit: 100 })
    expect(body.result.schedules).toHaveLength(1)
    expect(JSON.stringify(body).length).toBeLessThan(2000)
  })

  test('keeps a thousand calls waiting for one person, also for a crowd at once', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    await owner`
      insert into schedules (id, tenant_id, user_id, archetype, path, input, due_at)
      select gen_random_uuid(), ${tenant.id}, ${tenant.user}, 'developer', 'void.entropy.sip', '{}', now() + interval '1 day'
      from generate_series(1, 998)`
    const deferred = await Promise.all(
      Array.from({ length: 6 }, () =>
        invoke(tenant, 'time.schedule.defer', { path: 'void.entropy.sip', delay: 60 }),
      ),
    )
    expect(deferred.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      200, 200, 429, 429, 429, 429,
    ])
  })

  test.for([
    [{ path: 'void.nothing.sip', delay: 1 }, 404, 'NODE_NOT_REGISTERED'],
    [{ path: 'void.entropy.sip', delay: 1, kwargs: { amount: -1 } }, 400, 'TYPE_MISMATCH'],
    [{ path: 'void.entropy.sip' }, 400, 'TYPE_MISMATCH'],
    [{ path: 'nonsense', delay: 1 }, 400, 'PATH_SYNTAX'],
  ] as const)('refuses to defer %o', async ([input, status, code], { newTenant }) => {
    const tenant = await newTenant()
    expect(await invoke(tenant, 'time.schedule.defer', input)).toMatchObject({ status, body: { code } })
  })

  test.for([
    ['void.entropy.pour', {}, '"kwargs": name grant or amount'],
    ['void.entropy.sip', { amount: -1 }, '"kwargs.amount": '],
  ] as const)('says which argument of %s is wrong', async ([path, kwargs, words], { newTenant }) => {
    const { body } = await invoke(await newTenant(), 'time.schedule.defer', { path, delay: 1, kwargs })
    expect(body.message).toContain(`Cannot defer ${path}: ${words}`)
  })

  test('lets nobody defer what they may not do now', async ({ newTenant }) => {
    const viewer = await newTenant('enterprise', ['viewer'])
    const answer = await invoke(viewer, 'time.schedule.defer', { path: 'void.entropy.sip', delay: 1 })
    expect(answer).toMatchObject({ status: 403, body: { code: 'SCOPE_MISSING' } })
  })
})

describe('time.trace', () => {
  test('tells what was done on self to who did it, and to who administers the tenant', async ({
    newTenant,
    owner,
    runtime,
  }) => {
    const world = { owner, runtime }
    const tenant = await newTenant()
    const [one, other, admin] = [
      await colleagueOf(tenant, world),
      await colleagueOf(tenant, world),
      await colleagueOf(tenant, world, 'admin'),
    ]
    const put = '/v1/agentese/self/state/put'
    expect((await one.calls('POST', put, { key: 'diary', value: 1 })).status).toBe(200)
    const span = { start: '2000-01-01T00:00:00Z', end: '2100-01-01T00:00:00Z' }
    const looks = [
      ['/v1/agentese/self/state/witness', {}, 'history'],
      ['/v1/agentese/time/trace/witness', { topic: 'self.state.put' }, 'traces'],
      ['/v1/agentese/time/trace/query', { path: 'self.state.put' }, 'results'],
      ['/v1/agentese/time/trace/replay', span, 'traces'],
    ] as const
    const putsSeenBy = ({ calls }: Pick<Tenant, 'calls'>) =>
      Promise.all(
        looks.map(async ([path, input, list]) => {
          const marks: { path: string }[] = (await calls('POST', path, input)).body.result[list]
          return marks.filter((mark) => mark.path === 'self.state.put').length
        }),
      )
    expect(await putsSeenBy(one)).toEqual([1, 1, 1, 1])
    expect(await putsSeenBy(other)).toEqual([0, 0, 0, 0])
    expect(await putsSeenBy(admin)).toEqual([1, 1, 1, 1])
  })

  test('tells what was done, page by page, and nothing of another tenant', async ({ newTenant, runtime }) => {
    const [tenant, other] = [await newTenant(), await newTenant()]
    for (let times = 0; times < 5; times++) await invoke(tenant, 'void.entropy.sip')
    await invoke(tenant, 'void.entropy.pour', { amount: 77 })
    await runtime.recorder.flush()
    const ask = (input: object) => invoke(tenant, 'time.trace.query', input)
    const first = await ask({ path: 'void.entropy.sip', limit: 3 })
    const second = await ask({ path: 'void.entropy.sip', limit: 3, cursor: first.body.result.next_cursor })
    const ids = [...first.body.result.results, ...second.body.result.results].map(({ mark }) => mark)
    expect(new Set(ids).size).toBe(5)
    expect((await ask({ status: 'failure' })).body.result.results).toMatchObject([
      { path: 'void.entropy.pour', code: 'NOT_FOUND' },
    ])
    expect((await invoke(other, 'time.trace.query', { query: 'sip' })).body.result.count).toBe(0)
  })
})

describe('time.future', () => {
  test('foretells a steady rise, with the truth inside the interval', async ({ newTenant, owner }) => {
    const forecast = async (hour: number) => {
      const tenant = await newTenant()
      await owner`
        insert into marks (id, tenant_id, path, category, outcome, archetype, effects, trace_id, duration_ms, at)
        select gen_random_uuid(), ${tenant.id}, 'void.entropy.sip', 'E', 'success', 'developer', '{}', 't', 1,
               to_timestamp(${hour} * 3600) - (48 - n) * interval '1 hour'
        from generate_series(0, 47) n, generate_series(1, 10 + n)`
      return invoke(tenant, 'time.future.forecast', { target: 'void.entropy', horizon: '2h' })
    }
    const hourNow = () => Math.floor(Date.now() / 3_600_000)
    let [hour, answer] = [hourNow(), await forecast(hourNow())]
    // An hour that ends meanwhile is one more that was observed, with no calls.
    while (hour !== hourNow()) [hour, answer] = [hourNow(), await forecast(hourNow())]
    const { body } = answer
    expect(body.result).toMatchObject({ trend: 'rising', bucket: 'hour', observations: 48 })
    expect(body.result.expected).toBeCloseTo(58 + 59, 5)
    expect(body.result.confidence).toBeGreaterThan(0.99)
  })
})
