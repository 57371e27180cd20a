import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { findFreePort, findFreePorts } from '../../../knative/local/servers/ports.ts'

const PORTS = fileURLToPath(new URL('../../../knative/local/servers/ports.ts', import.meta.url))

/** Whether another process could reserve `port`. */
async function isOpenToOthers(port: number): Promise<boolean> {
  const script = `
    const socket = require('node:dgram').createSocket('udp4')
    socket.once('error', () => process.stdout.write('taken'))
    socket.bind(${port}, '127.0.0.1', () => { process.stdout.write('open'); socket.close() })`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script])
  return stdout === 'open'
}

test('ports are all different, and passed over by other processes as long as this one runs', async () => {
  const ports = await findFreePorts(3)
  expect(new Set(ports).size).toBe(3)
  expect(await Promise.all(ports.map(isOpenToOthers))).toEqual([false, false, false])
})

test('a port that another process has reserved is passed over', async () => {
  const before = await findFreePort()
  const reserved = createSocket('udp4')
  reserved.bind(before + 1, '127.0.0.1')
  await once(reserved, 'listening')
  expect(await findFreePort()).toBeGreaterThan(before + 1)
  reserved.close()
})

test('to hold ports keeps no process alive', async () => {
  const script = `await (await import(${JSON.stringify(PORTS)})).findFreePorts(2); process.stdout.write('ended')`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  expect(stdout).toBe('ended')
})
