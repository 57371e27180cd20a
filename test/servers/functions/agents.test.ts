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
