import { describe, expect } from 'vitest'
import { testWith, type Tenant } from './world.ts'

const test = testWith()

function agentsOf(tenant: Tenant, as?: string) {
  const headers = as === undefined ? {} : { 'x-observer-archetype': as }
  return (verb: string, input: object = {}) =>
    tenant.calls('POST', `/v1/agentese/world/agent/${verb}`, input, headers)
}

const SAGE = { name: 'Sage', theme: 'calm advice', instructions: 'You give short, calm advice.' }

describe('world.agent.define', () => {
  test('makes an agent, under a handle made of its name', async ({ newTenant }) => {
    const agents = agentsOf(await newTenant())
    const { body } = await agents('define', { ...SAGE, name: 'Frère Jacques, 2nd' })
    expect(body.result).toMatchObject({
      handle: 'frere_jacques_2nd',
      name: 'Frère Jacques, 2nd',
      status: 'active',
    })
    expect(JSON.stringify(body)).not.toContain(SAGE.instructions)
    expect(await agents('define', { ...SAGE, name: '賢者' })).toMatchObject({ status: 400 })
    expect((await agents('define', { ...SAGE, name: '賢者', handle: 'kenja' })).status).toBe(200)
    expect(await agents('define', { ...SAGE, handle: 'kenja' })).toMatchObject({
      status: 409,
      body: { code: 'STATE_CONFLICT' },
    })
  })

  test.for([
    ['free', 1],
    ['starter', 5],
  ] as const)(
    'gives a crowd on plan %s its %i agents, and no more',
    async ([tier, limit], { newTenant, owner }) => {
      const tenant = await newTenant(tier)
      const agents = agentsOf(tenant)
      const answers = await Promise.all(
        Array.from({ length: limit + 3 }, (_, at) => agents('define', { ...SAGE, handle: `sage_${at}` })),
      )
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(limit)
      expect(answers.find(({ status }) => status === 429)?.body).toMatchObject({
        code: 'QUOTA_EXCEEDED',
        details: { resource: 'agent', tier, limit },
      })
      expect(await owner`select from agents where tenant_id = ${tenant.id}`).toHaveLength(limit)
    },
  )

  test('knows no limit on enterprise, and a place is free again when its agent has retired', async ({
    newTenant,
  }) => {
    const many = agentsOf(await newTenant('enterprise'))
    for (const handle of ['a', 'b']) expect((await many('define', { ...SAGE, handle })).status).toBe(200)
    const one = agentsOf(await newTenant('free'))
    expect((await one('define', SAGE)).status).toBe(200)
    const [first, second] = await Promise.all([
      one('retire', { agent: 'sage' }),
      one('retire', { agent: 'sage' }),
    ])
    expect([first.status, second.status].toSorted((a, b) => a - b)).not.toEqual([200, 200])
    expect((await one('define', SAGE)).status).toBe(200)
    expect((await one('define', { ...SAGE, name: 'Another' })).status).toBe(429)
  })
})

