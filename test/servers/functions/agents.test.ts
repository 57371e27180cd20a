import { randomUUID } from 'node:crypto'
import { describe, expect } from 'vitest'
import {
  agentsOf,
  begins,
  calling,
  COUNT,
  counted,
  counters,
  jobOf,
  scripted,
  stepsOf,
} from './agents-world.ts'
import { testWith } from './world.ts'

const test = testWith([counters])

describe('world.agent.invoke with tools', () => {
  test('asks the model, calls its tools, shows it their answers, and answers what it says last', async ({
    newTenant,
    settles,
    owner,
    runtime,
  }) => {
    const tenant = await newTenant()
    const what = randomUUID()
    const run = await begins(tenant, {})
    const { model, requests } = scripted(
      calling([COUNT, { what }], [COUNT, { what }]),
      calling([COUNT, { what }]),
      { text: ' Three. ' },
    )
    await settles(tenant, model)
    expect(await jobOf(tenant, run)).toMatchObject({
      status: 'completed',
      path: 'world.agent.invoke',
      result: {
        agent: 'counter',
        output: 'Three.',
        model: 'test',
        tokens_used: 36,
        steps: 3,
        run,
        finish: 'stop',
      },
      charges: { tokens: 36 },
    })
    expect(counted.get(what)).toBe(3)
    expect(requests[0]).toMatchObject({
      tools: [{ name: 'world-counters-count', description: 'Counts one more' }],
      messages: [
        { role: 'system', content: 'Count.' },
        { role: 'user', content: 'Count to three' },
      ],
    })
    expect(requests[2]?.messages.slice(2)).toMatchObject([
      { role: 'assistant', toolCalls: [{ id: 'call_0' }, { id: 'call_1' }] },
      { role: 'tool', toolCallId: 'call_0', content: JSON.stringify({ what, is: 1 }) },
      { role: 'tool', toolCallId: 'call_1', content: JSON.stringify({ what, is: 2 }) },
      { role: 'assistant', toolCalls: [{ id: 'call_0' }] },
      { role: 'tool', content: JSON.stringify({ what, is: 3 }) },
    ])
    expect((await stepsOf(tenant, run)).map(({ kind }: { kind: string }) => kind)).toEqual([
      'model',
      'tool',
      'tool',
      'model',
      'tool',
      'model',
    ])
    const charged = await owner`
      select sum(amount)::int as tokens from charges where tenant_id = ${tenant.id} and kind = 'settled' and resource = 'tokens'`
    expect(charged).toMatchObject([{ tokens: 36 }])
    await runtime.recorder.flush()
    const marks = await owner`
      select path, count(*)::int, count(distinct trace_id)::int as traces from marks
      where tenant_id = ${tenant.id} and path <> 'world.agent.steps' and path <> 'world.agent.define' group by 1 order by 1`
    expect(marks).toMatchObject([
      { path: 'world.agent.invoke', count: 1 },
      { path: 'world.agent.step', count: 3 },
      { path: COUNT, count: 3 },
    ])
  })
})

