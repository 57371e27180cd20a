import * as fc from 'fast-check'
import { describe, expect } from 'vitest'
import { encodeVector } from '../../../shared/inference/vectors.ts'
import { createApp } from '../../../shared/http/app.ts'
import { meaningOf, playEmbedder } from './meaning.ts'
import { insertColleague, testWith, useUpTokens, type Tenant, type World } from './world.ts'

const test = testWith()

const memory = (tenant: Tenant, verb: string, input: object = {}, headers = {}) =>
  tenant.calls('POST', `/v1/agentese/self/memory/${verb}`, input, headers)

async function remember(tenant: Tenant, content: string, more: object = {}): Promise<string> {
  const { body } = await memory(tenant, 'engram', { content, ...more })
  return body.result.crystal_id
}

/** Asks, and follows the job where one is needed. */
async function recall(tenant: Tenant, input: object, settles: World['settles']) {
  const answer = await memory(tenant, 'recall', input)
  if (answer.status !== 202) return { ...answer.body.result, status: answer.status }
  await settles(tenant, playEmbedder())
  const { body } = await tenant.calls('GET', answer.body.links.self)
  return { ...body.job.result, status: 202 }
}

const contents = (found: { results: { summary: string }[] }) => found.results.map(({ summary }) => summary)

const DISK = 'The database ran out of disk space'
const CAT = 'Our cat eats salmon'

