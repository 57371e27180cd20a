import { describe, expect } from 'vitest'
import { z } from 'zod'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { Failure } from '../../../shared/failures.ts'
import { testWith, type Tenant } from './world.ts'

const Number = z.strictObject({ n: z.number() })

/** A node whose verbs compute, so that compositions of them can be foretold. */
const numbers = defineNode('world.numbers', {
  summary: 'Numbers, for tests',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Always one',
      effects: [],
      input: NoInput,
      output: Number,
      examples: [],
      handle: () => ({ n: 1 }),
    }),
    double: aspect({
      category: 'E',
      archetypes: 'all',
      summary: 'Twice the number before',
      effects: ['charges:gold'],
      cost: () => ({ gold: 1 }),
      input: z.strictObject({ input: Number.optional(), n: z.number().optional() }),
      output: Number,
      examples: [],
      handle({ input, n = 0 }, { charge }) {
        charge('gold', 1)
        return { n: 2 * (input?.n ?? n) }
      },
    }),
    fails: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Cannot',
      effects: ['writes:entity'],
      input: z.strictObject({ input: Number.nullable().optional() }),
      output: Number,
      examples: [],
      handle() {
        throw new Failure('STATE_CONFLICT', 'Cannot count: there are none')
      },
    }),
    ask: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Lets a model count',
      effects: ['calls:llm', 'charges:tokens'],
      cost: () => ({ tokens: 50 }),
      needs: ['inference'],
      input: z.strictObject({ input: Number.optional() }),
      output: Number,
      examples: [],
      handle: ({ input }, { infer }) =>
        infer({
          messages: [{ role: 'user', content: String(input?.n) }],
          maxTokens: 5,
          temperature: 0,
          estimateTokens: 50,
        }),
      complete: ({ text }) => ({ n: globalThis.Number(text) }),
    }),
  },
})

const test = testWith([numbers])
const N = 'world.numbers'

function compose(tenant: Tenant, expression: string, more: object = {}) {
  return tenant.calls('POST', '/v1/agentese/compose', { expression, ...more })
}