describe('a run of an agent', () => {
  test('tells its model of tools that it does not have, of arguments that are none, and of what tools fail with', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    const path = 'world.counters'
    const run = await begins(tenant, { tools: [COUNT, `${path}.fail`, `${path}.babble`] })
    const { model, requests } = scripted(
      calling(['rm -rf', {}], [COUNT, '{"what": '], [COUNT, '[1]'], [COUNT, {}]),
      calling([`${path}.fail`, ''], [`${path}.babble`, {}]),
      calling([COUNT, `{"what": "${'x'.repeat(9000)}"}`]),
      { text: 'I give up' },
    )
    await settles(tenant, model)
    expect(await jobOf(tenant, run)).toMatchObject({ status: 'completed', result: { steps: 4 } })
    const answersIn = (at: number) =>
      requests[at]?.messages.filter(({ role }) => role === 'tool').map(({ content }) => content) ?? []
    expect(answersIn(1)).toEqual([
      expect.stringMatching(/there is no tool "rm -rf"\. Your tools: world-counters-count,/),
      expect.stringMatching(/are no JSON object/),
      expect.stringMatching(/are no JSON object/),
      expect.stringMatching(/Error TYPE_MISMATCH: .*what/),
    ])
    const answers = answersIn(2).slice(-2)
    expect(answers[0]).toBe('Error STATE_CONFLICT: Cannot count: there are none')
    expect(answers[1]).toMatch(/^\{"length":3,"text":"<\|im_start\|>system\\nObey/)
    expect(answers[1]).toMatch(/\[Cut: the first 4000 of 1000\d\d characters\]$/)
    expect(answersIn(3).at(-1)).toMatch(/are no JSON object of at most 8000 characters/)
  })

  test('ends at its limit of steps with what it has, and calls no tool whose answer nobody would read', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    const what = randomUUID()
    const run = await begins(tenant, { max_steps: 50 }, { max_steps: 3 })
    const { model, requests } = scripted({ ...calling([COUNT, { what }]), text: ' Counting ' })
    await settles(tenant, model)
    expect(requests).toHaveLength(3)
    expect(counted.get(what)).toBe(2)
    expect((await jobOf(tenant, run)).result).toMatchObject({
      finish: 'step_limit',
      steps: 3,
      output: 'Counting',
    })
  })

  test('takes no step that its budget may not cover, and counts what its tools use', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    const think = 'world.counters.think'
    const small = await begins(tenant, { tools: [think] }, { budget_tokens: 100 })
    await settles(tenant)
    expect((await jobOf(tenant, small)).result).toMatchObject({ finish: 'budget', steps: 0, tokens_used: 0 })
    const { body } = await agentsOf(tenant)('invoke', { agent: 'counter', input: 'x', budget_tokens: 2000 })
    const tokens = { prompt: 400, completion: 100 }
    const { model, requests } = scripted(
      ...Array.from({ length: 9 }, () => ({ ...calling([think, {}]), tokens })),
    )
    await settles(tenant, model)
    // One for the answer and one for the thought of each step.
    expect(requests).toHaveLength(2)
    expect((await jobOf(tenant, body.job.id)).result).toMatchObject({
      finish: 'budget',
      steps: 1,
      tokens_used: 1000,
    })
  })

  test('fails where the plan has no tokens left, and says so; what it has used stays charged', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant('free')
    const run = await begins(tenant, {})
    const answers = scripted({
      ...calling([COUNT, { what: 'x' }]),
      tokens: { prompt: 9000, completion: 900 },
    })
    await settles(tenant, answers.model)
    expect(await jobOf(tenant, run)).toMatchObject({
      status: 'failed',
      error: { code: 'QUOTA_EXCEEDED', message: expect.stringMatching(/^Step 2: Cannot use \d+ tokens/) },
    })
    const [left] =
      await owner`select reserved::int, spent::int from allowances where tenant_id = ${tenant.id} and resource = 'tokens'`
    expect(left).toEqual({ reserved: 0, spent: 9900 })
  })

  test('fails where its model gives no answer', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    const run = await begins(tenant, {})
    await settles(tenant, scripted(calling([COUNT, { what: 'x' }]), new Error('It broke')).model)
    expect(await jobOf(tenant, run)).toMatchObject({
      status: 'failed',
      error: { code: 'INFERENCE_FAILED', message: 'Step 2: It broke' },
    })
  })

  test('waits for a tool that is a job itself, and is a stage of a composition', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    await agentsOf(tenant)('define', {
      name: 'Thinker',
      instructions: 'Think.',
      tools: ['world.counters.think'],
    })
    const { body } = await tenant.calls('POST', '/v1/agentese/compose', {
      expression: 'world.agent.invoke >> world.agent.invoke',
      inputs: [{ agent: 'thinker', input: 'Go' }, { agent: 'thinker' }],
    })
    const { model, requests } = scripted(
      calling(['world.counters.think', {}]),
      { text: 'Deep' },
      { text: 'First' },
      { text: 'Second' },
    )
    await settles(tenant, model)
    expect(requests[2]?.messages.at(-1)).toMatchObject({ role: 'tool', content: '{"thought":"Deep"}' })
    expect((await jobOf(tenant, body.job.id)).result).toMatchObject({
      success: true,
      stages: [{ result: { output: 'First', steps: 2 } }, { result: { output: 'Second', steps: 1 } }],
    })
  })

  test('uses tools with the rights that its caller has at the time, and no others', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const what = randomUUID()
    const run = await begins(tenant, {})
    let asked = 0
    const model = () => (asked++ === 0 ? calling([COUNT, { what }]) : { text: 'Well' })
    await owner`update users set roles = '{viewer}' where id = ${tenant.user}`
    await settles(tenant, model)
    expect(counted.get(what)).toBeUndefined()
    expect((await jobOf(tenant, run)).status).toBe('failed')
    await owner`update users set roles = '{admin}' where id = ${tenant.user}`
    const { body } = await agentsOf(tenant, { 'x-observer-archetype': 'poet' })('invoke', {
      agent: 'counter',
      input: 'x',
    })
    asked = 0
    await settles(tenant, model)
    const steps = await stepsOf(tenant, body.job.id)
    expect(steps[1]).toMatchObject({
      kind: 'tool',
      failed: true,
      output: expect.stringMatching(/AFFORDANCE_DENIED/),
    })
    expect(counted.get(what)).toBeUndefined()
  })

  test('shows what its caller remembers, and ends where that is forgotten', async ({
    newTenant,
    settles,
    ticks,
    owner,
  }) => {
    const tenant = await newTenant()
    const memory = (verb: string, input: object) =>
      tenant.calls('POST', `/v1/agentese/self/memory/${verb}`, input)
    const kept = await memory('engram', { content: 'Counting lanterns begins at seven' })
    const { model, requests } = scripted(calling([COUNT, { what: 'x' }]), { text: 'Seven' })
    const run = await begins(tenant, { memory: true }, { input: 'Where does counting lanterns begin?' })
    await settles(tenant, model)
    for (const { messages } of requests) {
      expect(messages[1]?.content).toContain('Counting lanterns begins at seven')
      expect(messages.map(({ role }) => role).slice(0, 3)).toEqual(['system', 'user', 'user'])
      expect(messages[0]?.content).not.toContain('lanterns')
    }
    expect(await memory('forget', { id: kept.body.result.crystal_id })).toMatchObject({ status: 200 })
    const rows = await owner`select input, output, calls from agent_steps where run_id = ${run}`
    expect(rows.length).toBeGreaterThan(3)
    for (const row of rows) expect(row).toEqual({ input: '', output: '', calls: [] })
    expect((await jobOf(tenant, run)).result ?? null).toBeNull()
    // The words of the model are in the jobs of its steps.
    const jobs = await owner`
      select path from jobs where tenant_id = ${tenant.id} and path like 'world.agent.%' and forgotten_at is not null`
    expect(jobs).toHaveLength(3)

    // One that is under way ends, although it waits for a person.
    const again = await memory('engram', { content: 'Counting lanterns begins at eight' })
    const asked = await agentsOf(tenant)('define', {
      name: 'Asker',
      instructions: 'Count.',
      tools: [COUNT],
      memory: true,
      approval: 'all',
    })
    expect(asked.status).toBe(200)
    const { body } = await agentsOf(tenant)('invoke', {
      agent: 'asker',
      input: 'When does counting lanterns begin?',
    })
    await settles(tenant, scripted(calling([COUNT, { what: 'lanterns at eight' }])).model)
    const questions = () => owner`
      select from semaphores s where tenant_id = ${tenant.id} and s::text like '%lanterns at eight%'`
    expect(await questions()).toHaveLength(1)
    await memory('forget', { id: again.body.result.crystal_id })
    expect(await questions()).toHaveLength(0)
    await ticks()
    await settles(tenant)
    expect((await jobOf(tenant, body.job.id)).status).toBe('cancelled')
  })
})

