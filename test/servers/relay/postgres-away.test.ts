import { expect } from 'vitest'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { allowLogin, migrate } from '../../../shared/database/migrate.ts'
import { eventually } from '../../eventually.ts'
import { makeStateFolder, startTestPostgres } from '../servers.ts'
import { test, World } from './world.ts'

test('PostgreSQL killed and restarted: the relay goes on where it was', async ({ onTestFinished }) => {
  const { state, remove } = await makeStateFolder()
  const [port] = await findFreePorts(1)
  let server = await startTestPostgres(state, port)
  await migrate(server.url)
  await allowLogin(server.url, 'kgents_relay', 'relay')
  const relayUrl = Object.assign(new URL(server.url), { username: 'kgents_relay', password: 'relay' }).href
  const world = await World.open({ owner: server.url, relay: relayUrl })
  onTestFinished(async () => {
    await world.close()
    await server.stop()
    await remove()
  })
  world.startRelay()
  const before = await world.emits(10)
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  await server.kill()
  server = await startTestPostgres(state, port)
  const after = await eventually(() => world.emits(10))
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  expect(await world.stored('EVENTS')).toEqual([...before, ...after])
})