describe('self.memory.engram', () => {
  test('keeps a memory at once, and embeds it in the background with one job for all that wait', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    const { status, body } = await memory(tenant, 'engram', { content: DISK, tags: ['ops', 'ops'] })
    expect(status).toBe(200)
    expect(body.result).toEqual({
      crystal_id: expect.any(String),
      summary: DISK,
      has_embedding: false,
      captured_at: expect.any(String),
    })
    for (let at = 0; at < 5; at += 1) await remember(tenant, `Thing ${at}`)
    expect(await owner`select path from jobs where tenant_id = ${tenant.id}`).toEqual([
      { path: 'self.memory.index' },
    ])
    await settles(tenant, playEmbedder())
    expect((await memory(tenant, 'status')).body.result).toMatchObject({ embedded: 6, waiting: 0 })
    const [charged] = await owner`
      select sum(amount)::int as tokens from charges where tenant_id = ${tenant.id} and kind = 'settled'`
    expect(charged).toEqual({ tokens: 30 })
  })

  test('leaves no memory of a crowd without its vector, whenever jobs end between them', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    const crowd = async (from: number) => {
      await Promise.all(Array.from({ length: 30 }, (_, at) => remember(tenant, `Memory number ${from + at}`)))
    }
    await Promise.all([crowd(0), settles(tenant, playEmbedder())])
    await Promise.all([
      crowd(30),
      settles(tenant, playEmbedder()),
      crowd(60),
      settles(tenant, playEmbedder()),
    ])
    await settles(tenant, playEmbedder())
    const [row] = await owner`
      select count(*)::int as all, count(embedded_at)::int as embedded from recall_entries where tenant_id = ${tenant.id}`
    expect(row).toEqual({ all: 90, embedded: 90 })
    expect(
      await owner`select from jobs where tenant_id = ${tenant.id} and status in ('queued', 'running')`,
    ).toHaveLength(0)
  })

  test('leaves no memory without its vector that is kept just when a job ends', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    await remember(tenant, DISK)
    const waiting = async (db: Pick<typeof owner, 'unsafe'>, count: number) => {
      const query = `select from pg_locks where not granted and (relation = 'marks'::regclass or locktype = 'advisory')`
      while ((await db.unsafe(query)).length < count) await new Promise((resolve) => setImmediate(resolve))
    }
    // Wrapped, because the driver waits for promises in an array before it commits.
    const { calls } = await owner.begin(async (db) => {
      await db`lock table marks in share mode` // nobody comes to the end of a transaction
      const kept = remember(tenant, CAT)
      await waiting(db, 1)
      const ended = settles(tenant, playEmbedder())
      await waiting(db, 2)
      return { calls: [kept, ended] }
    })
    await Promise.all(calls)
    await settles(tenant, playEmbedder())
    expect((await memory(tenant, 'status')).body.result).toMatchObject({ embedded: 2, waiting: 0 })
  })

  test('embeds what comes after a failed job, at first without what may have been the reason', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    await remember(tenant, 'The poison')
    const choking: Parameters<World['settles']>[1] = (message) =>
      'texts' in message.request && message.request.texts.some((text) => text.includes('poison'))
        ? new Error('cannot read that')
        : (playEmbedder()?.(message) as object)
    await settles(tenant, choking)
    await remember(tenant, 'Good news')
    await settles(tenant, choking)
    const embedded = await owner`
      select text from recall_entries where tenant_id = ${tenant.id} and embedded_at is not null`
    expect(embedded).toEqual([{ text: 'Good news' }])
    await memory(tenant, 'index')
    await settles(tenant, playEmbedder())
    expect((await memory(tenant, 'status')).body.result).toMatchObject({ embedded: 2, waiting: 0 })
  })

  test('works without a model and without tokens, and is found by words alone', async ({
    newTenant,
    runtime,
    settles,
    owner,
  }) => {
    runtime.inferenceUnavailable = 'no model here'
    const tenant = await newTenant()
    await remember(tenant, DISK)
    const found = await recall(tenant, { query: 'disk' }, settles)
    const index = await memory(tenant, 'index')
    runtime.inferenceUnavailable = undefined
    expect(found).toMatchObject({ status: 200, mode: 'keyword', waiting: 1, count: 1 })
    expect(index).toMatchObject({ status: 503, body: { code: 'INFERENCE_UNAVAILABLE' } })

    const poor = await newTenant('free')
    await useUpTokens(owner, poor.id, { granted: 10_000, spent: 10_000 })
    await remember(poor, DISK)
    expect(await recall(poor, { query: 'disk' }, settles)).toMatchObject({ status: 200, mode: 'keyword' })
    expect(await owner`select from jobs where tenant_id = ${poor.id}`).toHaveLength(0)
    expect((await memory(poor, 'index')).body.code).toBe('QUOTA_EXCEEDED')
  })

  test('remembers what the stage before came to', async ({ newTenant }) => {
    const tenant = await newTenant()
    expect((await memory(tenant, 'engram', { input: { response: 'Rest first.' } })).body.result.summary).toBe(
      'Rest first.',
    )
    expect((await memory(tenant, 'engram', { input: { a: 1 } })).body.result.summary).toBe('{"a":1}')
    expect((await memory(tenant, 'engram', {})).status).toBe(400)
    expect((await memory(tenant, 'engram', { content: '   ' })).status).toBe(400)
    const orphan = { content: 'x', causal_parent: tenant.id }
    expect((await memory(tenant, 'engram', orphan)).body.code).toBe('NOT_FOUND')
  })
})

