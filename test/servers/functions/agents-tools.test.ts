/** HTTP tools in the hands of an agent, and the spans of both. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import { fencedRequest } from '../../../shared/egress/fenced-request.ts'
import { startTracing } from '../../../shared/telemetry/spans.ts'
import { openSpanCollector } from '../../span-collector.ts'
import { begins, calling, jobOf, scripted, stepsOf } from './agents-world.ts'
import { nextEvents, testWith } from './world.ts'

const test = testWith()

test('an agent calls a tool of its tenant under one key, and is shown what it answers or fails with', async ({
  newTenant,
  runtime,
  settles,
  owner,
  delivers,
}) => {
  const keys: unknown[] = []
  let answer = { status: 200, body: JSON.stringify({ degrees: -4 }) }
  const server = createServer((request, response) => {
    keys.push(request.headers['idempotency-key'])
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { platform } = runtime
  platform.requestOutside = (request) => fencedRequest({ ...request, privateAllowed: [origin] })
  const collector = await openSpanCollector()
  const stop = await startTracing('world-agent', collector.url)

  const tenant = await newTenant('enterprise', ['admin'])
  const tools = (verb: string, input: object) =>
    tenant.calls('POST', `/v1/agentese/world/tool/${verb}`, input)
  await tools('allow', { origin })
  const weather = {
    name: 'weather',
    description: 'The weather of a place',
    method: 'POST',
    url: `${origin}/weather`,
    input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  }
  expect((await tools('define', weather)).status).toBe(200)
  const run = await begins(tenant, { tools: ['weather'] })
  const { model, requests } = scripted(
    calling(['weather', { city: 'secret place' }]),
    calling(['weather', { town: 'Oslo' }]),
    calling(['weather', { city: 'Oslo' }]),
    { text: 'Cold' },
  )
  let turn = 0
  await settles(tenant, (message) => {
    if (++turn === 3) answer = { status: 500, body: '{"oops": true}' }
    return model(message)
  })
  expect(requests[0]?.tools).toEqual([
    { name: 'weather', description: weather.description, parameters: weather.input_schema },
  ])
  expect(requests[3]?.messages.flatMap(({ role, content }) => (role === 'tool' ? [content] : []))).toEqual([
    '{"degrees":-4}',
    expect.stringMatching(/^Error TYPE_MISMATCH: Cannot use tool "weather"/),
    expect.stringMatching(/^Error UPSTREAM_FAILED: Cannot use tool "weather": it answered 500/),
  ])
  expect(await jobOf(tenant, run)).toMatchObject({
    status: 'completed',
    result: { output: 'Cold', steps: 4 },
  })
  expect((await stepsOf(tenant, run))[1]).toMatchObject({
    tool: 'weather',
    failed: false,
    input: '{"city":"secret place"}',
  })

  // Every event of it comes again: the tool is not called again.
  await owner`delete from inbox where tenant_id = ${tenant.id}`
  await owner`update outbox set published_at = null where tenant_id = ${tenant.id} and event like '%agent.continue%'`
  for (const event of await nextEvents(owner, tenant.id)) expect(await delivers(event)).toBe(202)
  expect(keys).toHaveLength(2)
  expect(new Set(keys).size).toBe(2)

  await stop()
  const sent = collector.received()
  collector.close()
  server.closeAllConnections()
  server.close()
  for (const part of [
    'invoke_agent Counter',
    'execute_tool weather',
    'gen_ai.tool.call.id',
    'gen_ai.agent.name',
    run,
  ])
    expect(sent).toContain(part)
  for (const part of ['secret place', 'Count to three', 'degrees', 'Cold']) expect(sent).not.toContain(part)
})