describe('world.agent.list and search', () => {
  test('tell of agents by status and by words, and page', async ({ newTenant }) => {
    const agents = agentsOf(await newTenant())
    for (const handle of ['one', 'two', 'three']) await agents('define', { ...SAGE, handle })
    await agents('define', { name: '100% Gold_digger', theme: 'wealth', instructions: 'Dig.' })
    await agents('retire', { agent: 'two' })
    const handles = ({ body }: { body: { result: { agents: { handle: string }[] } } }) =>
      body.result.agents.map(({ handle }) => handle)
    expect(handles(await agents('list'))).toEqual(['gold_digger', 'three', 'two', 'one'])
    expect(handles(await agents('list', { status: 'retired' }))).toEqual(['two'])
    expect(handles(await agents('search', { query: 'sage CALM' }))).toEqual(['three', 'one'])
    expect(handles(await agents('search', { query: '%' }))).toEqual(['gold_digger'])
    expect(handles(await agents('search', { query: 'd_d' }))).toEqual(['gold_digger'])
    expect(handles(await agents('search', { query: 'e_e' }))).toEqual([])
    const page = await agents('list', { limit: 3 })
    expect(handles(await agents('list', { cursor: page.body.result.next_cursor }))).toEqual(['one'])
    expect((await agents('manifest')).body.result.metadata).toMatchObject({
      active: 3,
      retired: 1,
      limit: null,
    })
  })

  test('find an agent by its name, whatever its case and composition are', async ({ newTenant }) => {
    const agents = agentsOf(await newTenant('enterprise'))
    const names = ['Zürich', 'Straße 5', 'İstanbul', 'Ｗｉｄｅ', 'Цюрих', 'ΟΔΟΣ']
    for (const [at, name] of names.entries())
      await agents('define', { ...SAGE, name, ...(at < 4 ? {} : { handle: `agent_${at}` }) })
    const same = [
      ['ZÜRICH', 'zu\u0308rich'],
      ['STRASSE 5', 'STRAẞE 5'],
      ['istanbul', 'ISTANBUL'],
      ['wide', 'WIDE'],
      ['ЦЮРИХ', 'цюрих'],
      ['οδος', 'οδοσ'],
    ]
    for (const [at, others] of same.entries()) {
      for (const query of others) {
        const { body } = await agents('search', { query })
        expect(body.result.agents).toMatchObject([{ name: names[at] }])
        expect((await agents('invoke', { agent: query, input: 'Hi' })).status).toBe(202)
        expect((await agents('define', { ...SAGE, name: query })).status).toBe(at < 4 ? 409 : 400)
      }
    }
    await agents('define', { ...SAGE, name: 'цюрих', handle: 'another' })
    expect((await agents('retire', { agent: 'Цюрих' })).body).toMatchObject({
      code: 'STATE_CONFLICT',
      available: ['agent_4', 'another'],
    })
  })

  test('search is for those who build', async ({ newTenant }) => {
    const tenant = await newTenant()
    expect((await agentsOf(tenant, 'poet')('search', { query: 'sage' })).body.code).toBe('AFFORDANCE_DENIED')
    expect((await agentsOf(tenant, 'poet')('list')).status).toBe(200)
  })
})

describe('world.agent.invoke', () => {
  test('shows a model the instructions and what is asked, and answers what it says', async ({
    newTenant,
    owner,
    resultOf,
    delivers,
  }) => {
    const tenant = await newTenant()
    const agents = agentsOf(tenant)
    const { id } = (await agents('define', SAGE)).body.result
    const { status, body } = await agents('invoke', { agent: 'sage', input: { topic: 'starting' } })
    expect(status).toBe(202)
    const [job] = await owner`select message from jobs where tenant_id = ${tenant.id}`
    expect(JSON.parse(job?.['message']).request.messages).toEqual([
      { role: 'system', content: SAGE.instructions },
      { role: 'user', content: '{"topic":"starting"}' },
    ])
    const completion = {
      text: ' Begin. ',
      tokens: { prompt: 30, completion: 4 },
      engine: 'test',
      model: 'test',
    }
    const facts = { ...completion, attempt: 1, durationSeconds: 1 }
    const event = resultOf(tenant.id, body.job.id, 'io.kgents.inference.completed', facts, 'world-agent')
    expect(await delivers(event)).toBe(202)
    expect((await tenant.calls('GET', `/v1/jobs/${body.job.id}`)).body.job).toMatchObject({
      status: 'completed',
      result: { agent: 'sage', output: 'Begin.', model: 'test', tokens_used: 34 },
      charges: { tokens: 34 },
    })
    expect((await agents('invoke', { agent: id, input: 'And then?' })).status).toBe(202)
  })

  test("asks nothing of an agent that is not there, has retired, or is another tenant's", async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const agents = agentsOf(tenant)
    const others = agentsOf(await newTenant())
    const { id } = (await agents('define', SAGE)).body.result
    for (const agent of ['sage', id]) {
      expect((await others('invoke', { agent, input: 'Hello' })).body.code).toBe('NOT_FOUND')
      expect((await others('retire', { agent })).body.code).toBe('NOT_FOUND')
    }
    expect((await others('list')).body.result.agents).toEqual([])
    await agents('retire', { agent: id })
    expect((await agents('invoke', { agent: id, input: 'Hello' })).body.code).toBe('STATE_CONFLICT')
    expect((await agents('invoke', { agent: 'sage', input: 'Hello' })).body.code).toBe('NOT_FOUND')
    for (const input of [undefined, '', '  ', 'x'.repeat(9000)]) {
      expect((await agents('invoke', { agent: id, input })).status, String(input).slice(0, 9)).toBe(400)
    }
    expect(await owner`select from jobs where tenant_id = ${tenant.id}`).toHaveLength(0)
  })
})