describe('self.memory.recall', () => {
  test('finds by meaning what has no word in common with the question', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    await remember(tenant, DISK)
    await remember(tenant, CAT)
    await settles(tenant, playEmbedder())
    const found = await recall(tenant, { query: 'storage of the server was full', limit: 1 }, settles)
    expect(found).toMatchObject({
      mode: 'hybrid',
      count: 1,
      waiting: 0,
      results: [{ summary: DISK, by: ['meaning'], lifecycle: 'active', relevance: expect.closeTo(1, 4) }],
    })
    expect(found.results[0].similarity).toBeGreaterThan(0.9)
    expect(
      contents(await recall(tenant, { query: 'storage of the server was full', mode: 'keyword' }, settles)),
    ).toEqual([])
  })

  test('answers a question at once that was asked before, and tells no other tenant so', async ({
    newTenant,
    settles,
  }) => {
    const tenants = [await newTenant(), await newTenant()]
    const statuses: number[] = []
    for (const tenant of tenants) {
      await remember(tenant, DISK)
      await settles(tenant, playEmbedder())
      for (let times = 0; times < 2; times += 1)
        statuses.push((await recall(tenant, { query: 'full machine' }, settles)).status)
    }
    expect(statuses).toEqual([202, 200, 202, 200])
  })

  test('answers by words where the model fails', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    await remember(tenant, DISK)
    await settles(tenant, playEmbedder())
    const { body } = await memory(tenant, 'recall', { query: 'full disk' })
    await settles(tenant, () => new Error('out of order'))
    const { job } = (await tenant.calls('GET', body.links.self)).body
    expect(job).toMatchObject({
      status: 'completed',
      result: { mode: 'keyword', count: 1 },
      charges: { tokens: 0 },
    })
  })

  test('asks for vectors that an earlier job did not bring', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    await remember(tenant, DISK)
    await settles(tenant, () => new Error('out of order'))
    expect(await recall(tenant, { query: 'disk' }, settles)).toMatchObject({ status: 200, mode: 'keyword' })
    await settles(tenant, playEmbedder())
    expect((await memory(tenant, 'status')).body.result).toMatchObject({ embedded: 1, waiting: 0 })
  })

  test('never compares vectors of different models, and makes the old ones anew when the model has changed', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    await remember(tenant, DISK)
    await settles(tenant, playEmbedder('an older model'))
    expect((await recall(tenant, { query: 'storage full' }, settles)).results).toEqual([])
    await memory(tenant, 'index')
    await remember(tenant, CAT)
    await settles(tenant, playEmbedder())
    const models = await owner`select distinct model from recall_entries where tenant_id = ${tenant.id}`
    expect(models).toEqual([{ model: 'test-embedder' }])
    expect(contents(await recall(tenant, { query: 'full storage' }, settles))).toEqual([DISK])
  })

  test('does not chase two models that take turns', async ({ newTenant, settles, owner }) => {
    const tenant = await newTenant()
    let turn = 0
    const changing: Parameters<World['settles']>[1] = (message) => {
      turn += 1
      return playEmbedder(`model ${turn % 2}`)?.(message) as object
    }
    for (let at = 0; at < 4; at += 1) {
      await remember(tenant, `Thing ${at}`)
      await settles(tenant, changing)
    }
    expect(await owner`select from jobs where tenant_id = ${tenant.id}`).toHaveLength(4)
  })

  test('finds words that are misspelt, keeps to tags and to the threshold', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    await remember(tenant, DISK, { tags: ['ops', 'tuesday'] })
    await remember(tenant, CAT, { tags: ['home'] })
    await remember(tenant, 'Space is big', { tags: ['home'] })
    const by = async (input: object) => contents(await recall(tenant, { mode: 'keyword', ...input }, settles))
    expect(await by({ query: 'dataabse' })).toEqual([DISK])
    expect(await by({ query: 'disk space' })).toEqual([DISK, 'Space is big'])
    expect(await by({ query: 'disk space', threshold: 0.9 })).toEqual([DISK])
    expect(await by({ query: 'space', tags: ['home'] })).toEqual(['Space is big'])
    expect(await by({ query: 'space', tags: ['ops', 'tuesday'] })).toEqual([DISK])
    expect(await by({ query: 'eats', limit: 1 })).toEqual([CAT])
  })

  test.for([
    "'",
    '"',
    '!!&|()<->:*',
    '\\',
    "a' or '1'='1",
    'or or or',
    '-',
    '𝕳𝖊𝖑𝖑𝖔',
    'the',
    '%_',
    '<b>',
    '\u202E',
    '\u0301 a\u0301',
    'ـ',
    "'\\'' \\\\",
    '鈴'.repeat(999),
    "a'b\\c@d.e ".repeat(80),
  ])('takes %j for words and nothing else', async (query, { newTenant, settles }) => {
    const tenant = await newTenant()
    await remember(tenant, DISK)
    for (const mode of ['keyword', 'hybrid'])
      expect(await recall(tenant, { query, mode }, settles)).toMatchObject({ status: 200 })
    await settles(tenant, playEmbedder())
    expect((await recall(tenant, { query }, settles)).results).toBeDefined()
  })

  test('finds one by its id, and the result of the stage before as a query', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    const id = await remember(tenant, DISK)
    expect(await recall(tenant, { id }, settles)).toMatchObject({
      mode: 'id',
      results: [{ id, similarity: 1 }],
    })
    expect(contents(await recall(tenant, { input: { response: 'disk' }, mode: 'keyword' }, settles))).toEqual(
      [DISK],
    )
    expect((await memory(tenant, 'recall', { id: tenant.id })).body.code).toBe('NOT_FOUND')
    expect((await memory(tenant, 'recall', { input: '' })).status).toBe(400)
  })
})

