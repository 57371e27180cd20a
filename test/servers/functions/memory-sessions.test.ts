/** Session memory and memories for a prompt: found across conversations, with where they come from, by their person alone. */
import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { describe, expect } from 'vitest'
import { createEvent } from '../../../shared/events/event.ts'
import { colleagueOf } from './colleague.ts'
import { playEmbedder } from './meaning.ts'
import { testWith, type Tenant, type World } from './world.ts'

type Talking = Pick<World, 'settles' | 'owner' | 'delivers' | 'eventKey'>

const test = testWith().extend<{ world: Talking }>({
  world: async ({ settles, owner, delivers, eventKey }, use) => use({ settles, owner, delivers, eventKey }),
})

interface Recalled {
  id: string
  text: string
  by: string[]
  source: Record<string, unknown>
}

const post = (tenant: Pick<Tenant, 'calls'>, path: string, input: object) =>
  tenant.calls('POST', `/v1/agentese/self/${path}`, input)

async function forPrompt(
  tenant: Pick<Tenant, 'calls'>,
  text: string,
  more: object = {},
): Promise<Recalled[]> {
  const { body } = await post(tenant, 'memory/for_prompt', { text, ...more })
  return body.result.memories
}

/** Holds a conversation of one message, and tells of its messages as K-gent does; answers its id. */
async function talk(
  tenant: Tenant,
  { settles, owner, delivers, eventKey }: Talking,
  message: string,
  { session, model = playEmbedder() }: { session?: string; model?: Model } = {},
): Promise<string> {
  const id = session ?? (await post(tenant, 'kgent/create', {})).body.result.id
  await post(tenant, 'kgent/message', { session: id, message })
  await settles(tenant, model)
  for (const said of await messagesOf(owner, id)) {
    const event = { source: '/functions/self-kgent', type: 'io.kgents.session.message', tenant: tenant.id }
    await delivers(
      createEvent({ ...event, data: { session: id, message: said.id, role: said.role } }, eventKey),
    )
  }
  await post(tenant, 'kgent/index', {})
  await settles(tenant, playEmbedder())
  return id
}

type Model = Parameters<World['settles']>[1]

const messagesOf = (owner: Sql, session: string) => owner<{ id: string; role: string; content: string }[]>`
  select id, role, content from kgent_messages where session_id = ${session} order by id`

describe('self.memory.for_prompt', () => {
  test('finds what was said in another conversation, with session, message, who, when and model', async ({
    newTenant,
    owner,
    world,
  }) => {
    const tenant = await newTenant()
    const garden = await talk(tenant, world, 'My tomatoes ripen on the balcony')
    await talk(tenant, world, 'The train to Vienna leaves at six')
    const [said] = await messagesOf(owner, garden)
    const [first, ...others] = await forPrompt(tenant, 'When do my tomatoes ripen?')
    expect(first).toMatchObject({
      id: said?.id,
      text: 'My tomatoes ripen on the balcony',
      source: { kind: 'session', session: garden, message: said?.id, who: 'user', model: null },
    })
    expect(Date.parse(String(first?.source['at']))).not.toBeNaN()
    expect(others).toEqual([])
    // Answers are remembered as what a model said.
    const [answer] = await forPrompt(tenant, 'what each is owed')
    expect(answer?.source).toMatchObject({ who: 'assistant', model: 'test' })
  })

  test('finds one conversation alone, or every other', async ({ newTenant, world }) => {
    const tenant = await newTenant()
    const one = await talk(tenant, world, 'My tomatoes ripen on the balcony')
    const other = await talk(tenant, world, 'The tomatoes of Maria ripen late')
    const sessions = async (more: object) =>
      (await forPrompt(tenant, 'tomatoes ripen', more)).map(({ source }) => source['session'])
    expect(new Set(await sessions({}))).toEqual(new Set([one, other]))
    expect(await sessions({ within: one })).toEqual([one])
    expect(await sessions({ without: one })).toEqual([other])
    expect(await sessions({ within: randomUUID() })).toEqual([])
  })

  test('finds by meaning what shares no word, where the question was asked before', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    await post(tenant, 'memory/engram', { content: 'The machine: storage exhausted' })
    await settles(tenant, playEmbedder())
    expect(await forPrompt(tenant, 'database disk full')).toEqual([])
    await post(tenant, 'memory/recall', { query: 'database disk full' })
    await settles(tenant, playEmbedder())
    const found = await forPrompt(tenant, 'database disk full')
    expect(found.map(({ text, by }) => [text, by])).toEqual([['The machine: storage exhausted', ['meaning']]])
  })

  test('mixes memories with conversations, five at most', async ({ newTenant, world }) => {
    const tenant = await newTenant()
    const session = await talk(tenant, world, 'My tomatoes ripen on the balcony')
    for (let n = 0; n < 6; n += 1)
      await post(tenant, 'memory/engram', { content: `Tomatoes ripen: note ${n}`, source_ref: `note-${n}` })
    const found = await forPrompt(tenant, 'tomatoes ripen')
    expect(found).toHaveLength(5)
    expect(new Set(found.map(({ source }) => source['kind']))).toEqual(new Set(['experience', 'session']))
    expect(await forPrompt(tenant, 'tomatoes ripen', { limit: 1 })).toHaveLength(1)
    expect((await post(tenant, 'memory/for_prompt', { text: 'x', limit: 6 })).body.code).toBe('TYPE_MISMATCH')
    expect(found.some(({ source }) => source['session'] === session)).toBe(true)
  })

  test.for(['zzz qqq', '?!', '🙂', "'; drop table memories; --", '<|im_start|>system', ' ​ x'])(
    'finds nothing for "%s", and does not fail',
    async (text, { newTenant }) => {
      const tenant = await newTenant()
      await post(tenant, 'memory/engram', { content: 'Our cat eats salmon' })
      expect(await forPrompt(tenant, text)).toEqual([])
    },
  )

  test('finds nothing of colleagues, admins and other tenants', async ({
    newTenant,
    owner,
    runtime,
    world,
  }) => {
    const tenant = await newTenant()
    const session = await talk(tenant, world, 'My tomatoes ripen on the balcony')
    const [said] = await messagesOf(owner, session)
    for (const other of [await colleagueOf(tenant, { owner, runtime }, 'admin'), await newTenant()]) {
      expect(await forPrompt(other, 'tomatoes ripen')).toEqual([])
      expect(await forPrompt(other, 'tomatoes ripen', { within: session })).toEqual([])
      expect((await post(other, 'memory/engram', { message: said?.id })).body.code).toBe('NOT_FOUND')
    }
  })
})

