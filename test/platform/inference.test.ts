import { describe, expect } from 'vitest'
import { until } from '../eventually.ts'
import { useUpTokens } from '../servers/functions/world.ts'
import { readAll, test, textOf, type Caller, type StreamEvent } from './world.ts'

const DIALOGUE = '/v1/agentese/self/soul/dialogue'

async function ask(caller: Caller, message: string): Promise<string> {
  const { status, body, headers } = await caller.call('POST', DIALOGUE, { message })
  expect(status).toBe(202)
  expect(headers.get('location')).toBe(`/v1/jobs/${body.job.id}`)
  return body.job.id
}

async function jobOf(caller: Caller, id: string) {
  return (await caller.call('GET', `/v1/jobs/${id}`)).body.job
}

describe('a dialogue', () => {
  test('streams the words of a real model, then tells the whole text and what it cost', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    const events = await readAll(tenant.stream('POST', DIALOGUE, { message: 'What is a house?' }))
    const last = events.at(-1)
    expect(last?.event).toBe('complete')
    expect(textOf(events)).toBe(last?.data.text)
    expect(last?.data.text.length).toBeGreaterThan(0)
    expect(last?.data.tokens_used).toBe(last?.data.tokens.prompt + last?.data.tokens.completion)
    const job = await jobOf(tenant, last?.data.job)
    expect(job).toMatchObject({
      status: 'completed',
      result: { response: last?.data.text.trim(), mode: 'reflect', was_template: false },
      charges: { tokens: last?.data.tokens_used },
      finish_reason: last?.data.finish_reason,
    })
    expect(last?.data.finish_reason).toMatch(/^(stop|length)$/)
  })

  test('resumes after the event that the client saw last', async ({ newTenant }) => {
    const tenant = await newTenant()
    const id = await ask(tenant, 'Name three colours')
    const whole = await readAll(tenant.stream('GET', `/v1/jobs/${id}/stream`))
    const seen = whole.filter(({ event }) => event === 'chunk').slice(0, 2)
    const rest = await readAll(
      tenant.stream('GET', `/v1/jobs/${id}/stream`, undefined, { 'last-event-id': seen.at(-1)?.id ?? '' }),
    )
    expect(textOf([...seen, ...rest])).toBe(textOf(whole))
    expect(rest.at(-1)?.event).toBe('complete')
  })

  test('is waited for when asked, and 202 when it takes longer', async ({ newTenant }) => {
    const tenant = await newTenant()
    const done = await tenant.call('POST', DIALOGUE, { message: 'Who are you?' }, { prefer: 'wait=50' })
    expect(done).toMatchObject({
      status: 200,
      body: { path: 'self.soul.dialogue', result: { response: expect.any(String) } },
    })
    expect(done.headers.get('preference-applied')).toBe('wait=50')
    const envelope = { path: 'self.soul.dialogue', input: { message: 'Tell me a long story' } }
    const pending = await tenant.call('POST', '/v1/agentese/invoke', envelope, { prefer: 'wait=0' })
    expect(pending).toMatchObject({
      status: 202,
      body: { job: { id: expect.any(String) }, links: { stream: expect.any(String) } },
    })
    await tenant.call('DELETE', `/v1/jobs/${pending.body.job.id}`)
  })

  test('is cancelled while it runs: the stream ends, what was generated is charged, and it cannot be cancelled into another end', async ({
    newTenant,
    sql,
  }) => {
    const tenant = await newTenant()
    const id = await ask(tenant, 'Tell me a very long story about a house')
    const events: StreamEvent[] = []
    for await (const event of tenant.stream('GET', `/v1/jobs/${id}/stream`)) {
      events.push(event)
      if (event.event === 'chunk' && events.filter((each) => each.event === 'chunk').length === 1) {
        expect(await tenant.call('DELETE', `/v1/jobs/${id}`)).toMatchObject({
          status: 200,
          body: { job: { status: 'cancelled' } },
        })
      }
    }
    expect(events.at(-1)).toMatchObject({ event: 'error', data: { code: 'CANCELLED' } })
    const { status, tokens, charges } = await until(async () => {
      const job = await jobOf(tenant, id)
      return job.charges === undefined ? undefined : job
    })
    expect(status).toBe('cancelled')
    expect(tokens.completion).toBeGreaterThan(0)
    expect(charges).toEqual({ tokens: tokens.prompt + tokens.completion })
    const [allowance] =
      await sql`select reserved::float8, spent::float8 from allowances where tenant_id = ${tenant.tenant} and resource = 'tokens'`
    expect(allowance).toEqual({ reserved: 0, spent: charges.tokens })
    expect((await tenant.call('DELETE', `/v1/jobs/${id}`)).status).toBe(200)
  })

  test('leaves one mark, one reservation and one settlement', async ({ newTenant, sql }) => {
    const tenant = await newTenant()
    const events = await readAll(tenant.stream('POST', DIALOGUE, { message: 'Say one word, please' }))
    const charges =
      await sql`select kind, amount::float8 from charges where tenant_id = ${tenant.tenant} order by kind`
    expect(charges).toEqual([
      { kind: 'reserved', amount: 500 },
      { kind: 'settled', amount: events.at(-1)?.data.tokens_used },
    ])
    const marks = await sql`select path, outcome from marks where tenant_id = ${tenant.tenant}`
    expect(marks).toEqual([{ path: 'self.soul.dialogue', outcome: 'success' }])
  })

  test('is refused when the plan has no tokens left', async ({ newTenant, sql }) => {
    const tenant = await newTenant('free')
    await useUpTokens(sql, tenant.tenant, { granted: 10_000, spent: 9900 })
    const answer = await tenant.call('POST', DIALOGUE, { message: 'Who are you?' })
    expect(answer).toMatchObject({
      status: 429,
      body: { code: 'QUOTA_EXCEEDED', details: { tier: 'free', limit: 10_000 } },
    })
    const [jobs] = await sql`select count(*)::int as n from jobs where tenant_id = ${tenant.tenant}`
    expect(jobs).toEqual({ n: 0 })
  })
})
