/** `self.soul` about a person: what is set, what is proposed, what contradicts, and that nobody else reads it. */
import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { describe, expect } from 'vitest'
import { createEvent } from '../../../shared/events/event.ts'
import { colleagueOf } from './colleague.ts'
import { testWith, type Tenant, type World } from './world.ts'

const test = testWith()

const soul = (tenant: Pick<Tenant, 'calls'>, verb: string, input: object = {}, archetype?: string) =>
  tenant.calls(
    'POST',
    `/v1/agentese/self/soul/${verb}`,
    input,
    archetype === undefined ? {} : { 'x-observer-archetype': archetype },
  )

const set = (tenant: Pick<Tenant, 'calls'>, path: string, value: unknown, more: object = {}) =>
  soul(tenant, 'update', { aspect: 'preference', operation: 'add', content: { path, value }, ...more })

const propose = (tenant: Tenant, path: string, value: string, more: object = {}) =>
  soul(tenant, 'propose', { aspect: 'preference', content: { path, value }, ...more })

const preferencesOf = async (tenant: Pick<Tenant, 'calls'>, query: object = {}) =>
  (await soul(tenant, 'persona', query)).body.result.preferences.map(
    ({ content }: { content: string }) => content,
  )

/** Lets the months since a tenant's traits were confirmed and decided pass, as data. */
const ages = (owner: Sql, tenant: Tenant, months: number) => owner`
  update persona_traits set confirmed_at = confirmed_at - ${months * 30.4375} * interval '1 day',
    decided_at = decided_at - ${months * 30.4375} * interval '1 day'
  where tenant_id = ${tenant.id}`

/** The system message that a model is sent about `message`. */
async function promptFor(tenant: Tenant, message: string, settles: World['settles']): Promise<string> {
  let system = ''
  await soul(tenant, 'dialogue', { message })
  await settles(tenant, ({ request }) => {
    if ('messages' in request) system = request.messages[0]?.content ?? ''
    return { text: 'Well.' }
  })
  return system
}

