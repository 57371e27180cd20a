/** What `self.memory.forget` promises: nothing shows the text at once, and after thirty days it is nowhere. */
import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { describe, expect } from 'vitest'
import { createEvent } from '../../../shared/events/event.ts'
import { encodeVector } from '../../../shared/inference/vectors.ts'
import { eventually } from '../../eventually.ts'
import { testWith, type Tenant, type World } from './world.ts'

const test = testWith()

type Model = NonNullable<Parameters<World['settles']>[1]>

/** In words that no other test has. */
const secretOf = () => `zq${randomUUID().replaceAll('-', '')}`

/** Everything means the same to it, and it repeats what it is told. */
const parrot: Model = ({ request }) =>
  'texts' in request
    ? { vectors: request.texts.map(() => encodeVector(new Float32Array([1, 0, 0, 0]))) }
    : { text: `You said: ${request.messages.map(({ content }) => content).join(' ')}` }

function personOf(tenant: Tenant, settles: World['settles']) {
  const post = (url: string, body: object, key?: string) =>
    tenant.calls('POST', url, body, key === undefined ? {} : { 'idempotency-key': key })
  return {
    memory: (verb: string, input: object, key?: string) =>
      post(`/v1/agentese/self/memory/${verb}`, input, key),
    defer: (path: string, input: object) =>
      post('/v1/agentese/time/schedule/defer', { path, kwargs: input, delay: 3600 }),
    compose: (expression: string, input: object, key?: string) =>
      post('/v1/agentese/compose', { expression, input }, key),
    settle: () => settles(tenant, parrot),
    async remember(content: string, key?: string): Promise<string> {
      const { body } = await this.memory('engram', { content, metadata: { said: content } }, key)
      await this.settle()
      return body.result.crystal_id
    },
  }
}

/** Tables with the secret in any column, of whatever type; a table that is new is looked through as well. */
async function tablesWith(secret: string, owner: Sql): Promise<string[]> {
  const tables = await owner<{ name: string }[]>`
    select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`
  const found: string[] = []
  const hex = Buffer.from(secret).toString('hex')
  for (const { name } of tables) {
    const rows = await owner`
      select from ${owner(name)} as each
      where each::text ilike ${`%${secret}%`} or each::text ilike ${`%${hex}%`} limit 1`
    if (rows.length > 0) found.push(name)
  }
  return found.toSorted()
}

const JOB_KINDS: Record<string, [expression: string, input: (secret: string) => object]> = {
  recall: ['self.memory.recall', (secret) => ({ query: `What was ${secret}?` })],
  'a model that was shown it': [
    'self.memory.recall >> self.soul.dialogue',
    (secret) => ({ query: `What was ${secret}?` }),
  ],
  'a model that was shown what another made of it': [
    'self.memory.recall >> self.soul.dialogue >> self.soul.reflect',
    (secret) => ({ query: `What was ${secret}?` }),
  ],
  'remembering and a model after it': [
    'self.memory.engram >> self.soul.reflect',
    (secret) => ({ content: secret }),
  ],
}

