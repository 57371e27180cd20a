import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { describe, expect, onTestFinished } from 'vitest'
import { createEvent } from '../../../shared/events/event.ts'
import { Failure } from '../../../shared/failures.ts'
import { setCatalogue } from '../../../shared/models/catalogue.ts'
import { Models } from '../../../shared/models/model.ts'
import { testWith, type Tenant } from './world.ts'

const test = testWith()

const TOKENS = { prompt: 40, completion: 10 }
const PRICED = Models.parse([
  {
    id: 'priced',
    kind: 'chat',
    ownedBy: 'us',
    contextTokens: 4096,
    pricePerMillion: { prompt: 100, completion: 200 },
  },
])
const COMPLETION = {
  text: ' A house. ',
  tokens: TOKENS,
  engine: 'test',
  model: 'test',
  attempt: 1,
  durationSeconds: 1,
}

async function ask(tenant: Tenant): Promise<string> {
  const { body } = await tenant.calls('POST', '/v1/agentese/self/soul/dialogue', {
    message: 'What is a house?',
  })
  return body.job.id
}

async function jobOf(tenant: Tenant, id: string) {
  return (await tenant.calls('GET', `/v1/jobs/${id}`)).body.job
}

describe('an event of each type, delivered twice or more, has one effect', () => {
  test('inference.completed', async ({ newTenant, resultOf, delivers, owner }) => {
    const tenant = await newTenant()
    const job = await ask(tenant)
    const event = resultOf(tenant.id, job, 'io.kgents.inference.completed', COMPLETION)
    const again = resultOf(tenant.id, job, 'io.kgents.inference.completed', {
      ...COMPLETION,
      text: 'Other words',
    })
    expect(await Promise.all([delivers(event), delivers(event), delivers(again)])).toEqual([202, 202, 202])
    expect(await delivers(event)).toBe(202)
    expect(await jobOf(tenant, job)).toMatchObject({
      status: 'completed',
      charges: { tokens: 50 },
      tokens: TOKENS,
    })
    expect(await owner`select kind from charges where tenant_id = ${tenant.id} order by kind`).toEqual([
      { kind: 'reserved' },
      { kind: 'settled' },
    ])
    expect(await owner`select outcome from marks where tenant_id = ${tenant.id}`).toEqual([
      { outcome: 'success' },
    ])
    const closing = await owner`
      select subjects from outbox where tenant_id = ${tenant.id} and event::json->>'type' = 'io.kgents.job.completed'`
    expect(closing).toEqual([
      { subjects: [`events.${tenant.id}.io.kgents.job.completed`, `tokens.${tenant.id}.${job}`] },
    ])
    const [allowance] =
      await owner`select reserved::int, spent::int from allowances where tenant_id = ${tenant.id} and resource = 'tokens'`
    expect(allowance).toEqual({ reserved: 0, spent: 50 })
  })

  test('inference.failed', async ({ newTenant, resultOf, delivers, owner }) => {
    const tenant = await newTenant()
    const job = await ask(tenant)
    const event = resultOf(tenant.id, job, 'io.kgents.inference.failed', {
      reason: 'out of memory',
      attempt: 4,
    })
    for (let times = 0; times < 3; times++) expect(await delivers(event)).toBe(202)
    expect(await jobOf(tenant, job)).toMatchObject({
      status: 'failed',
      error: { code: 'INFERENCE_FAILED', message: 'out of memory' },
    })
    expect(
      await owner`select kind, amount::int from charges where tenant_id = ${tenant.id} order by kind desc`,
    ).toEqual([
      { kind: 'reserved', amount: 500 },
      { kind: 'refunded', amount: 500 },
    ])
    expect(await owner`select outcome, code from marks where tenant_id = ${tenant.id}`).toEqual([
      { outcome: 'failure', code: 'INFERENCE_FAILED' },
    ])
  })

  test('inference.started, also when it comes late', async ({ newTenant, resultOf, delivers }) => {
    const tenant = await newTenant()
    const job = await ask(tenant)
    const started = resultOf(tenant.id, job, 'io.kgents.inference.started', { attempt: 1 })
    expect(await delivers(started)).toBe(202)
    expect(await delivers(started)).toBe(202)
    expect(await jobOf(tenant, job)).toMatchObject({ status: 'running', started_at: expect.any(String) })
    await delivers(resultOf(tenant.id, job, 'io.kgents.inference.completed', COMPLETION))
    await delivers(resultOf(tenant.id, job, 'io.kgents.inference.started', { attempt: 2 }))
    expect((await jobOf(tenant, job)).status).toBe('completed')
  })

  test('a completion with words that cannot be kept, and with members from the future', async ({
    newTenant,
    resultOf,
    delivers,
  }) => {
    const tenant = await newTenant()
    const job = await ask(tenant)
    const strange = { ...COMPLETION, text: ' a\u0000b\ud800 ', mood: 'fine' }
    expect(await delivers(resultOf(tenant.id, job, 'io.kgents.inference.completed', strange))).toBe(202)
    expect(await jobOf(tenant, job)).toMatchObject({ status: 'completed', result: { response: 'ab\ufffd' } })
  })

  test.for(['stop', 'length', 'content_filter', 'tool_calls', 'unknown'])(
    'a completion that ended by %s says so in the job and in its event',
    async (finishReason, { newTenant, resultOf, delivers, owner }) => {
      const tenant = await newTenant()
      const job = await ask(tenant)
      const completion = { ...COMPLETION, finishReason, server: 'server-2' }
      expect(await delivers(resultOf(tenant.id, job, 'io.kgents.inference.completed', completion))).toBe(202)
      const ended = { status: 'completed', finish_reason: finishReason, server: 'server-2' }
      expect(await jobOf(tenant, job)).toMatchObject({ ...ended, charges: { tokens: 50 } })
      const [event] = await owner`
        select event::json->'data' as data from outbox
        where tenant_id = ${tenant.id} and event::json->>'type' = 'io.kgents.job.completed'`
      expect(event?.['data']).toMatchObject(ended)
    },
  )

  test('what its tokens cost by the catalogue is said of a job, and its engine’s seconds are metered', async ({
    newTenant,
    resultOf,
    delivers,
    owner,
  }) => {
    setCatalogue(PRICED)
    onTestFinished(() => setCatalogue())
    const tenant = await newTenant()
    const job = await ask(tenant)
    const [queued] = await owner<{ message: string }[]>`select message from jobs where id = ${job}`
    expect(JSON.parse(queued?.message ?? '')).toMatchObject({ request: { model: 'priced' } })
    const completion = { ...COMPLETION, computeSeconds: 0.25 }
    await delivers(resultOf(tenant.id, job, 'io.kgents.inference.completed', completion))
    // 40 tokens at 100 dollars, and 10 at 200, for a million.
    expect(await jobOf(tenant, job)).toMatchObject({ status: 'completed', cost_usd: 0.006 })
    const listed = await tenant.calls('GET', '/v1/jobs')
    expect(listed.body.jobs[0]).toMatchObject({ id: job, cost_usd: 0.006 })
    const [mark] = await owner`select gpu_seconds::float8 from marks where job_id = ${job}`
    expect(mark).toEqual({ gpu_seconds: 0.25 })
    const [event] = await owner`
      select event::json->'data' as data from outbox
      where tenant_id = ${tenant.id} and event::json->>'type' = 'io.kgents.job.completed'`
    expect(event?.['data']).toMatchObject({ cost_usd: 0.006 })
  })

  test('a reason for the end that is not known here is unknown', async ({
    newTenant,
    resultOf,
    delivers,
  }) => {
    const tenant = await newTenant()
    const job = await ask(tenant)
    const completion = { ...COMPLETION, finishReason: 'tired' }
    await delivers(resultOf(tenant.id, job, 'io.kgents.inference.completed', completion))
    expect(await jobOf(tenant, job)).toMatchObject({ status: 'completed', finish_reason: 'unknown' })
  })

  test('a request that every model server refused is the caller’s to change', async ({
    newTenant,
    resultOf,
    delivers,
  }) => {
    const tenant = await newTenant()
    const job = await ask(tenant)
    const refused = { reason: 'it is too long', code: 'INFERENCE_REFUSED', attempt: 1 }
    await delivers(resultOf(tenant.id, job, 'io.kgents.inference.failed', refused))
    const { error, charges } = await jobOf(tenant, job)
    expect(error).toEqual({ code: 'INFERENCE_REFUSED', message: 'it is too long' })
    expect(new Failure(error.code, '').status).toBe(422)
    expect(charges).toEqual({})
  })
})