describe('a memory belongs to one person', () => {
  test('and neither another tenant nor a colleague or admin sees or changes it', async ({
    newTenant,
    owner,
    runtime,
    settles,
  }) => {
    const tenant = await newTenant()
    const id = await remember(tenant, DISK, { tags: ['ops'] })
    await settles(tenant, playEmbedder())
    const app = createApp(runtime)
    const keys = [
      await insertColleague(owner, tenant, 'developer'),
      await insertColleague(owner, tenant, 'admin'),
    ]
    const colleagues = keys.map((key): Pick<Tenant, 'calls'> => ({
      async calls(method, path, body) {
        const headers = { 'x-api-key': key, 'content-type': 'application/json' }
        const response = await app.request(path, { method, headers, body: JSON.stringify(body) })
        return { status: response.status, headers: response.headers, body: await response.json() }
      },
    }))
    for (const other of [await newTenant(), ...colleagues] as Tenant[]) {
      for (const [verb, input] of [
        ['recall', { id }],
        ['get', { id }],
        ['forget', { id }],
        ['restore', { id }],
        ['cherish', { id }],
        ['reinforce', { ids: [id] }],
      ] as const)
        expect((await memory(other, verb, input)).body.code, verb).toBe('NOT_FOUND')
      expect((await memory(other, 'recall', { query: 'disk' })).body.result.results).toEqual([])
      expect((await memory(other, 'recent')).body.result.memories).toEqual([])
      expect((await memory(other, 'bytag', { tag: 'ops' })).body.result.memories).toEqual([])
      expect((await memory(other, 'manifest')).body.result.memory_count).toBe(0)
    }
    expect((await memory(tenant, 'get', { id })).body.result).toMatchObject({
      content: DISK,
      access_count: 0,
    })
  })
})

