/** Turns of a conversation: one at a time, whoever sends and whatever dies, each once and charged once. */
import { describe, expect } from 'vitest'
import type { JobMessage } from '../../../shared/inference/messages.ts'
import { insertColleague, testWith, type Tenant } from './world.ts'
import { openFunctions, call } from './in-process.ts'
import { catalog } from '../../../functions/catalog.ts'

const test = testWith()
const SESSIONS = '/v1/kgent/sessions'
const TURNS = Number(process.env['KGENT_TURNS'] ?? 4)
const POSTS = Number(process.env['KGENT_POSTS'] ?? 14)

type Body = Record<string, unknown>
// oxlint-disable-next-line typescript/no-explicit-any -- reason: answers of several routes
type Found = any

async function open(tenant: Tenant, settings: Body = {}): Promise<string> {
  return (await tenant.calls('POST', SESSIONS, settings)).body.id
}

function say(tenant: Tenant, session: string, message: string, more: Body = {}) {
  return tenant.calls('POST', `${SESSIONS}/${session}/messages`, { message, ...more })
}

/** What was said, oldest first. */
async function said(tenant: Tenant, session: string): Promise<string[]> {
  const { body } = await tenant.calls('GET', `${SESSIONS}/${session}/messages?limit=100`)
  return body.messages
    .map(({ role, content, interrupted }: Found) => `${role[0]}: ${content}${interrupted ? ' …' : ''}`)
    .toReversed()
}

/** A model that repeats what was said last. */
const echo = ({ request }: JobMessage) => ({
  text: `So: ${'messages' in request ? request.messages.at(-1)?.content : ''}`,
})