describe('self.soul.update', () => {
  test('holds at once, in the persona and in the next prompt', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    const { status, body } = await set(tenant, 'communication.style', 'blunt', { reason: 'I am in a hurry' })
    expect(status).toBe(200)
    expect(body.result).toMatchObject({
      status: 'committed',
      trait: { source: 'explicit', confidence: 1, content: 'blunt', reason: 'I am in a hurry' },
    })
    expect(await preferencesOf(tenant)).toEqual(['blunt'])
    expect(await promptFor(tenant, 'Shall I move to another city?', settles)).toContain('"blunt"')
  })

  test('answers PREFERENCE_CONFLICT with both, and overwrites nothing', async ({ newTenant }) => {
    const tenant = await newTenant()
    await set(tenant, 'communication.style', 'blunt')
    await set(tenant, 'values', 'tabs over spaces')
    const style = await set(tenant, 'communication.style', 'gentle')
    expect({ status: style.status, code: style.body.code }).toEqual({
      status: 409,
      code: 'PREFERENCE_CONFLICT',
    })
    expect(style.body.details).toMatchObject({
      existing: { content: 'blunt' },
      wanted: { content: 'gentle' },
    })
    expect((await set(tenant, 'dislikes', 'Tabs over spaces')).body.code).toBe('PREFERENCE_CONFLICT')
    expect((await set(tenant, 'values', 'spaces over tabs')).body.code).toBe('PREFERENCE_CONFLICT')
    expect((await preferencesOf(tenant)).toSorted()).toEqual(['blunt', 'tabs over spaces'])
  })

  test('replaces by modify, and removes', async ({ newTenant }) => {
    const tenant = await newTenant()
    await set(tenant, 'communication.style', 'blunt')
    await set(tenant, 'values', 'tabs')
    const change = (operation: string, content: object) =>
      soul(tenant, 'update', { aspect: 'preference', operation, content })
    await change('modify', { path: 'communication.style', value: 'gentle' })
    await change('modify', { path: 'values', value: 'spaces', instead_of: 'TABS' })
    expect((await preferencesOf(tenant)).toSorted()).toEqual(['gentle', 'spaces'])
    expect((await change('remove', { path: 'values', value: 'spaces' })).body.result.status).toBe('removed')
    expect((await change('remove', { path: 'values', value: 'spaces' })).body.code).toBe('NOT_FOUND')
    expect((await change('modify', { path: 'values', value: 'x' })).body.code).toBe('TYPE_MISMATCH')
    expect(await preferencesOf(tenant)).toEqual(['gentle'])
    // What was removed contradicts nothing.
    expect((await set(tenant, 'dislikes', 'spaces')).status).toBe(200)
  })

  test('keeps what was there where modify contradicts something else', async ({ newTenant }) => {
    const tenant = await newTenant()
    await set(tenant, 'values', 'tabs')
    await set(tenant, 'dislikes', 'meetings')
    const content = { path: 'values', value: 'meetings', instead_of: 'tabs' }
    const { body } = await soul(tenant, 'update', { aspect: 'preference', operation: 'modify', content })
    expect(body.code).toBe('PREFERENCE_CONFLICT')
    expect((await preferencesOf(tenant)).toSorted()).toEqual(['meetings', 'tabs'])
  })

  test('moves the character for this person, clamped, and back', async ({ newTenant, settles }) => {
    const tenant = await newTenant()
    const move = (operation: string, content: object) =>
      soul(tenant, 'update', { aspect: 'eigenvector', operation, content })
    await move('modify', { path: 'joy', value: -7, confidence: 12 })
    await move('modify', { path: 'aesthetic', value: 1e9 })
    const { eigenvectors, confidence } = (await soul(tenant, 'eigenvectors')).body.result
    expect({ eigenvectors, confidence }).toMatchObject({
      eigenvectors: { joy: 0, aesthetic: 1, categorical: 0.92 },
      confidence: { joy: 1, aesthetic: 1, categorical: 0.95 },
    })
    expect((await soul(tenant, 'manifest')).body.result.eigenvectors.joy).toBe(0)
    expect(await promptFor(tenant, 'Shall I move to another city?', settles)).toContain('strongly austere')
    await move('remove', { path: 'joy' })
    expect((await soul(tenant, 'eigenvectors')).body.result.eigenvectors.joy).toBe(0.75)
    expect((await move('modify', { path: 'joy', value: 'high' })).body.code).toBe('TYPE_MISMATCH')
    const unknown = await move('modify', { path: 'anger', value: 1 })
    expect(unknown.body).toMatchObject({ code: 'TYPE_MISMATCH', available: expect.arrayContaining(['joy']) })
  })

  test('keeps what occupies the person, the latest first', async ({ newTenant }) => {
    const tenant = await newTenant()
    const change = (operation: string, path: string, value?: unknown) =>
      soul(tenant, 'update', { aspect: 'context', operation, content: { path, value } })
    await change('modify', 'current_focus', 'the move')
    for (const interest of ['bread', 'boats', 'bread']) await change('add', 'recent_interests', interest)
    await change('add', 'active_projects', { name: 'House', goals: ['paint it'] })
    await change('modify', 'active_projects', { name: 'House', status: 'done' })
    expect((await soul(tenant, 'persona', { aspect: 'context' })).body.result).toMatchObject({
      preferences: [],
      context: {
        current_focus: 'the move',
        recent_interests: ['bread', 'boats'],
        active_projects: [{ name: 'House', status: 'done', goals: [] }],
      },
    })
    await change('remove', 'current_focus')
    await change('remove', 'active_projects', 'House')
    expect((await soul(tenant, 'persona')).body.result.context).toMatchObject({
      current_focus: null,
      active_projects: [],
    })
    expect((await change('add', 'roles', 7)).body.code).toBe('TYPE_MISMATCH')
  })

  test.for([
    ['an unknown path', { path: 'mood', value: 'good' }],
    ['an inherited member of an object', { path: 'constructor', value: 'good' }],
    ['no value', { path: 'values' }],
    ['marks alone', { path: 'values', value: '!!!' }],
    ['nothing', { path: 'values', value: '  ' }],
    ['a number', { path: 'values', value: 3 }],
    ['too long a value', { path: 'values', value: 'x'.repeat(301) }],
  ] as const)('refuses %s', async ([, content], { newTenant }) => {
    const tenant = await newTenant()
    const { status, body } = await soul(tenant, 'update', { aspect: 'preference', operation: 'add', content })
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'TYPE_MISMATCH' })
    expect(await preferencesOf(tenant)).toEqual([])
  })

  test('confirms what is said again, two at once, and keeps it once', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    await set(tenant, 'values', 'tabs')
    await ages(owner, tenant, 7)
    const [stale] = (await soul(tenant, 'persona')).body.result.preferences
    expect(stale).toMatchObject({ confidence: expect.closeTo(0.3, 2), standing: 'review' })
    const again = await Promise.all(['Tabs', 'tabs.', ' TABS '].map((value) => set(tenant, 'values', value)))
    expect(again.map(({ status }) => status)).toEqual([200, 200, 200])
    const { preferences } = (await soul(tenant, 'persona')).body.result
    expect(preferences).toMatchObject([{ content: 'tabs', confidence: 1, standing: 'current' }])
  })

  test('is full at 500, and says so', async ({ newTenant, owner, settles }) => {
    const tenant = await newTenant()
    await owner`
      insert into persona_traits (id, tenant_id, user_id, aspect, path, content, key, source, confidence, status)
      select gen_random_uuid(), ${tenant.id}, ${tenant.user}, 'preference', 'values', 'thing ' || n, 'thing ' || n,
        'explicit', 1, 'committed' from generate_series(1, 10000) n`
    const { status, body } = await set(tenant, 'values', 'one more')
    expect({ status, code: body.code }).toEqual({ status: 429, code: 'QUOTA_EXCEEDED' })
    expect((await propose(tenant, 'values', 'one more')).body.code).toBe('QUOTA_EXCEEDED')
    expect(await preferencesOf(tenant, { limit: 500 })).toHaveLength(500)
    const prompt = await promptFor(tenant, 'Which thing shall I choose?', settles)
    expect(prompt.split('\n').filter((line) => line.startsWith('-'))).toHaveLength(3)
  })
})