describe('self.memory.engram', () => {
  test('keeps a message of a conversation, with where it was said', async ({ newTenant, owner, world }) => {
    const tenant = await newTenant()
    const session = await talk(tenant, world, 'My tomatoes ripen on the balcony')
    const [said, answer] = await messagesOf(owner, session)
    const { crystal_id } = (await post(tenant, 'memory/engram', { message: answer?.id })).body.result
    const { content, session_id, message_id, model } = (await post(tenant, 'memory/get', { id: crystal_id }))
      .body.result
    expect({ content, session_id, message_id, model }).toEqual({
      content: answer?.content,
      session_id: session,
      message_id: answer?.id,
      model: 'test',
    })
    const own = await post(tenant, 'memory/engram', { message: said?.id, content: 'Tomatoes: balcony' })
    const { results } = (await post(tenant, 'memory/recall', { id: own.body.result.crystal_id })).body.result
    expect(results[0].source).toMatchObject({
      kind: 'experience',
      message: said?.id,
      who: 'user',
      model: null,
    })
  })
})

describe('self.memory.forget', () => {
  test('erases the answers of conversations that were shown the memory, and what followed them', async ({
    newTenant,
    owner,
    world,
  }) => {
    const secret = `zq${randomUUID().replaceAll('-', '')}`
    const tenant = await newTenant()
    const kept = await post(tenant, 'memory/engram', { content: `The code is ${secret}` })
    const id = kept.body.result.crystal_id
    const session = (await post(tenant, 'kgent/create', {})).body.result.id
    await talk(tenant, world, 'I like the sound of rain in autumn', { session })
    const model: Model = (message) =>
      'texts' in message.request ? (playEmbedder()?.(message) ?? {}) : { text: `It is ${secret}` }
    await talk(tenant, world, 'What is the code?', { session, model })
    await talk(tenant, world, 'Say it again, please', { session, model })
    const fork = (await post(tenant, 'kgent/fork', { session })).body.result.id
    expect(JSON.stringify(await forPrompt(tenant, `code ${secret}`))).toContain(secret)
    expect((await post(tenant, 'memory/forget', { id })).status).toBe(200)
    expect(JSON.stringify(await forPrompt(tenant, `code ${secret}`))).not.toContain(secret)
    const contents = (await messagesOf(owner, session)).map(({ role, content }) => `${role}: ${content}`)
    expect(contents).toEqual([
      'user: I like the sound of rain in autumn',
      'assistant: What each is owed, and no less.',
      'user: What is the code?',
      'assistant: [forgotten]',
      'user: Say it again, please',
      'assistant: [forgotten]',
    ])
    const forked =
      await owner`select role, content from kgent_messages where session_id = ${fork} order by position`
    expect(forked.map(({ role, content }) => `${role}: ${content}`)).toEqual(contents)
    for (const table of ['jobs', 'kgent_messages', 'idempotency_keys', 'schedules', 'compositions'])
      expect(
        await owner`select from ${owner(table)} t where t::text like ${`%${secret}%`}`,
        table,
      ).toHaveLength(0)
    const left = await owner`
      select from recall_entries where text like ${`%${secret}%`} and not hidden and tenant_id = ${tenant.id}`
    expect(left).toHaveLength(0)
  })

  test('cancels an answer that is under way and was shown the memory, and keeps nothing of it', async ({
    newTenant,
    settles,
    delivers,
    resultOf,
    owner,
  }) => {
    const tenant = await newTenant()
    const id = (await post(tenant, 'memory/engram', { content: 'The code is 1234' })).body.result.crystal_id
    await settles(tenant, playEmbedder())
    const session = (await post(tenant, 'kgent/create', {})).body.result.id
    const { body } = await post(tenant, 'kgent/message', { session, message: 'What is the code?' })
    await owner`update jobs set admitted_at = now(), status = 'running' where id = ${body.job.id}`
    await post(tenant, 'memory/forget', { id })
    // What the worker had generated comes after.
    const tokens = { prompt: 20, completion: 4 }
    const soFar = { reason: 'It was cancelled', attempt: 1, text: 'The code is 12', tokens }
    await delivers(resultOf(tenant.id, body.job.id, 'io.kgents.inference.failed', soFar, 'self-kgent'))
    const [job] = await owner`select status, message from jobs where id = ${body.job.id}`
    expect(job).toEqual({ status: 'cancelled', message: null })
    expect((await messagesOf(owner, session)).map(({ content }) => content)).toEqual(['What is the code?'])
  })
})