describe('a message while another is answered', () => {
  test('is refused with when to come again, by default', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    const session = await open(tenant)
    expect((await say(tenant, session, 'What shall I plant in spring?')).status).toBe(202)
    const second = await say(tenant, session, 'And what about the autumn?')
    expect(second).toMatchObject({ status: 409, body: { code: 'STATE_CONFLICT', retry_after: 3 } })
    expect(second.headers.get('retry-after')).toBe('3')
    await settles(tenant, echo)
    expect((await say(tenant, session, 'And what about the autumn?')).status).toBe(202)
  })

  test('waits for its turn where it is to be enqueued, and is shown the answers before it', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    const session = await open(tenant, { when_busy: 'enqueue' })
    const asked: string[] = []
    const jobs: string[] = []
    for (const word of ['one', 'two', 'three']) {
      const { status, body } = await say(tenant, session, `Tell me about number ${word}`)
      expect(status).toBe(202)
      jobs.push(body.job.id)
    }
    await settles(tenant, (message) => {
      if ('messages' in message.request)
        asked.push(
          message.request.messages
            .map(({ content }) => content)
            .slice(1)
            .join(' | '),
        )
      return echo(message)
    })
    expect(await said(tenant, session)).toEqual(
      ['one', 'two', 'three'].flatMap((word) => [
        `u: Tell me about number ${word}`,
        `a: So: Tell me about number ${word}`,
      ]),
    )
    expect(asked[2]).toContain('So: Tell me about number two')
    for (const job of jobs)
      expect((await tenant.calls('GET', `/v1/jobs/${job}`)).body.job.status).toBe('completed')
  })

  test('waits among ten at most, and a waiting one may be cancelled', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    const session = await open(tenant, { when_busy: 'enqueue' })
    const answers = []
    for (let at = 0; at < 12; at++) answers.push(await say(tenant, session, `Tell me about number ${at}`))
    expect(answers.map(({ status }) => status)).toEqual([...Array(11).fill(202), 409])
    expect(answers.at(-1)?.body.details).toEqual({ queued: 10, limit: 10 })
    await tenant.calls('DELETE', `/v1/jobs/${answers[3]?.body.job.id}`)
    await settles(tenant, echo)
    expect((await said(tenant, session)).filter((each) => each.startsWith('u'))).toHaveLength(10)
    expect(await held(owner, tenant)).toBe(0)
  })

  test('takes the turn where it interrupts; what was said so far is kept', async ({
    newTenant,
    settles,
    delivers,
    resultOf,
    owner,
  }) => {
    const tenant = await newTenant()
    const session = await open(tenant)
    const first = await say(tenant, session, 'Tell me a very long story')
    const { job } = first.body
    await owner`update jobs set admitted_at = now(), status = 'running' where id = ${job.id}`
    await owner`update outbox set published_at = now() where tenant_id = ${tenant.id}`
    const second = await say(tenant, session, 'Stop. What is the capital?', { when_busy: 'interrupt' })
    expect(second.status).toBe(202)
    await settles(tenant, echo)
    expect((await tenant.calls('GET', `/v1/jobs/${job.id}`)).body.job.status).toBe('cancelled')
    const tokens = { prompt: 20, completion: 4, estimated: true }
    const word = resultOf(
      tenant.id,
      job.id,
      'io.kgents.inference.failed',
      { reason: 'It was cancelled', attempt: 1, text: 'Once upon a', tokens },
      'self-kgent',
    )
    for (const _again of [1, 2]) await delivers(word)
    expect(await said(tenant, session)).toEqual([
      'u: Tell me a very long story',
      'a: Once upon a …',
      'u: Stop. What is the capital?',
      'a: So: Stop. What is the capital?',
    ])
    expect((await tenant.calls('GET', `/v1/jobs/${job.id}`)).body.job.charges).toEqual({ tokens: 24 })
    expect(await held(owner, tenant)).toBe(0)
  })

  test('of many at once, one is answered, or eleven in turn, or each takes it from the one before', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    for (const [how, taken] of [
      ['reject', 1],
      ['enqueue', 11],
      ['interrupt', POSTS],
    ] as const) {
      const session = await open(tenant, { when_busy: how })
      const answers = await Promise.all(
        Array.from({ length: POSTS }, (_, at) => say(tenant, session, `Tell me about number ${at}`)),
      )
      const statuses = answers.map(({ status }) => status)
      expect(
        statuses.filter((status) => status === 202),
        how,
      ).toHaveLength(taken)
      expect(new Set(statuses), how).toEqual(new Set(taken === POSTS ? [202] : [202, 409]))
      const running =
        await owner`select from kgent_turns where session_id = ${session} and status = 'running'`
      expect(running, how).toHaveLength(1)
      await settles(tenant, echo)
      const texts = await said(tenant, session)
      expect(
        texts.filter((text) => text.startsWith('a: So') && !text.endsWith('…')),
        how,
      ).toHaveLength(how === 'enqueue' ? 11 : 1)
      expect(new Set(texts).size, how).toBe(texts.length)
    }
    expect(await held(owner, tenant)).toBe(0)
  })
})