describe('logos composes', () => {
  test('passes each result on as input, sums charges, and leaves one mark for each stage', async ({
    newTenant,
    owner,
    runtime,
  }) => {
    const tenant = await newTenant()
    const { status, body } = await compose(tenant, `${N}.manifest >> ${N}.double >> ${N}.double`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      success: true,
      failed_at: -1,
      final_result: { n: 4 },
      charges: { gold: 2 },
      stages: [{ aspect: 'manifest' }, { aspect: 'double', result: { n: 2 } }, { aspect: 'double' }],
    })
    await runtime.recorder.flush()
    const marks = await owner`select path, trace_id from marks where tenant_id = ${tenant.id}`
    expect(marks).toHaveLength(3)
    expect(new Set(marks.map(({ trace_id }) => trace_id)).size).toBe(1)
  })

  test('returns the input of a composition without stages', async ({ newTenant }) => {
    const tenant = await newTenant()
    const { body } = await compose(tenant, 'Id', { input: { n: 7 } })
    expect(body).toMatchObject({ final_result: { n: 7 }, stages: [] })
  })

  test('takes arguments of the first stage or of each, and not both', async ({ newTenant }) => {
    const tenant = await newTenant()
    const expression = `${N}.double >> ${N}.double`
    const both = await compose(tenant, expression, { input: { n: 1 }, inputs: [{ n: 2 }] })
    expect(both).toMatchObject({ status: 400, body: { code: 'TYPE_MISMATCH' } })
    for (const one of [{ input: { n: 2 } }, { inputs: [{ n: 2 }] }, { inputs: [{ n: 2 }, {}] }])
      expect((await compose(tenant, expression, one)).body.final_result).toEqual({ n: 8 })
    expect((await compose(tenant, 'Id', { inputs: [{ n: 7 }] })).body.final_result).toEqual({ n: 7 })
  })

  test('fails with the failure of the stage, and tells which and what was done before', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    const { status, body } = await compose(tenant, `${N}.manifest >> ${N}.fails >> ${N}.double`)
    expect(status).toBe(409)
    expect(body).toMatchObject({
      code: 'STATE_CONFLICT',
      details: { composition: { failed_at: 1, stages: [{ success: true }, { success: false }] } },
    })
  })

  test('runs the stages after a failure with null, where all are to be collected', async ({ newTenant }) => {
    const tenant = await newTenant()
    const collected = await compose(tenant, `${N}.fails >> ${N}.manifest`, { mode: 'collect' })
    expect(collected.status).toBe(409)
    expect(collected.body.details.composition.stages).toMatchObject([{ success: false }, { success: true }])
  })

  test.for([
    [`${N}.manifest >> ${N}.nope`, 404, 'NODE_NOT_REGISTERED', 2],
    [`void.entropy.sip >> ${N}.double`, 400, 'TYPE_MISMATCH', 2],
  ] as const)(
    'refuses %s before its first stage',
    async ([expression, status, code, stage], { newTenant, owner }) => {
      const tenant = await newTenant()
      expect(await compose(tenant, expression)).toMatchObject({ status, body: { code, details: { stage } } })
      expect(await owner`select from marks where tenant_id = ${tenant.id}`).toHaveLength(0)
    },
  )

  test('checks permissions of all stages before the first runs', async ({ newTenant, owner }) => {
    const tenant = await newTenant('enterprise', ['viewer'])
    const answer = await compose(tenant, `${N}.manifest >> ${N}.fails`)
    expect(answer).toMatchObject({ status: 403, body: { code: 'SCOPE_MISSING', details: { stage: 2 } } })
    expect(await owner`select from marks where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('tells what a composition would do and cost, and does nothing', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const { body } = await compose(tenant, `${N}.double >> ${N}.ask`, { dry_run: true })
    expect(body).toMatchObject({
      dry_run: true,
      effects: ['calls:llm', 'charges:gold', 'charges:tokens'],
      scopes: ['gold:charge', 'llm:call', 'tokens:charge'],
      cost: { gold: 1, tokens: 50 },
      asynchronous: true,
    })
    expect(await owner`select from charges where tenant_id = ${tenant.id}`).toHaveLength(0)
  })
})

describe('a composition that asks a model', () => {
  const EXPRESSION = `${N}.manifest >> ${N}.ask >> ${N}.double`

  test('is a job that goes on by event to its end', async ({ newTenant, settles, owner, runtime }) => {
    const tenant = await newTenant()
    const begun = await compose(tenant, EXPRESSION)
    expect(begun).toMatchObject({ status: 202, body: { job: { status: 'running' } } })
    await settles(tenant, () => ({ text: '20', finishReason: 'length' }))
    const { body } = await tenant.calls('GET', begun.body.links.self)
    expect(body.job).toMatchObject({
      status: 'completed',
      path: EXPRESSION,
      result: {
        final_result: { n: 40 },
        charges: { gold: 1, tokens: 12 },
        stages: [{}, { result: { n: 20 }, finish_reason: 'length' }, {}],
      },
    })
    await runtime.recorder.flush()
    const marks = await owner`select path from marks where tenant_id = ${tenant.id} order by at`
    expect(marks.map(({ path }) => path)).toEqual([`${N}.manifest`, `${N}.ask`, `${N}.double`])
  })

  test('runs each stage once, however often its events come', async ({
    newTenant,
    settles,
    owner,
    delivers,
  }) => {
    const tenant = await newTenant()
    const begun = await compose(tenant, EXPRESSION)
    await settles(tenant, () => ({ text: '20' }))
    const events = await owner<{ event: string }[]>`
      select event from outbox where tenant_id = ${tenant.id} and event like '%composition%' order by seq`
    // As if nothing had been noted: only the state of the composition protects it now.
    await owner`delete from inbox where tenant_id = ${tenant.id}`
    for (const { event } of events) await delivers(JSON.parse(event))
    await settles(tenant, () => ({ text: '1' }))
    expect(await owner`select from jobs where tenant_id = ${tenant.id}`).toHaveLength(2)
    const { body } = await tenant.calls('GET', begun.body.links.self)
    expect(body.job.result.final_result).toEqual({ n: 40 })
    const gold =
      await owner`select sum(amount)::int as sum from charges where tenant_id = ${tenant.id} and resource = 'gold'`
    expect(gold).toEqual([{ sum: 1 }])
  })

  test('fails with the stage that fails, and keeps what was done', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    const begun = await compose(tenant, EXPRESSION)
    await settles(tenant, () => new Error('The model is tired'))
    const { body } = await tenant.calls('GET', begun.body.links.self)
    expect(body.job).toMatchObject({
      status: 'failed',
      error: { code: 'INFERENCE_FAILED', message: expect.stringContaining('Stage 2') },
      result: { failed_at: 1, stages: [{ success: true }, { success: false }] },
    })
  })

  test('stops where it was cancelled, and takes the job of its stage with it', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    const begun = await compose(tenant, `${N}.ask >> ${N}.double`)
    const [continuing] = await owner<{ event: string }[]>`
      update outbox set published_at = now() where tenant_id = ${tenant.id} returning event`
    expect(continuing?.event).toContain('composition.continue')
    expect(await tenant.calls('DELETE', begun.body.links.self)).toMatchObject({ status: 200 })
    await settles(tenant)
    const { body } = await tenant.calls('GET', begun.body.links.self)
    expect(body.job.status).toBe('cancelled')
    expect(await owner`select from marks where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('goes on after a while where the word to go on was lost', async ({
    newTenant,
    settles,
    ticks,
    owner,
  }) => {
    const tenant = await newTenant()
    const begun = await compose(tenant, EXPRESSION)
    await owner`update outbox set published_at = now() where tenant_id = ${tenant.id}`
    await ticks()
    expect(await settles(tenant)).toEqual([])
    await owner`update compositions set stage_started_at = now() - interval '1 hour' where tenant_id = ${tenant.id}`
    await ticks()
    await settles(tenant, () => ({ text: '20' }))
    const { body } = await tenant.calls('GET', begun.body.links.self)
    expect(body.job.result.final_result).toEqual({ n: 40 })
  })

  test('tells that it is answered again', async ({ newTenant }) => {
    const tenant = await newTenant()
    const ask = async (what: 'invoke' | 'compose', body: object, key: string) => {
      const { headers, status } = await tenant.calls('POST', `/v1/agentese/${what}`, body, {
        'idempotency-key': key,
      })
      return [status, headers.get('idempotency-replayed')]
    }
    for (const [what, body, status] of [
      ['invoke', { path: `${N}.double`, input: { n: 1 } }, 200],
      ['invoke', { path: `${N}.ask` }, 202],
      ['compose', { expression: `${N}.double >> ${N}.double` }, 200],
      ['compose', { expression: `${N}.double >> ${N}.ask` }, 202],
    ] as const) {
      const key = JSON.stringify(body)
      expect(await ask(what, body, key)).toEqual([status, null])
      expect(await ask(what, body, key)).toEqual([status, 'true'])
    }
    const looks = { expression: `${N}.double >> ${N}.manifest` }
    for (let times = 0; times < 2; times++) expect(await ask('compose', looks, 'looks')).toEqual([200, null])
  })

  test('answers the same job to the same key', async ({ newTenant }) => {
    const tenant = await newTenant()
    const ask = () =>
      tenant.calls('POST', '/v1/agentese/compose', { expression: EXPRESSION }, { 'idempotency-key': 'k' })
    const [first, second] = [await ask(), await ask()]
    expect(second.body.job.id).toBe(first.body.job.id)
  })
})

describe('logos finds', () => {
  test('by alias: the standard ones and those of one person', async ({ newTenant }) => {
    const [tenant, other] = [await newTenant(), await newTenant()]
    const invoke = (who: Tenant, path: string) => who.calls('POST', '/v1/agentese/invoke', { path })
    expect(await invoke(tenant, 'chaos.manifest')).toMatchObject({
      status: 200,
      body: { path: 'void.entropy.manifest' },
    })
    expect(await tenant.calls('POST', '/v1/agentese/aliases', { alias: 'sums', target: N })).toMatchObject({
      status: 200,
    })
    expect(await invoke(tenant, 'sums.manifest')).toMatchObject({ status: 200, body: { result: { n: 1 } } })
    expect(await invoke(other, 'sums.manifest')).toMatchObject({ status: 400, body: { code: 'PATH_SYNTAX' } })
    expect(await tenant.calls('DELETE', '/v1/agentese/aliases/sums')).toMatchObject({ status: 200 })
    expect(await invoke(tenant, 'sums.manifest')).toMatchObject({ status: 400 })
  })

  test.for([
    [{ alias: 'world', target: N }, 'ALIAS_SHADOW'],
    [{ alias: 'mine', target: 'me.x' }, 'ALIAS_RECURSION'],
    [{ alias: 'Bad', target: N }, 'PATH_SYNTAX'],
    [{ alias: 'mine', target: 'self.nothing' }, 'NODE_NOT_REGISTERED'],
  ] as const)('refuses alias %o', async ([alias, code], { newTenant }) => {
    const tenant = await newTenant()
    expect((await tenant.calls('POST', '/v1/agentese/aliases', alias)).body.code).toBe(code)
  })

  test('what a pattern asks for, within bounds and in order', async ({ newTenant }) => {
    const tenant = await newTenant()
    const ask = (query: string) => tenant.calls('GET', `/v1/agentese/query?${query}`)
    const { body } = await ask('pattern=?void.*')
    expect(body.matches.map(({ path }: { path: string }) => path)).toContain('void.entropy')
    const verbs = await ask(`pattern=?world.numbers.?`)
    expect(verbs.body.matches.map(({ path }: { path: string }) => path)).toContain(`${N}.double`)
    const page = await ask('pattern=?*&limit=1&offset=1')
    expect(page.body).toMatchObject({ limit: 1, offset: 1, has_more: true, matches: [{}] })
    expect(await ask('pattern=?*&limit=1001')).toMatchObject({ status: 400, body: { code: 'QUERY_BOUND' } })
    for (const no of ['limit=', 'limit=1.5', 'limit=1e2', 'limit=x', 'offset=', 'offset=1.5', 'offset=0x10'])
      expect(await ask(`pattern=?*&${no}`), no).toMatchObject({
        status: 400,
        body: { code: 'TYPE_MISMATCH' },
      })
    expect((await ask('pattern=?*&limit=0&offset=-3')).body).toMatchObject({ limit: 1, offset: 0 })
    expect(await ask('pattern=world.*')).toMatchObject({ status: 400, body: { code: 'QUERY_SYNTAX' } })
    expect(await ask('pattern=?*&dry_run=true')).toMatchObject({ body: { cost_estimate: 0.5, matches: [] } })
    const other = await newTenant()
    expect(await ask(`pattern=?*&tenant_filter=${other.id}`)).toMatchObject({ status: 403 })
  })

  test('how a path or a link is called', async ({ newTenant }) => {
    const tenant = await newTenant()
    const link = encodeURIComponent('void.entropy:sip?amount=0.5')
    expect((await tenant.calls('GET', `/v1/agentese/resolve?path=${link}`)).body).toMatchObject({
      path: 'void.entropy.sip',
      invoke: { method: 'POST', url: '/v1/agentese/void/entropy/sip', input: { amount: 0.5 } },
    })
  })

  test('tells guests every path, and nothing of a tenant', async ({ runtime }) => {
    const { createApp } = await import('../../../shared/http/app.ts')
    const response = await createApp(runtime).request('/v1/agentese/discover/void?include_schemas=false')
    const body = (await response.json()) as { paths: { path: string; input?: unknown }[] }
    expect(response.status).toBe(200)
    expect(body.paths.map(({ path }) => path)).toContain('void.entropy.sip')
    expect(body.paths.every(({ input }) => input === undefined)).toBe(true)
  })
})
