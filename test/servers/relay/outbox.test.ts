import { randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { fromNats } from '../../../shared/nats/event-message.ts'
import { agenteseSubject, eventSubject, tokensSubject } from '../../../shared/nats/subjects.ts'
import { verifyEvent } from '../../../shared/events/event.ts'
import { PLANS } from '../../plans.ts'
import { insertTenant } from '../functions/in-process.ts'
import { eventually } from '../../eventually.ts'
import { EVENT_TYPE, PATH, SIGNING_KEY, test } from './world.ts'

test('the relay publishes what was committed, in order, signed as it was, and marks it', async ({
  world,
}) => {
  const ids = await world.emits(20)
  const relay = world.startRelay()
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  expect(await world.stored('EVENTS')).toEqual(ids)
  await eventually(async () => expect(await relay.value('relay_published_total')).toBe(20))
  const last = await world.jsm.streams.getMessage('EVENTS', {
    last_by_subj: eventSubject(world.tenant, EVENT_TYPE),
  })
  expect(() => verifyEvent(fromNats(last), SIGNING_KEY)).not.toThrow()
})

test('an event of several streams is published to each of them', async ({ world }) => {
  const subjects = [
    agenteseSubject(world.tenant, PATH),
    eventSubject(world.tenant, EVENT_TYPE),
    tokensSubject(world.tenant, 'job'),
  ]
  const id = await world.emit(1, world.owner, subjects)
  world.startRelay()
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  for (const stream of ['AGENTESE', 'EVENTS', 'TOKENS'] as const)
    expect(await world.stored(stream)).toEqual([id])
})

test('no event is read before an older transaction ends, and none is lost', async ({ world }) => {
  world.startRelay()
  const first = await world.emits(3)
  const slow = await world.owner.reserve()
  await slow`begin`
  const held = await world.emits(2, slow)
  const later = await world.emits(5)
  await eventually(async () => expect(await world.stored('EVENTS')).toEqual(first))
  await eventually(async () => expect(await world.owner`select from relay_sleep`).toHaveLength(0))
  expect(await world.stored('EVENTS')).toEqual(first)
  await slow`commit`
  slow.release()
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  expect(await world.stored('EVENTS')).toEqual([...first, ...held, ...later])
})

test('what a slow transaction takes back holds nobody up any longer', async ({ world }) => {
  world.startRelay()
  const slow = await world.owner.reserve()
  await slow`begin`
  await world.emits(1, slow)
  const later = await world.emits(3)
  await slow`rollback`
  slow.release()
  await eventually(async () => expect(await world.stored('EVENTS')).toEqual(later))
})

test.for([
  ['is not JSON', (event: string) => event.slice(1), undefined],
  [
    'is too large for NATS',
    (event: string) => event.replace('"n":1', `"n":"${'x'.repeat(9_000_000)}"`),
    undefined,
  ],
  ['has a subject of no stream', (event: string) => event, ['nowhere.at.all']],
  ['has a subject with a wildcard', (event: string) => event, ['events.>']],
  ['has two subjects of one stream', (event: string) => event, ['events.a.b', 'events.a.c']],
] as const)('an event that %s is set aside, and the others go on', async ([, spoil, subjects], { world }) => {
  const before = await world.emits(2)
  const spoilt = world.createEvent({ n: 1 })
  const wanted = [...(subjects ?? [eventSubject(world.tenant, EVENT_TYPE)])]
  await world.insert(spoilt.id, wanted, spoil(JSON.stringify(spoilt)))
  const after = await world.emits(2)
  const relay = world.startRelay()
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  expect(await world.stored('EVENTS')).toEqual([...before, ...after])
  expect(await relay.value('relay_set_aside_total')).toBe(1)
  const aside = await world.owner`select id from outbox where published_at = 'infinity'`
  expect(aside.map((row) => row['id'])).toEqual([spoilt.id])
})

test('what keeps things from happening twice is deleted when nothing can come again', async ({ world }) => {
  await world.owner`
    insert into inbox (tenant_id, consumer, event_id, received_at)
    select ${world.tenant}, 'a function', gen_random_uuid(), now() - n * interval '1 day' from generate_series(0, 9) n`
  await world.owner`
    insert into idempotency_keys (tenant_id, key, endpoint, request_hash, created_at)
    select ${world.tenant}, n::text, 'an endpoint', '', now() - n * interval '1 day' from generate_series(0, 9) n`
  world.startRelay()
  for (const table of ['inbox', 'idempotency_keys']) {
    await eventually(async () => {
      const [left] = await world.owner`select count(*)::int as count from ${world.owner(table)}`
      expect(left?.['count']).toBe(8)
    })
  }
})

test('dead letters are deleted after thirty days', async ({ world }) => {
  const { owner, tenant } = world
  await owner`
    insert into dead_letters (id, tenant_id, message_id, function, type, event, error, kept_at)
    select gen_random_uuid(), ${tenant}, days, 'a-function', 'a.type', '{}', '{}', now() - days * interval '1 day'
    from unnest(array[0, 29, 31, 60]) days`
  world.startRelay()
  await eventually(async () =>
    expect(await owner`select message_id from dead_letters order by kept_at`).toEqual([
      { message_id: '29' },
      { message_id: '0' },
    ]),
  )
})

test('records of the audit are deleted when they are older than the plan keeps them', async ({ world }) => {
  const { owner } = world
  const left: string[] = []
  for (const { id: tier, limits } of Object.values(PLANS)) {
    const days = limits.auditDays
    const { id } = await insertTenant(owner, tier, ['admin'])
    for (const age of [1, (days ?? 10_000) - 1, (days ?? 10_000) + 1]) {
      if (days === null || age <= days) left.push(`${tier} ${age}`)
      await owner`
        insert into audit (tenant_id, seq, at, action, target, record, previous, hash)
        values (${id}, ${age}, now() - ${age} * interval '1 day', 'a', ${`${tier} ${age}`}, '{}', '', '')`
    }
  }
  world.startRelay()
  await eventually(async () => {
    const rows = await owner<{ target: string }[]>`select target from audit`
    expect(rows.map(({ target }) => target).toSorted()).toEqual(left.toSorted())
  })
})

test('what was forgotten thirty days ago is deleted by the clock, in batches, with its copies and nothing else', async ({
  world,
}) => {
  const { owner, tenant } = world
  const user = randomUUID()
  await owner`
    insert into memories (id, tenant_id, user_id, content, tags, source_type, metadata, lifecycle, forgotten_at)
    select gen_random_uuid(), ${tenant}, ${user}, 'text ' || n, '[]', 'a', '{}', 'composting',
      now() - case when n = 0 then interval '29 days' else interval '31 days' end
    from generate_series(0, 250) n`
  await owner`
    insert into memories (id, tenant_id, user_id, content, tags, source_type, metadata)
    values (gen_random_uuid(), ${tenant}, ${user}, 'kept', '[]', 'a', '{}')`
  await owner`
    insert into recall_entries (id, tenant_id, kind, owner, subject, text)
    select gen_random_uuid(), ${tenant}, 'memory', ${user}, id::text, content from memories`
  await owner`
    insert into recall_entries (id, tenant_id, kind, owner, subject, text)
    select gen_random_uuid(), ${tenant}, 'concept', ${user}, id::text, 'of a concept' from memories where content = 'text 1'`
  await owner`
    insert into jobs (id, tenant_id, user_id, function, path, call, status, result)
    select gen_random_uuid(), ${tenant}, ${user}, 'a', 'a.b.c', '{}', 'completed', json_build_object('id', id, 'said', content)
    from memories where content in ('text 1', 'kept')`
  world.startRelay()
  await eventually(async () =>
    expect(await owner`select content from memories order by content`).toEqual([
      { content: 'kept' },
      { content: 'text 0' },
    ]),
  )
  expect(await owner`select text from recall_entries order by text`).toEqual([
    { text: 'kept' },
    { text: 'of a concept' },
    { text: 'text 0' },
  ])
  expect(await owner`select result ->> 'said' as said from jobs order by 1`).toEqual([
    { said: 'kept' },
    { said: null },
  ])
})

test('no stream keeps anything for thirty days', async ({ world }) => {
  world.startRelay()
  await eventually(async () => expect((await world.jsm.streams.names().next()).length).toBeGreaterThan(4))
  for await (const { config } of world.jsm.streams.list()) {
    expect(config.max_age, config.name).toBeGreaterThan(0)
    expect(config.max_age, config.name).toBeLessThanOrEqual(7 * 86_400 * 1e9)
  }
})

test('published rows are deleted after an hour, what was set aside after thirty days, and what waits never', async ({
  world,
}) => {
  const { owner, tenant } = world
  world.startRelay()
  const [fresh] = await world.emits(1)
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  await owner`
    insert into outbox (id, tenant_id, subjects, event, published_at)
    select gen_random_uuid(), ${tenant}, '{events.a.b}', '{}', now() - interval '2 hours' from generate_series(1, 2500)`
  const [, kept] = await owner<{ id: string }[]>`
    insert into outbox (id, tenant_id, subjects, event, published_at, created_at)
    select gen_random_uuid(), ${tenant}, '{nowhere}', '{}', 'infinity', now() - n * interval '1 day'
    from unnest(array[31, 29]) n returning id`
  const [waits] = await owner<{ id: string }[]>`
    insert into outbox (id, tenant_id, subjects, event, xid, created_at)
    values (gen_random_uuid(), ${tenant}, '{events.a.b}', '{}', '9223372036854775807', now() - interval '40 days')
    returning id`
  await eventually(async () =>
    expect(await owner`select id from outbox order by seq`).toEqual([{ id: fresh }, kept, waits]),
  )
})
