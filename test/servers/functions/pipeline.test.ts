import { describe, expect, vi } from 'vitest'
import { z } from 'zod'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { Refusal } from '../../../shared/failures.ts'
import { createApp } from '../../../shared/http/app.ts'
import { call } from './in-process.ts'
import { insertColleague as newColleague, testWith } from './world.ts'

const Done = z.strictObject({ done: z.boolean() })

/** A node whose handlers do what handlers must not. */
const misbehaving = defineNode('world.test', {
  summary: 'A node for tests',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Looks, and tries to write',
      effects: [],
      input: NoInput,
      output: Done,
      examples: [],
      async handle(_input, { db, identity }) {
        await db`insert into souls (tenant_id, user_id) values (${identity.tenant}, ${identity.user})`
        return { done: true }
      },
    }),
    transform: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Writes, emits, charges, and fails',
      effects: ['writes:entity'],
      input: z.strictObject({ how: z.enum(['well', 'bug', 'refuse']) }),
      output: Done,
      examples: [],
      async handle({ how }, { db, identity, emit, charge }) {
        await db`insert into souls (tenant_id, user_id) values (${identity.tenant}, ${identity.user})`
        emit('io.kgents.test.happened', { how })
        charge('gold', 1)
        if (how === 'bug') throw new Error('the secret is hunter2')
        if (how === 'refuse') throw new Refusal('The owner has not agreed', { consentRequired: 'owner' })
        return { done: true }
      },
    }),
    contemplate: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Asks a model, come what may',
      effects: ['calls:llm'],
      cost: () => ({ tokens: 10 }),
      needs: ['inference'],
      input: NoInput,
      output: Done,
      examples: [],
      handle: (_input, { infer }) =>
        infer({
          messages: [{ role: 'user', content: 'Well?' }],
          maxTokens: 1,
          temperature: 0,
          estimateTokens: 10,
        }),
      complete: () => ({ done: true }),
    }),
  },
})

const test = testWith([misbehaving])

const TRANSFORM = '/v1/agentese/world/test/transform'