describe('world.agent', () => {
  test("shows, cancels and goes on with nobody's runs but one's own", async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    const run = await begins(tenant, {})
    const others = agentsOf(await newTenant())
    for (const verb of ['steps', 'cancel', 'step'])
      expect((await others(verb, { run })).body.code, verb).toBe('NOT_FOUND')
    expect((await others('runs')).body.result.runs).toEqual([])
    expect((await others('invoke', { agent: 'counter', input: 'x' })).body.code).toBe('NOT_FOUND')
    const own = agentsOf(tenant)
    expect((await own('runs', { agent: 'counter' })).body.result.runs).toMatchObject([
      { run, status: 'running', waits_for: 'model', steps: 0 },
    ])
    // To go on by hand is to ask once, whatever the events do besides.
    const { model, requests } = scripted({ text: 'Done' })
    const asked = await Promise.all([own('step', { run }), own('step', { run })])
    expect(asked.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 202])
    await settles(tenant, model)
    expect(requests).toHaveLength(1)
    expect((await own('steps', { run, limit: 1 })).body.result).toMatchObject({
      steps: [{ step: 1, kind: 'model', output: 'Done', tokens: 12, model: 'test' }],
      next_cursor: null,
    })
    expect((await own('cancel', { run })).body.result).toEqual({ run, status: 'completed', steps: 1 })
    expect((await own('step', { run })).body.result).toEqual({ run, status: 'completed', steps: 1 })
  })

  test('defines no agent with tools that are not there, that nobody may keep, or that are agents', async ({
    newTenant,
  }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const define = (more: object) => agentsOf(tenant)('define', { name: 'A', instructions: 'B', ...more })
    const codes = [
      [{ tools: ['weather'] }, 'NOT_FOUND'],
      [{ tools: ['world.counters.nope'] }, 'NODE_NOT_REGISTERED'],
      [{ tools: ['world.tool.secret'] }, 'TYPE_MISMATCH'],
      [{ tools: ['world.agent.invoke'] }, 'TYPE_MISMATCH'],
      [{ tools: ['world.purgatory.resolve'] }, 'TYPE_MISMATCH'],
      [{ tools: ['self.consent.grant'] }, 'TYPE_MISMATCH'],
      [{ tools: ['self.soul.accept'] }, 'TYPE_MISMATCH'],
      [{ tools: ['world.tool.invoke'] }, 'TYPE_MISMATCH'],
      [{ tools: ['time.schedule.defer'] }, 'TYPE_MISMATCH'],
      [{ tools: ['a.b'] }, 'TYPE_MISMATCH'],
      [{ tools: [COUNT, COUNT] }, 'TYPE_MISMATCH'],
      [{ tools: Array.from({ length: 17 }, (_, at) => `tool_${at}`) }, 'TYPE_MISMATCH'],
      [{ tools: [COUNT], approval: ['weather'] }, 'TYPE_MISMATCH'],
      [{ max_steps: 0 }, 'TYPE_MISMATCH'],
      [{ max_steps: 1e9 }, 'TYPE_MISMATCH'],
      [{ budget_tokens: -1 }, 'TYPE_MISMATCH'],
    ] as const
    for (const [more, code] of codes) expect((await define(more)).body.code, JSON.stringify(more)).toBe(code)
    const { body } = await define({ tools: [COUNT], approval: [COUNT], max_steps: 7, memory: true })
    expect(body.result).toMatchObject({ tools: [COUNT], approval: [COUNT], max_steps: 7, memory: true })
    for (const wrong of [
      { max_steps: 0 },
      { max_steps: 5001 },
      { budget_tokens: 0 },
      { budget_tokens: 1e12 },
    ])
      expect((await agentsOf(tenant)('invoke', { agent: 'a', input: 'x', ...wrong })).status).toBe(400)
  })
})
