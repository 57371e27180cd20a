import { expect } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { newId } from '../../../shared/new-id.ts'
import { test, type World } from './world.ts'

/** A call that was to be made a moment ago. */
async function defersToThePast({ owner, tenant }: World): Promise<void> {
  const user = newId()
  await owner`insert into tenants (id, slug, name, tier) values (${tenant}, ${`t-${tenant}`}, 'T', 'pro')`
  await owner`
    insert into users (id, tenant_id, email, name, roles)
    values (${user}, ${tenant}, 'a@example.com', 'A', ${['developer']})`
  await owner`
    insert into schedules (id, tenant_id, user_id, path, input, archetype, due_at)
    values (${newId()}, ${tenant}, ${user}, 'void.entropy.sip', '{}', 'developer', now() - interval '1 second')`
}

const ticksOf = ({ broker }: World) =>
  broker.deliveries.map(({ headers }) => headers).filter((each) => each['ce-type'] === 'io.kgents.clock.tick')

test('the relay wakes a function for which something is due, again while it is, and no other', async ({
  world,
}) => {
  await defersToThePast(world)
  const relay = world.startRelay({ CLOCK_SECONDS: '0.05' })
  await expect.poll(() => ticksOf(world).length).toBeGreaterThan(1)
  expect(new Set(ticksOf(world).map((headers) => headers['ce-function']))).toEqual(new Set(['time-schedule']))
  expect(new Set(ticksOf(world).map((headers) => headers['ce-id'])).size).toBe(ticksOf(world).length)
  await expect.poll(() => relay.value('relay_ticks_total')).toBeGreaterThan(1)
})

test('a Broker that refuses a tick keeps nobody from the next one', async ({ world }) => {
  let refused = 0
  world.broker.answer = () => ((refused += 1) === 1 ? 503 : 202)
  await defersToThePast(world)
  const relay = world.startRelay({ CLOCK_SECONDS: '0.05' })
  await expect.poll(() => relay.value('relay_ticks_total')).toBeGreaterThan(0)
})

test('due_functions() asks for each function with a tick by what its contract says is due', async ({
  world,
}) => {
  const [found] = await world.owner<{ source: string }[]>`
    select prosrc as source from pg_proc where proname = 'due_functions'`
  const stated = catalog.flatMap(({ name, tick }) =>
    tick === undefined ? [] : [`('${name}', exists (select from public.${tick.tenants}()))`],
  )
  expect(stated.length).toBeGreaterThan(0)
  const listed = found?.source.match(/\('[^']+', exists \(select from public\.\w+\(\)\)\)/g) ?? []
  expect(listed.toSorted()).toEqual(stated.toSorted())
})
