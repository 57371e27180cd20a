import { randomBytes } from 'node:crypto'
import { describe, expect, test as base, vi } from 'vitest'
import { inboxPrefix } from '../../../knative/local/servers/nats-permissions.ts'
import { startNats, type NatsServer } from '../../../knative/local/servers/nats.ts'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { cacheFolder } from '../../../knative/local/servers/wheels.ts'
import { ensureStreams, openNats } from '../../../shared/events/nats.ts'
import { makeStateFolder } from '../servers.ts'
import { HubWorld, readEvents, type ReadEvent, type Tenant } from './hub-world.ts'

interface Away {
  world: HubWorld
  /** Ends NATS as a crash would: what is in memory is lost. */
  killNats(): Promise<void>
  /** Starts it again where it was, with the streams that the relay makes. */
  reviveNats(): Promise<void>
}

const test = base.extend<{ away: Away }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  away: async ({}, use) => {
    const { state, remove } = await makeStateFolder()
    const [port = 0, monitoringPort = 0] = await findFreePorts(2)
    const secret = () => randomBytes(12).toString('base64url')
    const passwords = { relay: secret(), hub: secret(), worker: secret(), webhooks: secret() }
    const fetching = { cache: cacheFolder(process.env), env: process.env }
    const start = () => startNats({ state, port, monitoringPort, passwords, ...fetching })
    let nats: NatsServer = await start()
    const nc = await openNats(nats.urls.relay, 'test', { inboxPrefix: inboxPrefix('relay') })
    const world = new HubWorld(nc, nats.urls.hub)
    await world.start()
    await use({
      world,
      killNats: () => nats.kill(),
      async reviveNats() {
        nats = await start()
        await vi.waitFor(() => nc.rtt(), { timeout: 15_000, interval: 50 })
        await ensureStreams(nc)
      },
    })
    await world.stop()
    await nats.stop()
    await remove()
  },
})

const HEARTBEAT_MS = 100
const completed = {
  status: 'completed',
  tokens: { prompt: 3, completion: 2 },
  result: { response: 'hi' },
  charges: {},
}

function follow(url: string, { token }: Tenant, job: string): Promise<Response> {
  return fetch(`${url}/v1/jobs/${job}/stream`, { headers: { authorization: `Bearer ${token}` } })
}

/** The next event that is not a heartbeat. */
async function next(events: AsyncGenerator<ReadEvent>): Promise<ReadEvent | undefined> {
  for (;;) {
    const { value, done } = await events.next()
    if (done === true) return undefined
    if (value.event !== 'comment') return value
  }
}

describe('a hub without NATS', () => {
  test('keeps streams open, and ends them by what the job says', async ({ away }) => {
    const { world } = away
    const hub = await world.openHub(HEARTBEAT_MS)
    const acme = await world.tenant()
    const job = world.addJob(acme)
    const events = readEvents(await follow(hub.url, acme, job))
    world.write(acme, job, { kind: 'started', index: 0, attempt: 1 })
    expect(await next(events)).toMatchObject({ event: 'started' })
    await away.killNats()
    await expect.poll(() => hub.logs.connected).toBe(false)
    for (let beat = 0; beat < 3; beat++)
      expect((await events.next()).value).toMatchObject({ event: 'comment' })
    world.addJob(acme, job, completed)
    expect(await next(events)).toMatchObject({
      event: 'complete',
      data: { result: { response: 'hi' }, tokens_used: 5 },
    })
    expect(await next(events)).toBeUndefined()
    await away.reviveNats()
  })

  test('goes on with the log when NATS is back, even where that had lost it', async ({ away }) => {
    const { world } = away
    const hub = await world.openHub(HEARTBEAT_MS)
    const acme = await world.tenant()
    const job = world.addJob(acme, undefined, { status: 'running' })
    const events = readEvents(await follow(hub.url, acme, job))
    world.write(acme, job, { kind: 'started', index: 0, attempt: 1 })
    world.write(acme, job, { kind: 'chunk', index: 1, attempt: 1, text: 'a', tokens: 1 })
    expect(await next(events)).toMatchObject({ id: 0 })
    expect(await next(events)).toMatchObject({ id: 1 })
    await away.killNats()
    await expect.poll(() => hub.logs.connected).toBe(false)
    await away.reviveNats()
    world.write(acme, job, { kind: 'restart', index: 2, attempt: 1 })
    world.write(acme, job, { kind: 'chunk', index: 3, attempt: 1, text: 'ab', tokens: 2 })
    expect(await next(events)).toMatchObject({ event: 'restart', id: 2 })
    expect(await next(events)).toMatchObject({ id: 3, data: { text: 'ab' } })
    await world.nc.flush()
    await world.close(acme, job, { ...completed, text: 'ab' })
    expect(await next(events)).toMatchObject({ event: 'complete', data: { text: 'ab', chunks: 1 } })
  })

  test('serves from its start, and follows logs as soon as NATS is there', async ({ away }) => {
    const { world } = away
    await away.killNats()
    const hub = await world.openHub(HEARTBEAT_MS)
    const acme = await world.tenant()
    const job = world.addJob(acme)
    const events = readEvents(await follow(hub.url, acme, job))
    expect((await events.next()).value).toMatchObject({ event: 'comment' })
    await away.reviveNats()
    world.write(acme, job, { kind: 'started', index: 0, attempt: 1 })
    expect(await next(events)).toMatchObject({ event: 'started' })
    await events.return(undefined)
  })
})