describe('what is inferred', () => {
  test('changes nothing until the person accepts it, and can be taken back', async ({
    newTenant,
    settles,
  }) => {
    const tenant = await newTenant()
    const { proposal } = (await propose(tenant, 'communication.style', 'blunt')).body.result
    expect(proposal).toMatchObject({ status: 'pending', source: 'inferred', ready: true, confidence: 0.5 })
    expect(await preferencesOf(tenant)).toEqual([])
    expect(await promptFor(tenant, 'Shall I move to another city?', settles)).not.toContain('blunt')
    expect((await soul(tenant, 'proposals')).body.result).toMatchObject({
      total: 1,
      proposals: [{ id: proposal.id }],
    })
    const accepted = await soul(tenant, 'accept', { id: proposal.id })
    expect(accepted.body.result.proposal.status).toBe('committed')
    expect(await preferencesOf(tenant)).toEqual(['blunt'])
    expect((await soul(tenant, 'accept', { id: proposal.id })).body.code).toBe('STATE_CONFLICT')
    expect((await soul(tenant, 'reject', { id: proposal.id })).body.result.proposal.status).toBe('reverted')
    expect(await preferencesOf(tenant)).toEqual([])
    expect((await soul(tenant, 'reject', { id: proposal.id })).body.code).toBe('STATE_CONFLICT')
  })

  test('is not proposed again for six months after it was rejected', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const { proposal } = (await propose(tenant, 'values', 'tabs')).body.result
    await soul(tenant, 'reject', { id: proposal.id })
    expect((await propose(tenant, 'values', 'Tabs')).body.result.proposal.status).toBe('reverted')
    expect((await soul(tenant, 'proposals')).body.result.total).toBe(0)
    await ages(owner, tenant, 6.1)
    expect((await propose(tenant, 'values', 'Tabs')).body.result.proposal.status).toBe('pending')
  })

  test('as a pattern takes three occurrences in different messages, and confidence 0.5', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    const notice = async (message: string, value = 'draws first', confidence = 0.6) =>
      (
        await soul(tenant, 'propose', {
          aspect: 'pattern',
          content: { path: 'thinking', value },
          confidence,
          evidence: { message },
        })
      ).body.result.proposal
    const [one, two, three] = [randomUUID(), randomUUID(), randomUUID()]
    const { id } = await notice(one)
    await notice(one)
    const second = await notice(two)
    expect(second).toMatchObject({ id, occurrences: 2, ready: false })
    expect((await soul(tenant, 'accept', { id })).body.code).toBe('PRECONDITION_FAILED')
    expect(await notice(three)).toMatchObject({ occurrences: 3, ready: true })
    expect((await soul(tenant, 'accept', { id })).status).toBe(200)
    let unsure = { id: '', ready: true }
    for (const message of [one, two, three]) unsure = await notice(message, 'guesses', 0.4)
    expect(unsure.ready).toBe(false)
    expect((await soul(tenant, 'accept', { id: unsure.id })).body.code).toBe('PRECONDITION_FAILED')
  })

  test('asks at once where it contradicts, without saying what to who reads the purgatory', async ({
    newTenant,
    owner,
    runtime,
  }) => {
    const tenant = await newTenant()
    await set(tenant, 'communication.style', 'blunt')
    const { proposal, contradicts } = (await propose(tenant, 'communication.style', 'gentle')).body.result
    expect(contradicts.content).toBe('blunt')
    expect(await preferencesOf(tenant)).toEqual(['blunt'])
    const { semaphores } = (await tenant.calls('POST', '/v1/agentese/self/semaphore/pending', {})).body.result
    expect(semaphores).toMatchObject([{ token_id: proposal.token_id, reason: 'ambiguous_choice' }])
    const admin = await colleagueOf(tenant, { owner, runtime }, 'admin')
    const seen = await admin.calls('POST', '/v1/agentese/world/purgatory/inspect', {
      token_id: proposal.token_id,
    })
    expect(seen.status).toBe(200)
    expect(JSON.stringify(seen.body)).not.toMatch(/blunt|gentle/)
    const { body } = await soul(tenant, 'accept', { id: proposal.id })
    expect(body.result.replaced).toMatchObject([{ content: 'blunt', status: 'reverted' }])
    expect(await preferencesOf(tenant)).toEqual(['gentle'])
    const { status, human_input } = (
      await tenant.calls('POST', '/v1/agentese/self/semaphore/status', { token_id: proposal.token_id })
    ).body.result
    expect({ status, human_input }).toEqual({ status: 'resolved', human_input: 'accept' })
    // Taken back, what it replaced holds again.
    const reverted = await soul(tenant, 'reject', { id: proposal.id })
    expect(reverted.body.result.restored.content).toBe('blunt')
    expect(await preferencesOf(tenant)).toEqual(['blunt'])
  })

  test('is decided by nobody but the person, however its question is answered', async ({
    newTenant,
    owner,
    runtime,
  }) => {
    const tenant = await newTenant()
    await set(tenant, 'communication.style', 'blunt')
    const { proposal } = (await propose(tenant, 'communication.style', 'gentle')).body.result
    const admin = await colleagueOf(tenant, { owner, runtime }, 'admin')
    const answer = { token_id: proposal.token_id, human_input: 'accept' }
    expect((await admin.calls('POST', '/v1/agentese/world/purgatory/resolve', answer)).status).toBe(200)
    expect(await preferencesOf(tenant)).toEqual(['blunt'])
    expect((await soul(tenant, 'reject', { id: proposal.id })).status).toBe(200)
  })

  test('follows from what a person says in a conversation, once for each message', async ({
    newTenant,
    owner,
    delivers,
    eventKey,
  }) => {
    const tenant = await newTenant()
    const [session, message, answer] = [randomUUID(), randomUUID(), randomUUID()]
    await owner`
      insert into kgent_sessions (id, tenant_id, user_id, mode, expires_at)
      values (${session}, ${tenant.id}, ${tenant.user}, 'reflect', now() + interval '1 hour')`
    await owner`
      insert into kgent_messages (id, tenant_id, session_id, position, role, content) values
        (${message}, ${tenant.id}, ${session}, 1, 'user', 'I prefer tabs over spaces. I hate meetings.'),
        (${answer}, ${tenant.id}, ${session}, 2, 'assistant', 'I prefer world domination')`
    const says = (id: string, of = tenant.id) =>
      delivers(
        createEvent(
          {
            source: '/functions/self-kgent',
            type: 'io.kgents.session.message',
            tenant: of,
            data: { session, message: id },
          },
          eventKey,
        ),
      )
    const other = await newTenant()
    expect(await Promise.all([says(message), says(message), says(answer), says(message, other.id)])).toEqual([
      202, 202, 202, 202,
    ])
    const { proposals } = (await soul(tenant, 'proposals')).body.result
    expect(
      proposals
        .map(({ path, content }: { path: string; content: string }) => `${path}: ${content}`)
        .toSorted(),
    ).toEqual(['dislikes: meetings', 'values: tabs over spaces'])
    expect((await soul(other, 'proposals')).body.result.total).toBe(0)
  })
})