/** As the relay does when it has put the job into the queue. */
async function admit(owner: Sql, job: string): Promise<void> {
  await owner`update jobs set admitted_at = now() where id = ${job}`
}

describe('a cancelled job', () => {
  const GENERATED = { prompt: 9, completion: 31, estimated: true }

  test('costs what had been generated, once, however often that is reported', async ({
    newTenant,
    resultOf,
    delivers,
    owner,
    runtime,
  }) => {
    const tenant = await newTenant()
    const job = await ask(tenant)
    await admit(owner, job)
    const { body } = await tenant.calls('DELETE', `/v1/jobs/${job}`)
    expect(body.job.status).toBe('cancelled')
    expect(body.job).not.toHaveProperty('charges')
    expect((await tenant.calls('DELETE', `/v1/jobs/${job}`)).status).toBe(200)
    const report = { reason: 'It was cancelled', tokens: GENERATED, attempt: 1 }
    const first = resultOf(tenant.id, job, 'io.kgents.inference.failed', report)
    const events = [
      first,
      resultOf(tenant.id, job, 'io.kgents.inference.failed', report),
      resultOf(tenant.id, job, 'io.kgents.inference.completed', COMPLETION),
    ]
    expect(await delivers(first)).toBe(202)
    expect(await Promise.all(events.map((event) => delivers(event)))).toEqual([202, 202, 202])
    expect(await jobOf(tenant, job)).toMatchObject({
      status: 'cancelled',
      tokens: GENERATED,
      charges: { tokens: 40 },
    })
    expect(await ledgerOf(owner, tenant)).toEqual([
      { kind: 'reserved', amount: 500 },
      { kind: 'settled', amount: 40 },
    ])
    expect(await allowanceOf(owner, tenant)).toEqual({ reserved: 0, spent: 40 })
    await runtime.recorder.flush()
    expect(await owner`select outcome, code, charges from marks where tenant_id = ${tenant.id}`).toEqual([
      { outcome: 'failure', code: 'CANCELLED', charges: { tokens: 40 } },
    ])
    const closing = await owner`
      select seq from outbox where tenant_id = ${tenant.id} and event::json->>'type' = 'io.kgents.job.cancelled'`
    expect(closing).toHaveLength(1)
  })

  test('whose answer was finished all the same costs that answer', async ({
    newTenant,
    resultOf,
    delivers,
    owner,
  }) => {
    const tenant = await newTenant()
    const job = await ask(tenant)
    await admit(owner, job)
    await tenant.calls('DELETE', `/v1/jobs/${job}`)
    await delivers(resultOf(tenant.id, job, 'io.kgents.inference.completed', COMPLETION))
    expect(await jobOf(tenant, job)).toMatchObject({ status: 'cancelled', charges: { tokens: 50 } })
    expect(await jobOf(tenant, job)).not.toHaveProperty('result')
    expect(await allowanceOf(owner, tenant)).toEqual({ reserved: 0, spent: 50 })
  })

  test.for([{ tokens: { prompt: 0, completion: 0 } }, {}])(
    'costs nothing where the report is %j',
    async (report, { newTenant, resultOf, delivers, owner }) => {
      const tenant = await newTenant()
      const job = await ask(tenant)
      await admit(owner, job)
      await tenant.calls('DELETE', `/v1/jobs/${job}`)
      const data = { reason: 'no worker finished it', attempt: 4, ...report }
      await delivers(resultOf(tenant.id, job, 'io.kgents.inference.failed', data))
      expect(await jobOf(tenant, job)).toMatchObject({ status: 'cancelled', charges: {} })
      expect(await ledgerOf(owner, tenant)).toEqual([
        { kind: 'reserved', amount: 500 },
        { kind: 'refunded', amount: 500 },
      ])
    },
  )

  test('that no worker had costs nothing, at once and for good', async ({
    newTenant,
    resultOf,
    delivers,
    owner,
  }) => {
    const tenant = await newTenant()
    const job = await ask(tenant)
    expect((await tenant.calls('DELETE', `/v1/jobs/${job}`)).body.job).toMatchObject({
      status: 'cancelled',
      charges: {},
    })
    expect(await delivers(resultOf(tenant.id, job, 'io.kgents.inference.completed', COMPLETION))).toBe(202)
    expect((await jobOf(tenant, job)).status).toBe('cancelled')
    expect(await ledgerOf(owner, tenant)).toEqual([
      { kind: 'reserved', amount: 500 },
      { kind: 'refunded', amount: 500 },
    ])
    expect(await allowanceOf(owner, tenant)).toEqual({ reserved: 0, spent: 0 })
  })
})