describe('a conversation', () => {
  test(`of ${TURNS} turns has each once and is charged once, although every process is another one each time`, async ({
    newTenant,
    owner,
    urls,
    eventKey,
    settles,
  }) => {
    const tenant = await newTenant()
    const key = await insertColleague(owner, tenant, 'developer')
    let session = ''
    for (let turn = 0; turn < TURNS; turn++) {
      const { app, close } = await openFunctions({ functions: catalog, databaseUrl: urls.app, eventKey })
      const sends = (path: string, body: Body, headers = {}) => call(app, key, 'POST', path, body, headers)
      if (turn === 0) session = (await sends(SESSIONS, {})).body.id
      const again = { 'idempotency-key': `turn ${turn}` }
      const path = `${SESSIONS}/${session}/messages`
      const message = `This is what I say in turn ${turn}`
      const [first, second] = [await sends(path, { message }, again), await sends(path, { message }, again)]
      expect(second.body.job.id).toBe(first.body.job.id)
      await close()
      // Whatever is delivered comes to a process that has made none of it.
      await settles(tenant, echo)
    }
    const rows = await owner<{ role: string; content: string; position: number }[]>`
      select role, content, position from kgent_messages where session_id = ${session} order by position`
    expect(rows).toEqual(
      Array.from({ length: TURNS }, (_, turn) => `This is what I say in turn ${turn}`).flatMap(
        (text, turn) => [
          { role: 'user', content: text, position: 2 * turn + 1 },
          { role: 'assistant', content: `So: ${text}`, position: 2 * turn + 2 },
        ],
      ),
    )
    const [charged] = await owner`
      select count(*)::int as times, sum(amount)::int as tokens from charges
      where tenant_id = ${tenant.id} and kind = 'settled' and path = 'self.kgent.message'`
    expect(charged).toEqual({ times: TURNS, tokens: TURNS * 12 })
    expect(await held(owner, tenant)).toBe(0)
  })

  test('goes on after a commit that fails: the answer is delivered again, and is there once', async ({
    newTenant,
    owner,
    settles,
    delivers,
    resultOf,
  }) => {
    const tenant = await newTenant()
    const session = await open(tenant, { when_busy: 'enqueue' })
    const { body } = await say(tenant, session, 'Tell me about the first one')
    await say(tenant, session, 'Tell me about the second one')
    await owner`update outbox set published_at = now() where tenant_id = ${tenant.id}`
    const facts = {
      text: 'The first',
      tokens: { prompt: 5, completion: 7 },
      engine: 'test',
      model: 'test',
      attempt: 1,
      durationSeconds: 0,
    }
    const word = resultOf(tenant.id, body.job.id, 'io.kgents.inference.completed', facts, 'self-kgent')
    await failCommits(owner, tenant.id, async () => {
      expect(await delivers(word)).toBeGreaterThanOrEqual(500)
      expect(await said(tenant, session)).toEqual(['u: Tell me about the first one'])
    })
    await Promise.all([delivers(word), delivers(word), delivers(word)])
    await settles(tenant, echo)
    expect(await said(tenant, session)).toEqual([
      'u: Tell me about the first one',
      'a: The first',
      'u: Tell me about the second one',
      'a: So: Tell me about the second one',
    ])
  })

  test('whose word to go on was lost is found by the clock', async ({ newTenant, owner, settles, ticks }) => {
    const tenant = await newTenant()
    const session = await open(tenant, { when_busy: 'enqueue' })
    const { body } = await say(tenant, session, 'Tell me about the first one')
    await say(tenant, session, 'Tell me about the second one')
    await tenant.calls('DELETE', `/v1/jobs/${body.job.id}`)
    await owner`update outbox set published_at = now() where tenant_id = ${tenant.id}`
    await owner`update kgent_turns set created_at = now() - interval '2 minutes' where session_id = ${session}`
    await ticks()
    await settles(tenant, echo)
    expect((await said(tenant, session)).at(-1)).toBe('a: So: Tell me about the second one')
  })
})

/** Makes every transaction of a tenant fail when it commits. */
async function failCommits(owner: Found, tenant: string, work: () => Promise<void>): Promise<void> {
  await owner.unsafe(`
    create or replace function fail_commit() returns trigger language plpgsql as
      $$ begin raise exception 'the connection was lost' using errcode = '08006'; end $$;
    create constraint trigger fail_commit after insert on kgent_messages deferrable initially deferred
      for each row when (new.tenant_id = '${tenant}') execute function fail_commit()`)
  try {
    await work()
  } finally {
    await owner`drop trigger fail_commit on kgent_messages`
  }
}

/** Tokens that are still reserved. */
async function held(owner: Found, tenant: Tenant): Promise<number> {
  const [row] = await owner`
    select coalesce(sum(reserved), 0)::int as reserved from allowances where tenant_id = ${tenant.id} and resource = 'tokens'`
  return row.reserved
}