describe('with given times', () => {
  test('confidence decays, is reviewed after six months, and is archived after a year', async ({
    newTenant,
    owner,
    settles,
  }) => {
    const tenant = await newTenant()
    await set(tenant, 'communication.style', 'blunt')
    const shown = async () => (await soul(tenant, 'persona')).body.result.preferences[0]
    await ages(owner, tenant, 2)
    expect(await shown()).toMatchObject({ confidence: expect.closeTo(0.8, 2), standing: 'current' })
    await ages(owner, tenant, 4.1)
    expect(await shown()).toMatchObject({ confidence: expect.closeTo(0.39, 2), standing: 'review' })
    await ages(owner, tenant, 6)
    expect(await shown()).toBeUndefined()
    expect(await promptFor(tenant, 'Shall I move to another city?', settles)).not.toContain('blunt')
    // What is archived stands in nobody's way.
    expect((await set(tenant, 'communication.style', 'gentle')).status).toBe(200)
  })
})

describe('a persona is its person’s alone:', () => {
  test('agents read preferences, patterns and current focus, and an unknown agent nothing', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    await set(tenant, 'values', 'tabs')
    for (const [path, value] of [
      ['current_focus', 'the move'],
      ['recent_interests', 'bread'],
      ['name', 'Ada'],
    ])
      await soul(tenant, 'update', { aspect: 'context', operation: 'add', content: { path, value } })
    await propose(tenant, 'values', 'secret hope')
    const agent = { name: 'Gardener', theme: 'plants', instructions: 'You know plants' }
    await tenant.calls('POST', '/v1/agentese/world/agent/define', { ...agent, handle: 'gardener' })
    const name = 'gardener'
    const { status, body } = await soul(tenant, 'persona', { for_agent: name })
    expect({ status, context: body.result.context }).toEqual({
      status: 200,
      context: { current_focus: 'the move' },
    })
    expect(body.result.preferences.map(({ content }: { content: string }) => content)).toEqual(['tabs'])
    expect(JSON.stringify(body)).not.toMatch(/bread|Ada|secret hope/)
    expect((await soul(tenant, 'persona', { for_agent: 'nobody_there' })).body.code).toBe('NOT_FOUND')
    const other = await newTenant()
    expect((await soul(other, 'persona', { for_agent: name })).body.code).toBe('NOT_FOUND')
  })

  test('colleagues, admins and other tenants see and decide nothing of it', async ({
    newTenant,
    owner,
    runtime,
    settles,
  }) => {
    const tenant = await newTenant()
    await set(tenant, 'communication.style', 'blunt')
    const { proposal } = (await propose(tenant, 'values', 'tabs')).body.result
    const others = [await colleagueOf(tenant, { owner, runtime }, 'admin'), await newTenant()]
    for (const other of others) {
      expect(await preferencesOf(other)).toEqual([])
      expect((await soul(other, 'proposals')).body.result.total).toBe(0)
      for (const verb of ['accept', 'reject'])
        expect((await soul(other, verb, { id: proposal.id })).body.code).toBe('NOT_FOUND')
      expect((await set(other, 'communication.style', 'gentle')).status).toBe(200)
    }
    expect(await preferencesOf(tenant)).toEqual(['blunt'])
    expect(await promptFor(others[1] as Tenant, 'Shall I move to another city?', settles)).toContain(
      '"gentle"',
    )
  })

  test('who may not talk with K-gent may not read or change it', async ({ newTenant }) => {
    const tenant = await newTenant()
    for (const [verb, input] of [
      ['persona', {}],
      ['proposals', {}],
      ['update', { aspect: 'preference', operation: 'add', content: { path: 'values', value: 'x' } }],
      ['propose', { aspect: 'preference', content: { path: 'values', value: 'x' } }],
    ] as const)
      expect((await soul(tenant, verb, input, 'guest')).body.code).toBe('AFFORDANCE_DENIED')
  })
})
