import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { findFreePort } from '../../../knative/local/servers/ports.ts'
import { startPod, type PodExit } from '../../../knative/local/serving/pod.ts'
import { eventually } from '../../eventually.ts'

const SERVER = fileURLToPath(new URL('../../fixtures/pod-server.ts', import.meta.url))
const DEAF_SERVER = fileURLToPath(new URL('../../fixtures/deaf-server.ts', import.meta.url))
const PARENT = fileURLToPath(new URL('../../fixtures/pod-parent.ts', import.meta.url))

function start(script: string, environment: Record<string, string> = {}) {
  const ready = Promise.withResolvers<void>()
  const exited = Promise.withResolvers<PodExit>()
  const pod = startPod({
    name: 'pod',
    command: [process.execPath, script],
    environment,
    logDescriptor: 2,
    onReady: ready.resolve,
    onExit: exited.resolve,
  })
  return { pod, ready: ready.promise, exited: exited.promise }
}

test('startPod() is ready when the process listens on its port, and not before', async () => {
  const { pod, ready, exited } = start(SERVER)
  expect(pod.isReady).toBe(false)
  await ready
  expect((await fetch(`http://127.0.0.1:${pod.port}/echo`)).status).toBe(200)
  await pod.stop(10)
  expect(await exited).toEqual({ reason: 'exit code 0', isExpected: true, wasReady: true })
})

test('startPod() tells of an exit that nobody asked for', async () => {
  const { pod, ready, exited } = start(SERVER)
  await ready
  await expect(fetch(`http://127.0.0.1:${pod.port}/die`)).rejects.toThrow()
  expect(await exited).toEqual({ reason: 'exit code 7', isExpected: false, wasReady: true })
})

test('startPod() tells of a program that cannot be started', async () => {
  const exit = Promise.withResolvers<PodExit>()
  startPod({
    name: 'pod',
    command: ['/no/such/program'],
    environment: {},
    logDescriptor: 2,
    onReady: () => undefined,
    onExit: exit.resolve,
  })
  expect(await exit.promise).toMatchObject({ isExpected: false, wasReady: false })
  expect((await exit.promise).reason).toContain('ENOENT')
})

test('stop() kills a process that does not heed SIGTERM within the grace', async () => {
  const { pod, ready, exited } = start(DEAF_SERVER)
  await ready
  await pod.stop(0.2)
  expect(await exited).toMatchObject({ reason: 'SIGKILL', isExpected: true })
})

test('stop() of a pod that has just been started leaves nothing running', async () => {
  const { pod, exited } = start(SERVER)
  await pod.stop(10)
  expect(await exited).toMatchObject({ isExpected: true, wasReady: false })
})

test('a pod ends when the process that started it is killed', async () => {
  const parent = spawn(process.execPath, [PARENT], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  expect(process.kill(pid, 0)).toBe(true)
  parent.kill('SIGKILL')
  await eventually(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'))
})

test('findFreePort() passes over ports that somebody listens on, and gives none twice', async () => {
  const first = await findFreePort()
  const taken = createServer()
  // Somebody else may have the next one already.
  taken.on('error', () => undefined).listen(first + 1, '127.0.0.1')
  await Promise.race([once(taken, 'listening'), once(taken, 'error')])
  const second = await findFreePort()
  expect(second).not.toBe(first + 1)
  expect(second).not.toBe(first)
  taken.close()
})