describe('the pipeline', () => {
  test('commits state, mark, charge and events of a call together', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const { status, body } = await tenant.calls('POST', TRANSFORM, { how: 'well' })
    expect({ status, charges: body.meta.charges }).toEqual({ status: 200, charges: { gold: 1 } })
    expect(await owner`select user_id from souls where tenant_id = ${tenant.id}`).toHaveLength(1)
    expect(await owner`select path, outcome, charges from marks where tenant_id = ${tenant.id}`).toEqual([
      { path: 'world.test.transform', outcome: 'success', charges: { gold: 1 } },
    ])
    expect(await owner`select kind, amount::int from charges where tenant_id = ${tenant.id}`).toEqual([
      { kind: 'settled', amount: 1 },
    ])
    expect(await owner`select subjects from outbox where tenant_id = ${tenant.id} order by seq`).toEqual([
      { subjects: [`events.${tenant.id}.io.kgents.test.happened`] },
      { subjects: [`agentese.${tenant.id}.world.test.transform`] },
    ])
  })

  test.for([
    ['bug', 500, 'failure', 'INTERNAL', 'failed'],
    ['refuse', 451, 'refusal', 'CONSENT_REQUIRED', 'refused'],
  ] as const)(
    'leaves of a call that ends in a %s its mark and one event, and nothing else',
    async ([how, status, outcome, code, event], { newTenant, owner, runtime }) => {
      const tenant = await newTenant()
      const answer = await tenant.calls('POST', TRANSFORM, { how })
      expect(answer).toMatchObject({ status, body: { code, path: 'world.test.transform' } })
      expect(JSON.stringify(answer.body)).not.toContain('hunter2')
      await runtime.recorder.flush()
      for (const table of ['souls', 'charges']) {
        expect(await owner`select from ${owner(table)} where tenant_id = ${tenant.id}`).toHaveLength(0)
      }
      expect(await owner`select outcome, code from marks where tenant_id = ${tenant.id}`).toEqual([
        { outcome, code },
      ])
      const events =
        await owner`select event::json->>'type' as type from outbox where tenant_id = ${tenant.id}`
      expect(events).toEqual([{ type: `io.kgents.agentese.${event}` }])
    },
  )

  test('lets PostgreSQL refuse the write of a verb that only looks', async ({
    newTenant,
    owner,
    runtime,
  }) => {
    const tenant = await newTenant()
    const alerts = vi.spyOn(runtime.log, 'error')
    const answer = await tenant.calls('POST', '/v1/agentese/world/test/manifest')
    expect(answer).toMatchObject({ status: 500, body: { code: 'PURITY_BREACH' } })
    expect(alerts).toHaveBeenCalledWith(
      expect.objectContaining({ alert: 'purity_breach', path: 'world.test.manifest' }),
      expect.any(String),
    )
    await runtime.recorder.flush()
    expect(await owner`select from souls where tenant_id = ${tenant.id}`).toHaveLength(0)
    expect(await owner`select code from marks where tenant_id = ${tenant.id}`).toEqual([
      { code: 'PURITY_BREACH' },
    ])
  })

  test('marks a look once, without a commit of its own', async ({ newTenant, owner, runtime }) => {
    const tenant = await newTenant()
    // Held back until all have looked: how many looks a pause of the recorder takes in is a matter of speed.
    const recorded = vi.spyOn(runtime.recorder, 'record').mockReturnValue()
    for (let times = 0; times < 5; times++) await tenant.calls('POST', '/v1/agentese/void/entropy/manifest')
    const held = recorded.mock.calls
    recorded.mockRestore()
    for (const [happening] of held) runtime.recorder.record(happening)
    await runtime.recorder.flush()
    const marks = await owner<{ xmin: string }[]>`select xmin::text from marks where tenant_id = ${tenant.id}`
    expect(marks).toHaveLength(5)
    expect(new Set(marks.map(({ xmin }) => xmin)).size).toBe(1)
    expect(await owner`select from outbox where tenant_id = ${tenant.id}`).toHaveLength(5)
  })

  test('refuses a tenant header that contradicts the credential', async ({ newTenant }) => {
    const tenant = await newTenant()
    const other = await newTenant()
    const path = '/v1/agentese/void/entropy/manifest'
    const mismatch = await tenant.calls('POST', path, {}, { 'x-tenant-id': other.id })
    expect(mismatch).toMatchObject({ status: 403, body: { code: 'TENANT_MISMATCH' } })
    expect((await tenant.calls('POST', path, {}, { 'x-tenant-id': tenant.id })).status).toBe(200)
  })

  test('repeats an answer for the same Idempotency-Key of one tenant, and of no other', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const other = await newTenant()
    const key = { 'idempotency-key': 'k' }
    const first = await tenant.calls('POST', TRANSFORM, { how: 'well' }, key)
    const second = await tenant.calls('POST', TRANSFORM, { how: 'well' }, key)
    expect(second.body).toEqual(first.body)
    expect(second.headers.get('idempotency-replayed')).toBe('true')
    expect((await tenant.calls('POST', TRANSFORM, { how: 'bug' }, key)).status).toBe(409)
    expect(
      (await other.calls('POST', TRANSFORM, { how: 'well' }, key)).headers.get('idempotency-replayed'),
    ).toBeNull()
    expect(await owner`select from charges where tenant_id = ${tenant.id}`).toHaveLength(1)
  })

  test.for([
    ['NUL', '{"message":"a\\u0000b"}', 400],
    ['half a character', '{"message":"\\ud800"}', 400],
    ['an escaped backslash before u0000', '{"message":"\\\\u0000"}', 200],
    ['a whole character in two escapes', '{"message":"\\ud83d\\ude00"}', 200],
    ['a prototype', '{"message":"a","__proto__":{"mode":"advise"}}', 400],
    ['bottomless nesting', `{"message":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 400],
    ['the same member twice', '{"message":"a","message":"b"}', 200],
  ] as const)('answers %s in a body with a clear status', async ([, body, status], { newTenant }) => {
    const tenant = await newTenant()
    expect((await tenant.calls('POST', '/v1/agentese/self/soul/dialogue', body)).status).toBe(status)
  })

  test('answers 405 for another method, and 400 for an Idempotency-Key that is empty or endless', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    expect(await tenant.calls('GET', TRANSFORM)).toMatchObject({ status: 405, body: { available: ['POST'] } })
    for (const key of ['', 'x'.repeat(256)]) {
      expect(
        (await tenant.calls('POST', TRANSFORM, { how: 'well' }, { 'idempotency-key': key })).status,
      ).toBe(400)
    }
  })

  test('pours a sip back by its amount as by its grant, once', async ({ newTenant }) => {
    const tenant = await newTenant()
    const pour = (body: object) => tenant.calls('POST', '/v1/agentese/void/entropy/pour', body)
    await tenant.calls('POST', '/v1/agentese/void/entropy/sip', { amount: 10 })
    expect((await pour({ amount: 10 })).body.result).toEqual({ returned: 10, recovered: 5, remaining: 95 })
    expect((await pour({ amount: 10 })).body.code).toBe('NOT_FOUND')
    expect((await pour({})).body.code).toBe('TYPE_MISMATCH')
    expect((await pour({ grant: tenant.id, amount: 1 })).body.code).toBe('TYPE_MISMATCH')
  })

  test('pours back what the stage before has sipped, unless told otherwise', async ({ newTenant }) => {
    const tenant = await newTenant()
    const run = async (...inputs: object[]) => {
      const expression = 'void.entropy.sip >> void.entropy.pour'
      const { status, body } = await tenant.calls('POST', '/v1/agentese/compose', { expression, inputs })
      return { status, returned: body.final_result?.returned }
    }
    expect(await run({ amount: 2 })).toEqual({ status: 200, returned: 2 })
    await tenant.calls('POST', '/v1/agentese/void/entropy/sip', { amount: 4 })
    expect(await run({ amount: 2 }, { amount: 4 })).toEqual({ status: 200, returned: 4 })
    const grant = '01900000-0000-7000-8000-000000000000'
    expect(await run({}, { amount: 4, grant })).toMatchObject({ status: 400 })
  })

  test('books for a crowd that pours at once just what came back', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const sips = await Promise.all(
      Array.from({ length: 8 }, () => tenant.calls('POST', '/v1/agentese/void/entropy/sip', { amount: 4 })),
    )
    const pours = await Promise.all(
      sips.map(({ body }) =>
        tenant.calls('POST', '/v1/agentese/void/entropy/pour', { grant: body.result.grant }),
      ),
    )
    const recovered = pours.reduce((sum, { body }) => sum + Number(body.result.recovered), 0)
    const [pool] = await owner`select remaining::float8 from entropy_pools where tenant_id = ${tenant.id}`
    const [ledger] =
      await owner`select sum(amount)::float8 as used from charges where tenant_id = ${tenant.id}`
    expect({ recovered, remaining: pool?.['remaining'], used: ledger?.['used'] }).toEqual({
      recovered: 16,
      remaining: 84,
      used: 16,
    })
  })

  test('keeps jobs to the person who asked, and to the admins of the tenant', async ({
    newTenant,
    owner,
    runtime,
  }) => {
    const asker = await newTenant()
    const { body } = await asker.calls('POST', '/v1/agentese/self/soul/dialogue', {
      message: 'What is between us?',
    })
    const job = `/v1/jobs/${body.job.id}`
    const colleague = await newColleague(owner, asker, 'developer')
    const admin = await newColleague(owner, asker, 'admin')
    const app = createApp(runtime)
    const status = async (key: string, method: string) =>
      (await app.request(job, { method, headers: { 'x-api-key': key } })).status
    expect(await status(colleague, 'GET')).toBe(404)
    expect(await status(colleague, 'DELETE')).toBe(404)
    expect(await status(admin, 'GET')).toBe(200)
    expect((await asker.calls('GET', job)).body.job.status).toBe('queued')
  })

  test('tells what came of a job to the person who asked, and to no admin', async ({
    newTenant,
    owner,
    opened,
    settles,
  }) => {
    const asker = await newTenant()
    const { body } = await asker.calls('POST', '/v1/agentese/self/soul/dialogue', {
      message: 'What is between us?',
    })
    await settles(asker, () => ({ text: 'A secret' }))
    const job = `/v1/jobs/${body.job.id}`
    const own = (await asker.calls('GET', `${job}?follow=true`)).body
    expect(JSON.stringify(own.job.result)).toContain('A secret')
    expect(own.links).toEqual({ self: job, stream: `${job}/stream` })
    const { result: _, text, ...rest } = own.job
    expect(text).toBe('A secret')
    const key = await newColleague(owner, asker, 'admin')
    const seen = async (path: string) => (await call(opened.app, key, 'GET', path)).body
    expect(await seen(job)).toEqual({ job: rest, links: { self: job } })
    expect((await seen('/v1/jobs')).jobs).toEqual([rest])
    expect(await seen(`${job}?follow=true`)).toMatchObject({ status: 403, code: 'AFFORDANCE_DENIED' })
  })

  test('asks no model where there is none, and says what to set', async ({ newTenant, runtime, owner }) => {
    const tenant = await newTenant()
    runtime.inferenceUnavailable = 'no model could be fetched'
    const answer = await tenant.calls('POST', '/v1/agentese/world/test/contemplate')
    runtime.inferenceUnavailable = undefined
    expect(answer).toMatchObject({ status: 503, body: { code: 'INFERENCE_UNAVAILABLE' } })
    expect(answer.body.suggestion).toContain('INFERENCE_BASE_URL')
    expect(answer.headers.get('retry-after')).toBe('30')
    expect(await owner`select from jobs where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('shares an entropy pool of 100 out among a crowd, and never more', async ({ newTenant }) => {
    const tenant = await newTenant()
    const sips = await Promise.all(
      Array.from({ length: 15 }, () => tenant.calls('POST', '/v1/agentese/void/entropy/sip', { amount: 10 })),
    )
    expect(sips.filter(({ status }) => status === 200)).toHaveLength(10)
    expect(sips.filter(({ body }) => body.code === 'ENTROPY_EXHAUSTED')).toHaveLength(5)
  })
})
