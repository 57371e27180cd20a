import { expect } from 'vitest'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { eventually } from '../../eventually.ts'
import { makeStateFolder, startMigratedPostgres, startTestPostgres } from '../servers.ts'
import { test, World } from './world.ts'

test('PostgreSQL killed and restarted: the relay goes on where it was', async ({ onTestFinished }) => {
  const { state, remove } = await makeStateFolder()
  const [port] = await findFreePorts(1)
  const first = await startMigratedPostgres(state, port)
  let stop = () => first.stop()
  const world = await World.open(first.urls)
  onTestFinished(async () => {
    await world.close()
    await stop()
    await remove()
  })
  world.startRelay()
  const before = await world.emits(10)
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  await first.kill()
  const second = await startTestPostgres(state, port)
  stop = () => second.stop()
  const after = await eventually(() => world.emits(10))
  await eventually(async () => expect(await world.unpublished()).toBe(0))
  expect(await world.stored('EVENTS')).toEqual([...before, ...after])
})