describe('the life of a memory', () => {
  test('forgetting composts, restoring brings back, and a cherished one refuses to be forgotten', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    const id = await remember(tenant, DISK)
    const words = async () => contents(await recall(tenant, { query: 'disk', mode: 'keyword' }, settles))
    expect((await memory(tenant, 'forget', { id })).body.result).toEqual({ id, lifecycle: 'composting' })
    expect(await words()).toEqual([])
    expect((await memory(tenant, 'recent')).body.result.memories).toEqual([])
    expect((await memory(tenant, 'recent', { lifecycle: 'composting' })).body.result.memories).toHaveLength(1)
    expect((await memory(tenant, 'cherish', { id })).body.code).toBe('STATE_CONFLICT')
    expect((await memory(tenant, 'restore', { id })).body.result.lifecycle).toBe('active')
    expect(await words()).toEqual([DISK])
    expect((await memory(tenant, 'cherish', { input: { crystal_id: id } })).body.result.cherished).toBe(true)
    expect(await memory(tenant, 'forget', { id })).toMatchObject({
      status: 451,
      body: { code: 'CONSENT_REQUIRED', suggestion: expect.stringContaining('uncherish') },
    })
    await memory(tenant, 'cherish', { id, uncherish: true })
    expect((await memory(tenant, 'forget', { id })).status).toBe(200)
  })

  test('relevance halves in thirty days without recall; what has faded sleeps, and shows ever less', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const content = `A title of its own\n${'A sentence that goes on for a while. '.repeat(20)}`
    const id = await remember(tenant, content)
    const cherished = await remember(tenant, 'Never fades')
    await memory(tenant, 'cherish', { id: cherished })
    const read = async () => (await memory(tenant, 'get', { id })).body.result
    const age = (days: number) =>
      owner`update memories set relevant_at = now() - make_interval(days => ${days}) where tenant_id = ${tenant.id}`
    await age(30)
    expect((await read()).relevance).toBeCloseTo(0.5, 3)
    await age(60)
    expect((await memory(tenant, 'consolidate')).body.result.demoted_count).toBe(1)
    expect(await read()).toMatchObject({ lifecycle: 'dormant', detail: 'text', content: content.trim() })
    await age(120)
    const counts: number[] = []
    const details: string[] = []
    for (let times = 0; times < 4; times += 1) {
      const { body } = await memory(tenant, 'consolidate')
      counts.push(body.result.dreaming_count)
      details.push((await read()).detail)
    }
    expect(counts).toEqual([1, 1, 1, 1])
    expect(details).toEqual(['text', 'summary', 'summary', 'title'])
    expect((await read()).content).toBe('A title of its own')
    expect((await memory(tenant, 'get', { id: cherished })).body.result).toMatchObject({
      lifecycle: 'active',
      relevance: expect.closeTo(1, 4),
    })
    await memory(tenant, 'reinforce', { ids: [id, id] })
    expect(await read()).toMatchObject({ lifecycle: 'active', detail: 'summary', access_count: 1 })
  })

  test('consolidating merges equal texts alone, whatever their spaces, case and composition are', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    const equal = ['Call  Zoë\n at noon', 'call zoë at NOON ', ' Call Zoe\u0308 at noon']
    const apart = [
      'I am allergic to peanuts',
      'I am not allergic to peanuts',
      'The door code is 4711',
      'The door code is 4712',
      'We meet on Monday',
      'We meet on Tuesday',
      'Anna owes me a beer',
      'Anne owes me a beer',
      '👍',
      '👎',
      'नमस्ते',
      'धन्यवाद',
      'สวัสดี',
      'ขอบคุณ',
      'Trink in Maßen',
      'Trink in Massen',
      'The limit is 10²',
      'The limit is 102',
      'A and B',
      'AandB',
    ]
    for (const content of [...equal, ...apart]) await remember(tenant, content)
    // As a model that knows none of these scripts and takes one number for another.
    const alike: Parameters<World['settles']>[1] = (message) => ({
      ...(playEmbedder()?.(message) as object),
      vectors:
        'texts' in message.request ? message.request.texts.map(() => encodeVector(meaningOf('same'))) : [],
    })
    await settles(tenant, alike)
    const { result } = (await memory(tenant, 'consolidate')).body
    expect(result.merged_count).toBe(2)
    expect(result.alike.flat().length).toBeGreaterThan(1)
    const { memories } = (await memory(tenant, 'recent', { limit: 100 })).body.result
    expect(memories.map(({ content }: { content: string }) => content)).toEqual(
      [equal.at(-1)?.trim(), ...apart]
        .toReversed()
        .toSorted((a, b) => apart.indexOf(b ?? '') - apart.indexOf(a ?? '')),
    )
    expect((await memory(tenant, 'consolidate')).body.result).toMatchObject({ merged_count: 0, alike: [] })
  })

  test('consolidating keeps the newest of equal memories, with the others on record', async ({
    newTenant,
    owner,
    settles,
  }) => {
    const tenant = await newTenant()
    const older = { tags: ['ops'], source_type: 'chat', source_ref: 'm1', metadata: { room: 1 } }
    const first = await remember(tenant, DISK, older)
    const newest = await remember(tenant, DISK.toUpperCase(), { tags: ['tuesday'] })
    await memory(tenant, 'reinforce', { ids: [first] })
    expect((await memory(tenant, 'consolidate')).body.result.merged_count).toBe(1)
    const { memories } = (await memory(tenant, 'recent')).body.result
    expect(memories).toMatchObject([
      {
        id: newest,
        content: DISK.toUpperCase(),
        tags: ['tuesday', 'ops'],
        access_count: 1,
        merged_into: null,
      },
    ])
    expect(memories[0].merged_from).toEqual([
      { id: first, content: DISK, causal_parent: null, captured_at: expect.any(String), ...older },
    ])
    const tagged = await recall(tenant, { query: 'disk', mode: 'keyword', tags: ['ops'] }, settles)
    expect(tagged.results.map(({ id }: { id: string }) => id)).toEqual([newest])
    expect(
      await owner`select id, lifecycle, merged_into from memories where tenant_id = ${tenant.id} and id = ${first}`,
    ).toEqual([{ id: first, lifecycle: 'composting', merged_into: newest }])
  })

  test('a merge is undone by restoring, also one of many and one of another, and is not made again', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    const view = async (id: string) => {
      const { body } = await memory(tenant, 'get', { id })
      const { content, tags, lifecycle, access_count, merged_from } = body.result
      const sources = merged_from.map((source: { id: string }) => source.id)
      return { content, tags: tags.toSorted(), lifecycle, access_count, sources }
    }
    const a = await remember(tenant, CAT, { tags: ['a', 'both'] })
    const b = await remember(tenant, CAT, { tags: ['b', 'both'] })
    await memory(tenant, 'reinforce', { ids: [a] })
    const before = [await view(a), await view(b)]
    await memory(tenant, 'consolidate')
    const merged = await view(b)
    const c = await remember(tenant, CAT, { tags: ['c'] })
    await memory(tenant, 'consolidate')
    expect(await view(c)).toMatchObject({ tags: ['a', 'b', 'both', 'c'], access_count: 1, sources: [b, a] })
    await memory(tenant, 'restore', { id: b })
    expect([await view(b), await view(c)]).toEqual([
      merged,
      { content: CAT, tags: ['c'], lifecycle: 'active', access_count: 0, sources: [] },
    ])
    await memory(tenant, 'restore', { id: a })
    expect([await view(a), await view(b)]).toEqual(before)
    expect((await memory(tenant, 'consolidate')).body.result.merged_count).toBe(0)
    const words = await recall(tenant, { query: 'salmon', mode: 'keyword' }, settles)
    expect(words.count).toBe(3)
    const both = await recall(tenant, { query: 'salmon', mode: 'keyword', tags: ['both'] }, settles)
    expect(both.results.map(({ id }: { id: string }) => id).toSorted()).toEqual([a, b].toSorted())
  })

  test('consolidating merges no cherished memory into another', async ({ newTenant }) => {
    const tenant = await newTenant()
    const oldest = await remember(tenant, CAT)
    const loved = await remember(tenant, CAT)
    const newest = await remember(tenant, CAT)
    await memory(tenant, 'cherish', { id: loved })
    expect((await memory(tenant, 'consolidate')).body.result.merged_count).toBe(1)
    const { memories } = (await memory(tenant, 'recent')).body.result
    expect(memories.map(({ id }: { id: string }) => id)).toEqual([newest, loved])
    expect(memories[1].merged_from).toMatchObject([{ id: oldest }])
  })

  test('consolidating strengthens what was recalled by its meaning since the last time, once', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant()
    const id = await remember(tenant, DISK)
    await settles(tenant, playEmbedder())
    await owner`update memories set lifecycle = 'dormant', relevance = 0.3, resolution = 0.4 where id = ${id}`
    await recall(tenant, { query: 'storage of the machine' }, settles)
    expect((await memory(tenant, 'get', { id })).body.result.lifecycle).toBe('dormant')
    expect((await memory(tenant, 'consolidate')).body.result.strengthened_count).toBe(1)
    const read = (await memory(tenant, 'get', { id })).body.result
    expect(read).toMatchObject({ lifecycle: 'active', access_count: 1, last_accessed: expect.any(String) })
    expect(read.relevance).toBeCloseTo(0.5, 3)
    expect(read.resolution).toBeCloseTo(0.6, 3)
    expect((await memory(tenant, 'consolidate')).body.result.strengthened_count).toBe(0)
  })

  test('two consolidations of one person never meet', async ({ newTenant, app }) => {
    const tenant = await newTenant()
    const status = async () => (await memory(tenant, 'status')).body.result.is_consolidating
    expect(await status()).toBe(false)
    await app.begin(async (db) => {
      await db`select pg_advisory_xact_lock(hashtextextended(${`dream/${tenant.id}/${tenant.user}`}, 0))`
      expect(await status()).toBe(true)
      expect((await memory(tenant, 'consolidate')).body.code).toBe('STATE_CONFLICT')
    })
    expect((await memory(tenant, 'consolidate')).status).toBe(200)
  })

  test('manifest tells what was consolidated and noted; the past keeps counts, and no contents', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    await remember(tenant, DISK)
    await memory(tenant, 'checkpoint', { label: 'before' })
    await memory(tenant, 'consolidate')
    await remember(tenant, CAT)
    expect((await memory(tenant, 'manifest')).body.result).toEqual({
      type: 'memory',
      memory_count: 2,
      consolidated: 1,
      temporary: 1,
      checkpoints: ['before'],
      last_consolidation: expect.any(String),
      capacity_used: 2 / 20_000,
    })
    const changes = await owner`select target, state from changes where tenant_id = ${tenant.id} order by id`
    const state = { active: 1, dormant: 0, dreaming: 0, composting: 0 }
    expect(changes).toEqual([
      { target: 'self.memory', state },
      { target: 'self.memory', state },
    ])
  })

  test('law 18: relevance and resolution stay from 0 to 1, whatever is done and however long it takes', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const ids = [await remember(tenant, DISK), await remember(tenant, CAT)]
    const verb = fc.constantFrom('reinforce', 'cherish', 'uncherish', 'consolidate', 'forget', 'restore')
    const step = fc.record({ verb, which: fc.nat(1), days: fc.nat(200) })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), async (steps) => {
        for (const { verb: name, which, days } of steps) {
          await owner`
            update memories set relevant_at = relevant_at - make_interval(days => ${days}) where tenant_id = ${tenant.id}`
          const id = ids[which]
          const inputs = { reinforce: { ids: [id] }, consolidate: {}, uncherish: { id, uncherish: true } }
          const called = name === 'uncherish' ? 'cherish' : name
          const { status } = await memory(
            tenant,
            called,
            name in inputs ? inputs[name as 'consolidate'] : { id },
          )
          expect(status).not.toBe(500)
        }
        const { body } = await memory(tenant, 'status')
        expect(body.result.lifecycle.dreaming).toBe(0)
        for (const id of ids) {
          const { relevance, resolution, detail, lifecycle } = (await memory(tenant, 'get', { id })).body
            .result
          for (const share of [relevance, resolution]) {
            expect(share).toBeGreaterThanOrEqual(0)
            expect(share).toBeLessThanOrEqual(1)
          }
          const shown = resolution >= 0.5 ? 'text' : resolution >= 0.1 ? 'summary' : 'title'
          expect(detail).toBe(lifecycle === 'composting' ? 'nothing' : shown)
        }
      }),
      { numRuns: 8, seed: 18 },
    )
  })

  test('pages through memories without a gap', async ({ newTenant }) => {
    const tenant = await newTenant()
    for (let at = 0; at < 7; at += 1) await remember(tenant, `Thing ${at}`, { tags: ['t'] })
    const seen: string[] = []
    for (let cursor: string | undefined; ;) {
      const { body } = await memory(tenant, 'bytag', {
        tag: 't',
        limit: 3,
        ...(cursor === undefined ? {} : { cursor }),
      })
      seen.push(...body.result.memories.map(({ content }: { content: string }) => content))
      if (body.result.next_cursor === null) break
      cursor = body.result.next_cursor
    }
    expect(seen).toEqual([6, 5, 4, 3, 2, 1, 0].map((at) => `Thing ${at}`))
  })
})

test('the model for tests gives paraphrases vectors that are close, and nothing else', ({ expect }) => {
  const cosine = (a: string, b: string) =>
    meaningOf(a).reduce((sum, value, at) => sum + value * (meaningOf(b)[at] ?? 0), 0)
  expect(cosine(DISK, 'storage of the server was full')).toBeGreaterThan(0.8)
  expect(Math.abs(cosine(DISK, CAT))).toBeLessThan(0.3)
})
