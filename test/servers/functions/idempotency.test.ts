/** What a repetition under one `Idempotency-Key` is answered where the call became a job. */
import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { describe, expect } from 'vitest'
import { insertColleague, testWith, type Tenant, type World } from './world.ts'
import { call } from './in-process.ts'

const test = testWith()

const DIALOGUE = '/v1/agentese/self/soul/dialogue'
const INPUT = { message: 'What am I not seeing in my plan to move?' }
const OTHER_INPUT = { message: 'What am I not seeing in my plan to stay?' }

type Request = [url: string, body: object]

/** Each of these is a route of the same call. */
const ROUTES: Record<string, (input: object) => Request> = {
  'the URL of the path': (input) => [DIALOGUE, input],
  'invoke of the path': (input) => ['/v1/agentese/invoke', { path: 'self.soul.dialogue', input }],
}
const COMPOSITION: Request = [
  '/v1/agentese/compose',
  { expression: 'self.soul.dialogue >> self.soul.reflect', input: INPUT },
]
const KINDS: Record<string, Request> = {
  'a call': [DIALOGUE, INPUT],
  'a call by its path': ['/v1/agentese/invoke', { path: 'self.soul.dialogue', input: INPUT }],
  'a composition': COMPOSITION,
  'a look': ['/v1/agentese/self/memory/recall', { query: 'anything at all' }],
}

function repeating({ calls }: Pick<Tenant, 'calls'>, [url, body]: Request) {
  const key = randomUUID()
  return (): ReturnType<Tenant['calls']> => calls('POST', url, body, { 'idempotency-key': key })
}

const jobsOf = (owner: Sql, { id }: Tenant) =>
  owner<{ id: string; status: string }[]>`
    select id, status from jobs where tenant_id = ${id} and call ->> 'parent' is null order by seq`

/** A memory with a vector, so that a question of it asks a model. */
async function remember(tenant: Tenant, settles: World['settles']): Promise<void> {
  await tenant.calls('POST', '/v1/agentese/self/memory/engram', { content: 'Anything' })
  await settles(tenant, embed)
}
const embed: Parameters<World['settles']>[1] = ({ request }) =>
  'texts' in request
    ? {
        vectors: request.texts.map(() => Buffer.from(new Float32Array([1, 0]).buffer).toString('base64')),
      }
    : { text: 'An answer' }
const down = () => new Error('the engine is down')

describe.for(Object.entries(KINDS))('a repetition of %s', ([, request]) => {
  test('shows the state that its job has', async ({ newTenant, settles, owner }) => {
    const tenant = await newTenant()
    await remember(tenant, settles)
    const ask = repeating(tenant, request)
    const first = await ask()
    const { id } = first.body.job
    expect(first.status).toBe(202)
    await owner`update jobs set status = 'running' where id = ${id}`
    const second = await ask()
    expect(second).toMatchObject({ status: 202, body: { job: { id, status: 'running' } } })
    expect(second.headers.get('location')).toBe(`/v1/jobs/${id}`)
    expect(second.headers.get('idempotency-replayed')).toBe('true')
    await settles(tenant, embed)
    const third = await ask()
    const { job } = (await tenant.calls('GET', `/v1/jobs/${id}`)).body
    expect(third).toMatchObject({
      status: 200,
      body: {
        path: job.path,
        result: job.result,
        job: { id, status: 'completed' },
        meta: { charges: job.charges },
      },
    })
    expect(third.headers.get('idempotency-replayed')).toBe('true')
  })

  test('that was cancelled says so, and starts nothing', async ({ newTenant, settles, owner }) => {
    const tenant = await newTenant()
    await remember(tenant, settles)
    const ask = repeating(tenant, request)
    const { id } = (await ask()).body.job
    const before = (await jobsOf(owner, tenant)).length
    await tenant.calls('DELETE', `/v1/jobs/${id}`)
    const again = await ask()
    expect(again).toMatchObject({ status: 409, body: { code: 'CANCELLED', details: { job: { id } } } })
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect(await jobsOf(owner, tenant)).toHaveLength(before)
  })

  test('that failed for good gets the failure, without another mark', async ({
    newTenant,
    settles,
    owner,
    runtime,
  }) => {
    const tenant = await newTenant()
    await remember(tenant, settles)
    const ask = repeating(tenant, request)
    const { id } = (await ask()).body.job
    await owner`
      update jobs set status = 'failed', finished_at = now(), error = '{"code":"TYPE_MISMATCH","message":"Too odd"}'
      where id = ${id}`
    await runtime.recorder.flush()
    const before = await owner`select from marks where tenant_id = ${tenant.id}`
    for (let times = 0; times < 2; times++) {
      const again = await ask()
      expect(again).toMatchObject({ status: 400, body: { code: 'TYPE_MISMATCH', message: 'Too odd' } })
      expect(again.headers.get('idempotency-replayed')).toBe('true')
    }
    await runtime.recorder.flush()
    expect(await owner`select from marks where tenant_id = ${tenant.id}`).toHaveLength(before.length)
  })
})