async function ledgerOf(owner: Sql, { id }: Tenant) {
  return owner`select kind, amount::int from charges where tenant_id = ${id} order by at, kind desc`
}

async function allowanceOf(owner: Sql, { id }: Tenant) {
  const [row] =
    await owner`select reserved::int, spent::int from allowances where tenant_id = ${id} and resource = 'tokens'`
  return row
}

describe('an event that cannot be believed', () => {
  test('is refused for good, and nothing is written', async ({ newTenant, resultOf, delivers, eventKey }) => {
    const acme = await newTenant()
    const globex = await newTenant()
    const job = await ask(acme)
    const event = resultOf(acme.id, job, 'io.kgents.inference.completed', COMPLETION)
    const forged = [
      { ...event, tenantid: globex.id },
      { ...event, data: { ...COMPLETION, job, text: 'Forged' } },
      { ...event, signature: undefined },
      createEvent(
        {
          source: '/x',
          type: event.type,
          tenant: acme.id,
          function: 'self-soul',
          data: { job, ...COMPLETION },
        },
        'AAAA',
      ),
    ]
    for (const each of forged) expect(await delivers(each as typeof event)).toBe(403)
    expect(await delivers({ ...event, id: '' })).toBe(400)
    expect(await delivers({ ...event, id: undefined } as unknown as typeof event)).toBe(400)
    const wrongData = createEvent(
      { source: '/x', type: 'io.kgents.inference.started', tenant: acme.id, data: {} },
      eventKey,
    )
    expect([400, 403]).toContain(await delivers(wrongData))
    expect((await jobOf(acme, job)).status).toBe('queued')
  })

  test('of nobody’s interest is accepted and dropped', async ({ newTenant, delivers, eventKey }) => {
    const tenant = await newTenant()
    const event = createEvent(
      { source: '/x', type: 'io.kgents.test.other', tenant: tenant.id, data: { id: randomUUID() } },
      eventKey,
    )
    expect(await delivers(event)).toBe(202)
  })
})
