import { describe, expect, test as base } from 'vitest'
import { startKillableNats, type KillableNats } from './killable-nats.ts'
import { SubscriptionWorld } from './subscription-world.ts'

const test = base.extend<{ away: KillableNats & { world: SubscriptionWorld } }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  away: async ({}, use) => {
    const nats = await startKillableNats()
    const world = new SubscriptionWorld(nats.nc, nats.hubUrl)
    await world.start()
    await use({ ...nats, world })
    await world.stop()
    await nats.stop()
  },
})

const TIMES = { heartbeatMs: 100, ackWaitMs: 1_000 }

describe('while NATS is away', () => {
  test('streams stay open, and go on without a gap when it is back', async ({ away }) => {
    const { world } = away
    const hub = await world.openHub(TIMES)
    const acme = await world.tenant()
    const live = await world.follow(hub, acme, 'pattern=void.**')
    const lasting = await world.follow(hub, acme, 'pattern=void.**&delivery=at-least-once')
    const all = [await world.happens(acme, 'void.entropy.sip')]
    const first = await lasting.next()
    expect([await live.next(), first]).toMatchObject([{ id: all[0] }, { id: all[0] }])
    await world.acknowledge(hub, acme, lasting.id, [first])
    await away.killNats()
    for (let beat = 0; beat < 3; beat++)
      expect((await live.events.next()).value).toMatchObject({ event: 'heartbeat' })
    await away.reviveNats()
    for (let at = 0; at < 3; at++) all.push(await world.happens(acme, 'void.entropy.sip'))
    expect((await live.take(3)).map(({ id }) => id)).toEqual(all.slice(1))
    // The acknowledgement may have been lost with NATS: then the first event comes again.
    const told = new Set<number | string | undefined>()
    while (!all.slice(1).every((id) => told.has(id))) told.add((await lasting.next())?.id)
    expect(all).toEqual(expect.arrayContaining([...told]))
  })

  test('nobody can subscribe, and everybody can when it is back', async ({ away }) => {
    const { world } = away
    const hub = await world.openHub(TIMES)
    const acme = await world.tenant()
    const before = await world.happens(acme, 'void.entropy.sip')
    await away.killNats()
    const query = `pattern=void.**&from=${before}`
    await expect.poll(async () => (await world.follow(hub, acme, query)).status).toBe(503)
    expect((await world.follow(hub, acme, `${query}&delivery=at-least-once`)).status).toBe(503)
    await away.reviveNats()
    await expect.poll(async () => (await world.follow(hub, acme, query)).status).toBe(200)
    const stream = await world.follow(hub, acme, query)
    expect((await stream.next())?.id).toBe(before)
  })
})
