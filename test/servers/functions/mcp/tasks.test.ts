/** Jobs of calls as tasks, and questions to the person at the client. */
import type { Client } from '@modelcontextprotocol/client'
import { describe, expect } from 'vitest'
import { z } from 'zod'
import { colleagueOf } from '../colleague.ts'
import { testMcp, type McpTenant } from './platform.ts'

const test = testMcp()
const Any = z.looseObject({})
const DIALOGUE = {
  name: 'invoke',
  arguments: { path: 'self.soul.dialogue', input: { message: 'What is worth building?' } },
}
const ASK = {
  name: 'invoke',
  arguments: {
    path: 'self.semaphore.yield',
    input: { reason: 'approval_needed', prompt: 'Send it to all?', options: ['yes', 'no'] },
  },
}

/** As a client of the extension asks: the SDK's own has no word for such an answer. */
async function callWithTasks(
  { key }: McpTenant,
  url: string,
  params: object,
  extensions: object = { 'io.modelcontextprotocol/tasks': {} },
) {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': { extensions },
  }
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${key}`,
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'invoke',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { ...params, _meta } }),
  })
  return ((await response.json()) as { result: Record<string, unknown> }).result
}

const tasks = (client: Client, method: string, params: object) =>
  client.request({ method, params: { ...params } }, Any)

describe('tasks of the extension (2026-07-28)', () => {
  test('are polled until they have the result of the call', async ({ newMcpTenant, url, settles }) => {
    const tenant = await newMcpTenant()
    const client = await tenant.connects()
    expect(client.getServerCapabilities()).toMatchObject({
      extensions: { 'io.modelcontextprotocol/tasks': {} },
    })
    const created = await callWithTasks(tenant, url, DIALOGUE)
    expect(created).toMatchObject({
      resultType: 'task',
      status: 'working',
      ttlMs: null,
      pollIntervalMs: expect.any(Number),
    })
    const task = { taskId: created['taskId'] }
    expect(await tasks(client, 'tasks/get', task)).toMatchObject({ ...task, status: 'working' })
    await settles(tenant, () => ({ text: 'A bridge' }))
    expect(await tasks(client, 'tasks/get', task)).toMatchObject({
      status: 'completed',
      result: { structuredContent: { path: 'self.soul.dialogue', result: { response: 'A bridge' } } },
    })
  })

  test('that fail have completed, with the failure of the tool', async ({ newMcpTenant, url, settles }) => {
    const tenant = await newMcpTenant()
    const { taskId } = await callWithTasks(tenant, url, DIALOGUE)
    await settles(tenant, () => new Error('out of memory'))
    expect(await tasks(await tenant.connects(), 'tasks/get', { taskId })).toMatchObject({
      status: 'completed',
      result: { isError: true, structuredContent: { code: 'INFERENCE_FAILED' } },
    })
  })

  test('are cancelled, once or again', async ({ newMcpTenant, url }) => {
    const tenant = await newMcpTenant()
    const client = await tenant.connects()
    const { taskId } = await callWithTasks(tenant, url, DIALOGUE)
    for (let time = 0; time < 2; time++) await tasks(client, 'tasks/cancel', { taskId })
    expect(await tasks(client, 'tasks/get', { taskId })).toMatchObject({ status: 'cancelled' })
    expect((await tenant.calls('GET', `/v1/jobs/${String(taskId)}`)).body.job.status).toBe('cancelled')
  })

  test('are nobody else\u2019s, whatever is asked of them', async ({ newMcpTenant, url, owner, runtime }) => {
    const tenant = await newMcpTenant()
    const { taskId } = await callWithTasks(tenant, url, DIALOGUE)
    const stranger = await (await newMcpTenant(['admin'])).connects()
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update'])
      await expect(tasks(stranger, method, { taskId, inputResponses: {} })).rejects.toMatchObject({
        code: -32_602,
      })
    await expect(tasks(stranger, 'tasks/get', { taskId: 'no-uuid' })).rejects.toMatchObject({ code: -32_602 })
    const admin = await colleagueOf(tenant, { owner, runtime }, 'admin')
    const { body } = await admin.calls('POST', '/mcp', {
      jsonrpc: '2.0',
      id: 1,
      method: 'tasks/get',
      params: { taskId },
    })
    expect(body.error.code).toBe(-32_602)
    expect((await tenant.calls('GET', `/v1/jobs/${String(taskId)}`)).body.job.status).toBe('queued')
  })

  test('wait for a person, whose answer comes by tasks/update', async ({ newMcpTenant, url }) => {
    const tenant = await newMcpTenant()
    const client = await tenant.connects()
    const { taskId } = await callWithTasks(tenant, url, DIALOGUE)
    const input = {
      reason: 'approval_needed',
      prompt: 'Go on?',
      options: ['yes', 'no'],
      input: { job: taskId },
    }
    const { body } = await tenant.calls('POST', '/v1/agentese/self/semaphore/yield', input)
    const { token_id } = body.result
    expect(await tasks(client, 'tasks/get', { taskId })).toMatchObject({
      status: 'input_required',
      inputRequests: {
        [token_id]: {
          method: 'elicitation/create',
          params: { message: 'Go on?', requestedSchema: { properties: { answer: { enum: ['yes', 'no'] } } } },
        },
      },
    })
    const answer = (content: object) => ({
      taskId,
      inputResponses: { [token_id]: { action: 'accept', content }, other: {} },
    })
    await expect(tasks(client, 'tasks/update', answer({ answer: 'maybe' }))).rejects.toMatchObject({
      code: -32_602,
    })
    await tasks(client, 'tasks/update', answer({ answer: 'yes' }))
    expect(await tasks(client, 'tasks/get', { taskId })).toMatchObject({ status: 'working' })
    const { result } = (await tenant.calls('POST', '/v1/agentese/world/purgatory/inspect', { token_id })).body
    expect(result).toMatchObject({ status: 'resolved', human_input: 'yes', ended_by: tenant.user })
  })
})

describe('tasks of the core (2025-11-25)', () => {
  const WITH_TASK = { ...DIALOGUE, task: { ttl: 60_000 } }

  test('are created, polled, listed, and fetched', async ({ newMcpTenant, settles }) => {
    const tenant = await newMcpTenant()
    const client = await tenant.connects('2025-11-25')
    const created = (await tasks(client, 'tools/call', WITH_TASK)) as { task: { taskId: string } }
    const { taskId } = created.task
    expect(await tasks(client, 'tasks/get', { taskId })).toMatchObject({
      taskId,
      status: 'working',
      pollInterval: expect.any(Number),
    })
    const fetched = tasks(client, 'tasks/result', { taskId })
    await settles(tenant, () => ({ text: 'A bridge' }))
    expect(await fetched).toMatchObject({
      structuredContent: { result: { response: 'A bridge' } },
      _meta: { 'io.modelcontextprotocol/related-task': { taskId } },
    })
    expect(await tasks(client, 'tasks/list', {})).toMatchObject({ tasks: [{ taskId, status: 'completed' }] })
    await expect(tasks(client, 'tasks/cancel', { taskId })).rejects.toMatchObject({ code: -32_602 })
  })

  test('are cancelled, and then have no result', async ({ newMcpTenant }) => {
    const client = await (await newMcpTenant()).connects('2025-11-25')
    const { task } = (await tasks(client, 'tools/call', WITH_TASK)) as { task: { taskId: string } }
    expect(await tasks(client, 'tasks/cancel', { taskId: task.taskId })).toMatchObject({
      status: 'cancelled',
    })
    await expect(tasks(client, 'tasks/result', { taskId: task.taskId })).rejects.toMatchObject({
      code: -32_602,
    })
  })
})

describe('a client without tasks', () => {
  test.for(['2026-07-28', '2025-11-25'] as const)(
    'waits for the result (%s)',
    async (revision, { newMcpTenant, settles, owner }) => {
      const tenant = await newMcpTenant()
      const client = await tenant.connects(revision)
      const called = client.callTool(DIALOGUE)
      await expect.poll(() => owner`select from jobs where tenant_id = ${tenant.id}`).toHaveLength(1)
      await settles(tenant, () => ({ text: 'A bridge' }))
      expect(await called).toMatchObject({ structuredContent: { result: { response: 'A bridge' } } })
    },
  )
})

describe('a call that asks a person', () => {
  test('asks the one at the client, and passes the answer on as the caller', async ({ newMcpTenant }) => {
    const tenant = await newMcpTenant()
    const client = await tenant.connects('2026-07-28', { capabilities: { elicitation: { form: {} } } })
    const asked: unknown[] = []
    client.setRequestHandler('elicitation/create', ({ params }) => {
      asked.push(params)
      return { action: 'accept' as const, content: { answer: 'no' } }
    })
    const answer = await client.callTool(ASK)
    expect(asked).toMatchObject([
      { message: 'Send it to all?', requestedSchema: { properties: { answer: { enum: ['yes', 'no'] } } } },
    ])
    expect(answer.structuredContent).toMatchObject({
      path: 'world.purgatory.resolve',
      result: { status: 'resolved', human_input: 'no' },
    })
    const pending = await tenant.calls('POST', '/v1/agentese/self/semaphore/pending', {})
    expect(pending.body.result.semaphores).toEqual([])
  })

  test('leaves the question to others where that person declines', async ({ newMcpTenant }) => {
    const tenant = await newMcpTenant()
    const client = await tenant.connects('2026-07-28', { capabilities: { elicitation: { form: {} } } })
    client.setRequestHandler('elicitation/create', () => ({ action: 'decline' as const }))
    expect((await client.callTool(ASK)).structuredContent).toMatchObject({ status: 'pending' })
    const pending = await tenant.calls('POST', '/v1/agentese/self/semaphore/pending', {})
    expect(pending.body.result.semaphores).toHaveLength(1)
  })

  test('answers the token to clients that ask nobody', async ({ newMcpTenant }) => {
    const tenant = await newMcpTenant()
    for (const revision of ['2026-07-28', '2025-11-25'] as const) {
      const client = await tenant.connects(revision)
      expect((await client.callTool(ASK)).structuredContent).toMatchObject({ result: { status: 'pending' } })
    }
  })

  test('lets nobody answer who may not, and no state of another tenant', async ({ newMcpTenant, url }) => {
    const tenant = await newMcpTenant()
    const { body } = await tenant.calls('POST', '/v1/agentese/self/semaphore/yield', ASK.arguments.input)
    const { token_id } = body.result
    const answer = {
      ...ASK,
      requestState: token_id,
      inputResponses: { [token_id]: { action: 'accept', content: { answer: 'yes' } } },
    }
    const viewer = await newMcpTenant(['viewer'])
    const stranger = await newMcpTenant(['admin'])
    for (const [who, code] of [
      [viewer, 'AFFORDANCE_DENIED'],
      [stranger, 'NOT_FOUND'],
    ] as const)
      expect(await callWithTasks(who, url, answer)).toMatchObject({
        isError: true,
        structuredContent: { code },
      })
    const { result } = (await tenant.calls('POST', '/v1/agentese/self/semaphore/status', { token_id })).body
    expect(result.status).toBe('pending')
  })
})