describe('forget hides a text at once', () => {
  test.for(Object.entries(JOB_KINDS))(
    'in the results of %s',
    async ([, [expression, input]], { newTenant, settles, owner }) => {
      const secret = secretOf()
      const tenant = await newTenant()
      const person = personOf(tenant, settles)
      let id = await person.remember(secret)
      const key = randomUUID()
      const ask = () =>
        expression.includes('>>')
          ? person.compose(expression, input(secret), key)
          : person.memory('recall', input(secret), key)
      expect((await ask()).status).toBe(202)
      await person.settle()
      expect(JSON.stringify((await ask()).body)).toContain(secret)
      if (expression.startsWith('self.memory.engram')) {
        await person.memory('forget', { id })
        const [made] = await owner<{ id: string }[]>`
        select id from memories where tenant_id = ${tenant.id} and forgotten_at is null`
        id = made?.id ?? ''
      }
      expect((await person.memory('forget', { id })).status).toBe(200)
      await person.settle()
      const { jobs } = (await tenant.calls('GET', '/v1/jobs?limit=100')).body
      for (const job of jobs) {
        const { body } = await tenant.calls('GET', `/v1/jobs/${job.id}`)
        expect(JSON.stringify(body), job.path).not.toContain(secret)
      }
      expect(JSON.stringify((await ask()).body)).not.toContain(secret)
      expect(await tablesWith(secret, owner)).toEqual(['memories', 'outbox', 'recall_entries'])
    },
  )

  test('in every answer about the memory itself', async ({ newTenant, settles }) => {
    const secret = secretOf()
    const person = personOf(await newTenant(), settles)
    const id = await person.remember(secret)
    await person.memory('forget', { id })
    const answers = [
      await person.memory('get', { id }),
      await person.memory('recent', {}),
      await person.memory('recent', { lifecycle: 'composting' }),
      await person.memory('bytag', { tag: secret }),
      await person.memory('recall', { query: 'anything', mode: 'keyword' }),
      await person.memory('recall', { id }),
      await person.memory('forget', { id }),
    ]
    for (const { body } of answers) expect(JSON.stringify(body.result)).not.toContain(secret)
    expect(answers[0]?.body.result).toMatchObject({ content: '', detail: 'nothing', metadata: {} })
  })

  test('in answers that are kept to be repeated, and repeats no effect', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const secret = secretOf()
    const tenant = await newTenant()
    const person = personOf(tenant, settles)
    const id = await person.remember(secret, 'a')
    await person.memory('cherish', { id, uncherish: true }, 'b')
    await person.memory('restore', { id }, 'c')
    await person.memory('forget', { id }, 'd')
    const again = [
      await person.memory('engram', { content: secret, metadata: { said: secret } }, 'a'),
      await person.memory('cherish', { id, uncherish: true }, 'b'),
      await person.memory('restore', { id }, 'c'),
    ]
    for (const { status, body, headers } of again) {
      expect({ status, code: body.code }).toEqual({ status: 404, code: 'NOT_FOUND' })
      expect(JSON.stringify(body)).not.toContain(secret)
      expect(headers.get('idempotency-replayed')).toBe('true')
    }
    expect((await person.memory('forget', { id }, 'd')).body.result).toEqual({ id, lifecycle: 'composting' })
    expect(await owner`select from memories where tenant_id = ${tenant.id}`).toHaveLength(1)
  })

  test('in calls that were deferred, and not in those that wait', async ({
    newTenant,
    settles,
    ticks,
    owner,
  }) => {
    const secret = secretOf()
    const tenant = await newTenant()
    const person = personOf(tenant, settles)
    await person.defer('self.memory.engram', { content: secret })
    const due = () => owner`update schedules set due_at = now() where tenant_id = ${tenant.id}`
    await due()
    await ticks()
    await person.settle()
    const [{ id }] = (await owner`select id from memories where tenant_id = ${tenant.id}`) as unknown as [
      { id: string },
    ]
    await person.defer('self.memory.reinforce', { ids: [id] })
    await person.memory('forget', { id })
    expect(
      await owner`select input, result from schedules where tenant_id = ${tenant.id} order by created_at`,
    ).toEqual([
      { input: {}, result: null },
      { input: { ids: [id] }, result: null },
    ])
  })

  test('in what is under way: a model that was shown it is cancelled', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const secret = secretOf()
    const tenant = await newTenant()
    const person = personOf(tenant, settles)
    const id = await person.remember(secret)
    const begun = await person.compose('self.memory.recall >> self.soul.dialogue', { query: 'Well?' })
    let forgotten = false
    await settles(tenant, (message) => {
      if ('texts' in message.request || forgotten) return parrot(message)
      throw new StillRunning()
    }).catch((error: unknown) => {
      if (!(error instanceof StillRunning)) throw error
    })
    await person.memory('forget', { id })
    forgotten = true
    await person.settle()
    const { body } = await tenant.calls('GET', begun.body.links.self)
    expect(body.job).toMatchObject({
      status: 'failed',
      error: { code: 'CANCELLED' },
      forgotten_at: expect.any(String),
    })
    expect(
      await owner`select path, status from jobs where tenant_id = ${tenant.id} and path = 'self.soul.dialogue'`,
    ).toEqual([{ path: 'self.soul.dialogue', status: 'cancelled' }])
    expect(await tablesWith(secret, owner)).toEqual(['memories', 'outbox', 'recall_entries'])
  })

  test('in dead letters that quote it, also in those that come later', async ({
    newTenant,
    settles,
    opened,
    eventKey,
    owner,
  }) => {
    const secret = secretOf()
    const tenant = await newTenant()
    const person = personOf(tenant, settles)
    const id = await person.remember(secret)
    const { job } = (await person.memory('recall', { query: 'Well?' })).body
    await person.settle()
    const bury = async (data: object) => {
      const event = createEvent({ source: '/x', type: 'io.kgents.test', tenant: tenant.id, data }, eventKey)
      const headers = { 'content-type': 'application/cloudevents+json' }
      const body = JSON.stringify(event)
      const { status } = await opened.app.request('/dead-letters', { method: 'POST', headers, body })
      expect(status).toBe(202)
      return event.id
    }
    const quotes = [
      { id, content: secret },
      { job: job.id, text: secret },
    ]
    for (const each of quotes) await bury(each)
    const other = await bury({ id: randomUUID(), content: 'Something else' })
    expect(await tablesWith(secret, owner)).toContain('dead_letters')
    await person.memory('forget', { id })
    for (const each of quotes) await bury(each)
    expect(await tablesWith(secret, owner)).not.toContain('dead_letters')
    expect(await owner`select message_id from dead_letters where tenant_id = ${tenant.id}`).toEqual([
      { message_id: other },
    ])
  })

  test('in what is just being written', async ({ newTenant, settles, owner }) => {
    const secret = secretOf()
    const tenant = await newTenant()
    const person = personOf(tenant, settles)
    const id = await person.remember(secret)
    const { job } = (await person.memory('recall', { query: 'Well?' })).body
    const ending = await owner.reserve()
    await ending`begin`
    await ending`
      update jobs set status = 'completed', result = ${ending.json({ results: [{ id, summary: secret }], count: 1 })}
      where id = ${job.id}`
    const forgetting = person.memory('forget', { id })
    await eventually(async () =>
      expect(
        await owner`select from pg_stat_activity where wait_event_type = 'Lock' and query like '%from jobs%for update%'`,
      ).not.toHaveLength(0),
    )
    await ending`commit`
    ending.release()
    expect((await forgetting).status).toBe(200)
    expect((await tenant.calls('GET', `/v1/jobs/${job.id}`)).body.job.result).toEqual({
      results: [],
      count: 0,
    })
  })

  test('in the composition that forgets it, which goes on', async ({ newTenant, settles, owner }) => {
    const secret = secretOf()
    const tenant = await newTenant()
    const person = personOf(tenant, settles)
    const id = await person.remember(secret)
    const begun = await person.compose('self.memory.get >> self.memory.forget >> self.soul.reflect', { id })
    await person.settle()
    const { job } = (await tenant.calls('GET', begun.body.links.self)).body
    expect(job).toMatchObject({ status: 'completed', forgotten_at: expect.any(String) })
    expect(await tablesWith(secret, owner)).toEqual(['memories', 'recall_entries'])
  })

  test('in the stream of a job, which is not followed any more', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    const person = personOf(tenant, settles)
    const id = await person.remember(secretOf())
    const { job } = (await person.memory('recall', { query: 'Well?' })).body
    await person.settle()
    expect((await tenant.calls('GET', `/v1/jobs/${job.id}?follow=true`)).status).toBe(200)
    await person.memory('forget', { id })
    expect(await tenant.calls('GET', `/v1/jobs/${job.id}?follow=true`)).toMatchObject({
      status: 404,
      body: { code: 'NOT_FOUND' },
    })
    expect((await tenant.calls('GET', `/v1/jobs/${job.id}`)).body.job.result).toMatchObject({
      results: [],
      count: 0,
    })
  })

  test.for(['newest', 'older'] as const)(
    'in what quotes the memories that were merged with it, where the %s is forgotten',
    async (which, { newTenant, settles, owner }) => {
      const secret = secretOf()
      const tenant = await newTenant()
      const person = personOf(tenant, settles)
      const older = await person.remember(secret)
      const ask = () => person.memory('recall', { query: 'Well?' }, 'k')
      await ask()
      await person.compose('self.memory.recall >> self.soul.dialogue', { query: 'So?' })
      await person.settle()
      const newest = await person.remember(secret.toUpperCase())
      expect((await person.memory('consolidate', {})).body.result.merged_count).toBe(1)
      await person.memory('forget', { id: which === 'newest' ? newest : older })
      await person.settle()
      const { jobs } = (await tenant.calls('GET', '/v1/jobs?limit=100')).body
      const shown = [(await ask()).body]
      for (const { id } of jobs) shown.push((await tenant.calls('GET', `/v1/jobs/${id}`)).body)
      expect(JSON.stringify(shown)).not.toContain(secret)
      expect(await tablesWith(secret, owner)).toEqual(['memories', 'outbox', 'recall_entries'])
      const left = (await person.memory('get', { id: newest })).body.result
      expect(left).toMatchObject({
        lifecycle: which === 'newest' ? 'composting' : 'active',
        content: which === 'newest' ? '' : secret.toUpperCase(),
        merged_from: [],
      })
      const restored = (await person.memory('restore', { id: which === 'newest' ? newest : older })).body
        .result
      expect(restored).toMatchObject({ lifecycle: 'active', merged_into: null })
      expect(restored.merged_from).toHaveLength(which === 'newest' ? 1 : 0)
    },
  )

  test('and leaves what quotes other memories, and what is of others', async ({ newTenant, settles }) => {
    const [tenant, other] = [await newTenant(), await newTenant()]
    const [person, stranger] = [personOf(tenant, settles), personOf(other, settles)]
    const id = await person.remember('The cat eats salmon')
    const kept = await person.remember('The dog eats beef')
    const both = (await person.memory('recall', { query: 'Who eats?' })).body.job.id
    // Whoever knows its id quotes nothing of it.
    const foreign = (await stranger.compose('self.soul.reflect', { input: { id } })).body.job.id
    await person.settle()
    await stranger.settle()
    await person.memory('forget', { id })
    const { result } = (await tenant.calls('GET', `/v1/jobs/${both}`)).body.job
    expect(result).toMatchObject({ results: [{ id: kept }], count: 1 })
    expect((await other.calls('GET', `/v1/jobs/${foreign}`)).body.job.result.success).toBe(true)
    expect((await person.memory('consolidate', {})).body.result.strengthened_count).toBe(1)
  })
})

