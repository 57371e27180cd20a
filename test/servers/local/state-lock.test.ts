import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lockState } from '../../../knative/local/state-lock.ts'
import { makeStateFolder } from '../servers.ts'

test('lockState() refuses a folder that a running process has, and gives it back', async () => {
  const { state, remove } = await makeStateFolder()
  const release = lockState(state)
  const message = `Cannot start: kgents already runs on "${state}" as process ${process.pid}`
  expect(() => lockState(state)).toThrow(message)
  release()
  expect(existsSync(join(state, 'lock'))).toBe(false)
  lockState(state)()
  await remove()
})

test('lockState() takes over from a process that is gone, also where another has its number', async () => {
  const { state, remove } = await makeStateFolder()
  for (const stale of [`${process.ppid} an earlier start`, '999999999 1', 'half a li']) {
    writeFileSync(join(state, 'lock'), stale)
    const release = lockState(state)
    expect(readFileSync(join(state, 'lock'), 'utf8')).toMatch(new RegExp(`^${process.pid} `))
    release()
  }
  await remove()
})
