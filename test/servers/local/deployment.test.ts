import { createServer } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { startDeployment } from '../../../knative/local/deployment.ts'
import { findFreePorts } from '../../../knative/local/servers/ports.ts'
import { makeStateFolder } from '../servers.ts'

const deployment = { name: 'front', program: 'gateway/redis-rest/main.ts', host: '127.0.0.1', env: {} }

test('startDeployment() gives up on a part that keeps ending before it is ready, and says why', async () => {
  const { state, remove } = await makeStateFolder()
  const [port = 0] = await findFreePorts(1)
  const ends: string[] = []
  const { ready, stop } = startDeployment({
    ...deployment,
    port,
    state,
    onStart: () => {},
    onExit: (reason) => ends.push(reason),
  })
  await expect(ready).rejects.toThrow(
    /^Cannot start front: ended 3 times \(exit code 1\)\n[^]*REDIS_URL[^]*log: .*front.log/,
  )
  expect(ends).toEqual(['exit code 1', 'exit code 1'])
  await stop()
  await remove()
})

test('startDeployment() takes nobody else for the part, and starts it only on a free port', async () => {
  const { state, remove } = await makeStateFolder()
  const [port = 0] = await findFreePorts(1)
  const stranger = createServer().listen(port, '127.0.0.1')
  await once(stranger, 'listening')
  const pids: number[] = []
  const { ready, stop } = startDeployment({
    ...deployment,
    port,
    state,
    onStart: (pid) => pids.push(pid),
    onExit: () => {},
  })
  await expect(ready).rejects.toThrow(`Cannot start front: ended 3 times (port ${port} is in use)`)
  expect(pids).toEqual([])
  stranger.close()
  await stop()
  await remove()
})