class StillRunning extends Error {}

describe('after thirty days', () => {
  const age = (owner: Sql, { id }: Tenant, days: number) =>
    owner`update memories set forgotten_at = now() - make_interval(days => ${days}) where tenant_id = ${id} and forgotten_at is not null`

  test('nothing has the text, in any table and column', async ({ newTenant, settles, ticks, owner }) => {
    const secret = secretOf()
    const tenant = await newTenant()
    const person = personOf(tenant, settles)
    const id = await person.remember(secret, 'a')
    for (const [expression, input] of Object.values(JOB_KINDS).slice(0, 3)) {
      await (expression.includes('>>')
        ? person.compose(expression, input(secret), expression)
        : person.memory('recall', input(secret), expression))
      await person.settle()
    }
    await ticks()
    await person.memory('forget', { id })
    await age(owner, tenant, 29)
    await owner`select delete_forgotten(100)`
    expect(await tablesWith(secret, owner)).toEqual(['memories', 'outbox', 'recall_entries'])
    await age(owner, tenant, 31)
    await owner`select delete_forgotten(100)`
    expect(await tablesWith(secret, owner)).toEqual([])
    expect(await owner`select from recall_entries where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('the memory is gone, although nothing has deleted it yet', async ({ newTenant, settles, owner }) => {
    const tenant = await newTenant()
    const person = personOf(tenant, settles)
    const id = await person.remember(secretOf())
    await person.memory('forget', { id })
    await age(owner, tenant, 31)
    for (const verb of ['get', 'restore', 'forget', 'cherish']) {
      expect(await person.memory(verb, { id })).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
    }
    expect((await person.memory('recent', { lifecycle: 'composting' })).body.result.memories).toEqual([])
  })

  test('restoring within them brings the memory back, found by words and by meaning', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const secret = secretOf()
    const tenant = await newTenant()
    const person = personOf(tenant, settles)
    const id = await person.remember(secret)
    await person.memory('forget', { id })
    await age(owner, tenant, 29)
    expect((await person.memory('restore', { id })).body.result).toMatchObject({
      content: secret,
      lifecycle: 'active',
      metadata: { said: secret },
    })
    await age(owner, tenant, 31)
    await owner`select delete_forgotten(100)`
    const words = await person.memory('recall', { query: secret, mode: 'keyword' })
    expect(words.body.result.results).toMatchObject([{ id, summary: secret }])
    const { job } = (await person.memory('recall', { query: 'Something else' })).body
    await person.settle()
    expect((await tenant.calls('GET', `/v1/jobs/${job.id}`)).body.job.result.results).toMatchObject([{ id }])
  })

  test('only the clock deletes for all, and nobody for another tenant', async ({
    newTenant,
    settles,
    app,
    owner,
  }) => {
    const [tenant, other] = [await newTenant(), await newTenant()]
    const person = personOf(tenant, settles)
    const id = await person.remember(secretOf())
    const { job } = (await person.memory('recall', { query: 'Well?' })).body
    await person.settle()
    await expect(app`select delete_forgotten(100)`).rejects.toThrow(/permission denied/)
    await expect(app`select erase_copies(${tenant.id}::uuid, array[${id}::uuid])`).rejects.toThrow(
      /permission denied/,
    )
    await app.begin(async (db) => {
      await db`select set_tenant_context(${other.id})`
      await db`select erase_copies(${id})`
    })
    expect(await owner`select forgotten_at from jobs where id = ${job.id}`).toEqual([{ forgotten_at: null }])
  })
})

test('a worker’s task is not kept once its job has ended', async ({ newTenant, settles, owner }) => {
  const tenant = await newTenant()
  await personOf(tenant, settles).remember(secretOf())
  expect(await owner`select distinct message from jobs where tenant_id = ${tenant.id}`).toEqual([
    { message: null },
  ])
})