describe.for(Object.entries(KINDS).filter(([kind]) => kind !== 'a look'))(
  'the key of %s whose job failed for a reason that may pass',
  ([, request]) => {
    test('is free: the call runs anew, and once', async ({ newTenant, settles, owner }) => {
      const tenant = await newTenant()
      const ask = repeating(tenant, request)
      const failed = (await ask()).body.job.id
      await settles(tenant, down)
      const again = await Promise.all(Array.from({ length: 6 }, ask))
      expect(new Set(again.map(({ status }) => status))).toEqual(new Set([202]))
      const ids = new Set(again.map(({ body }) => body.job.id))
      expect(ids.size).toBe(1)
      expect(ids.has(failed)).toBe(false)
      expect(again.filter(({ headers }) => headers.get('idempotency-replayed') === null)).toHaveLength(1)
      expect(await jobsOf(owner, tenant)).toHaveLength(2)
      await settles(tenant)
      expect((await ask()).body).toMatchObject({ job: { id: [...ids][0], status: 'completed' } })
    })

    test('is free as often as that comes to pass', async ({ newTenant, settles, owner }) => {
      const tenant = await newTenant()
      const ask = repeating(tenant, request)
      for (let times = 1; times <= 3; times++) {
        expect((await ask()).status).toBe(202)
        expect(await jobsOf(owner, tenant)).toHaveLength(times)
        await settles(tenant, down)
      }
    })
  },
)

describe('one key', () => {
  const ways = Object.entries(ROUTES)
  const pairs = ways.flatMap(([a, first]) => ways.map(([b, second]) => [a, b, first, second] as const))

  test.for(pairs)(
    'is one call by %s and by %s',
    async ([, , first, second], { newTenant, settles, owner }) => {
      const tenant = await newTenant()
      const ask = ([url, body]: Request) => tenant.calls('POST', url, body, { 'idempotency-key': 'k' })
      const begun = await ask(first(INPUT))
      const again = await ask(second(INPUT))
      expect(again).toMatchObject({ status: 202, body: begun.body })
      expect(await ask(second(OTHER_INPUT))).toMatchObject({
        status: 409,
        body: { code: 'IDEMPOTENCY_MISMATCH' },
      })
      await settles(tenant, down)
      const anew = await Promise.all([ask(first(INPUT)), ask(second(INPUT))])
      expect(anew[0]?.body.job.id).toBe(anew[1]?.body.job.id)
      expect(await jobsOf(owner, tenant)).toHaveLength(2)
      await settles(tenant)
      const done = [await ask(first(INPUT)), await ask(second(INPUT))]
      expect(done[0]?.body).toEqual(done[1]?.body)
      expect(done[0]).toMatchObject({ status: 200, body: { job: { status: 'completed' } } })
    },
  )

  test("shows nobody a colleague's job", async ({ newTenant, owner, opened }) => {
    const tenant = await newTenant()
    const colleague = await insertColleague(owner, tenant, 'developer')
    const mine = await tenant.calls('POST', DIALOGUE, INPUT, { 'idempotency-key': 'k' })
    const theirs = await call(opened.app, colleague, 'POST', DIALOGUE, INPUT, { 'idempotency-key': 'k' })
    expect(theirs.status).toBe(202)
    expect(theirs.body.job.id).not.toBe(mine.body.job.id)
  })

  test('stands for a call or for a composition', async ({ newTenant }) => {
    const tenant = await newTenant()
    const ask = ([url, body]: Request) => tenant.calls('POST', url, body, { 'idempotency-key': 'k' })
    expect((await ask([DIALOGUE, INPUT])).status).toBe(202)
    expect(await ask(COMPOSITION)).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_MISMATCH' } })
  })
})
