import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import type { Sql } from 'postgres'
import { describe, expect } from 'vitest'
import { eventually } from '../eventually.ts'
import { test, type Caller } from './world.ts'

const SIP = '/v1/agentese/void/entropy/sip'

/** Rows that a refused request must not add to. */
async function rowsOf(sql: Sql, tenant: string): Promise<number> {
  const [row] = await sql<{ rows: number }[]>`
    select ((select count(*) from marks where tenant_id = ${tenant}) + (select count(*) from jobs where tenant_id = ${tenant})
          + (select count(*) from entropy_grants where tenant_id = ${tenant})
          + (select count(*) from outbox where tenant_id = ${tenant}))::int as rows`
  return row?.rows ?? -1
}

function expectProblem(answer: Awaited<ReturnType<Caller['call']>>, status: number, code: string): void {
  expect(answer).toMatchObject({ status, body: { code } })
  expect(answer.headers.get('content-type')).toContain('application/problem+json')
  for (const member of ['category', 'code', 'message', 'suggestion', 'path', 'trace_id']) {
    expect(answer.body, member).toHaveProperty(member)
  }
}

describe('a bad request gets a clear 4xx and leaves nothing behind', () => {
  test.for([
    ['malformed JSON', 'POST', SIP, '{"amount":', {}, 400, 'BODY_SYNTAX'],
    ['an array for a body', 'POST', SIP, '[1]', {}, 400, 'BODY_SYNTAX'],
    ['a wrong type', 'POST', SIP, { amount: 'much' }, {}, 400, 'TYPE_MISMATCH'],
    ['a number out of range', 'POST', SIP, { amount: -1 }, {}, 400, 'TYPE_MISMATCH'],
    ['an unknown field', 'POST', SIP, { amount: 0.1, tenant_id: 'x' }, {}, 400, 'TYPE_MISMATCH'],
    ['a wrong content type', 'POST', SIP, 'amount=1', { 'content-type': 'text/plain' }, 415, 'CONTENT_TYPE'],
    [
      'an unknown context',
      'POST',
      '/v1/agentese/invoke',
      { path: 'space.house.manifest' },
      {},
      400,
      'PATH_SYNTAX',
    ],
    [
      'an unknown path',
      'POST',
      '/v1/agentese/invoke',
      { path: 'void.entropi.sip' },
      {},
      404,
      'NODE_NOT_REGISTERED',
    ],
    ['an unknown path by URL', 'POST', '/v1/agentese/void/entropi/sip', {}, {}, 404, 'NODE_NOT_REGISTERED'],
    [
      'an unknown field around a path',
      'POST',
      '/v1/agentese/invoke',
      { path: 'void.entropy.sip', as: 'x' },
      {},
      400,
      'TYPE_MISMATCH',
    ],
    ['a job id that is none', 'GET', '/v1/jobs/1', undefined, {}, 400, 'TYPE_MISMATCH'],
    ['an unknown job', 'GET', `/v1/jobs/${randomUUID()}`, undefined, {}, 404, 'NOT_FOUND'],
    [
      'an archetype beyond the roles',
      'POST',
      SIP,
      {},
      { 'x-observer-archetype': 'admin' },
      403,
      'ARCHETYPE_DENIED',
    ],
  ] as const)('%s', async ([, method, path, body, headers, status, code], { newTenant, sql }) => {
    const tenant = await newTenant()
    const answer = await tenant.call(method, path, body, headers)
    expectProblem(answer, status, code)
    // A look after it leaves a mark and an event, in order: with those two there, nothing else comes any more.
    await tenant.call('POST', '/v1/agentese/void/entropy/manifest')
    await eventually(async () => expect(await rowsOf(sql, tenant.tenant)).toBeGreaterThan(0))
    expect(await rowsOf(sql, tenant.tenant)).toBe(2)
  })

  test('an unknown path offers similar ones, an unknown context the five', async ({ acme }) => {
    const path = await acme.call('POST', '/v1/agentese/invoke', { path: 'void.entropi.sip' })
    expect(path.body.available).toContain('void.entropy.sip')
    const context = await acme.call('POST', '/v1/agentese/invoke', { path: 'space.house.manifest' })
    expect(context.body.available).toEqual(['world', 'self', 'concept', 'void', 'time'])
  })

  test('an unknown URL', async ({ acme }) => {
    expectProblem(await acme.call('GET', '/v2/nothing'), 404, 'ROUTE_NOT_FOUND')
  })

  test('ten megabytes, announced or in chunks', async ({ acme, url }) => {
    expectProblem(
      await acme.call('POST', SIP, JSON.stringify({ amount: 'x'.repeat(10_000_000) })),
      413,
      'BODY_TOO_LARGE',
    )
    expect(await sendChunks(`${url}${SIP}`, acme.apiKey, 10_000_000)).toBe(413)
  })

  test('a guest has no dialogue, a viewer cannot change anything', async ({ newTenant }) => {
    const viewer = await newTenant('pro', ['viewer'])
    const dialogue = await viewer.call('POST', '/v1/agentese/self/soul/dialogue', { message: 'hi' })
    expectProblem(dialogue, 403, 'AFFORDANCE_DENIED')
    expect(dialogue.body.available).toEqual(expect.arrayContaining(['manifest', 'affordances', 'starters']))
    expect(dialogue.body.available).not.toContain('dialogue')
    expectProblem(await viewer.call('POST', SIP), 403, 'SCOPE_MISSING')
    expect((await viewer.call('POST', '/v1/agentese/void/entropy/manifest')).body.result.remaining).toBe(100)
  })
})

/** Sends a body of unknown length; answers the status, also where the server answers before it has read everything. */
function sendChunks(url: string, apiKey: string, bytes: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = {
      'x-api-key': apiKey,
      'content-type': 'application/json',
      'transfer-encoding': 'chunked',
    }
    const outgoing = request(url, { method: 'POST', headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    let answered = false
    outgoing.on('response', () => (answered = true))
    outgoing.on('error', (error) => (answered ? undefined : reject(error)))
    const chunk = Buffer.alloc(65_536, 'x')
    for (let sent = 0; sent < bytes; sent += chunk.length) outgoing.write(chunk)
    outgoing.end()
  })
}
