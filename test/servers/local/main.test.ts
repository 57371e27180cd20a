import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { makeStateFolder } from '../servers.ts'

const MAIN = fileURLToPath(new URL('../../../knative/local/main.ts', import.meta.url))

function run(args: string[], env: Record<string, string> = {}) {
  const all = { ...process.env, NODE_OPTIONS: '', ...env }
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', env: all })
}

test('npm start refuses an unknown option and a wrong variable, in one line', () => {
  expect(run(['--foo'])).toMatchObject({
    status: 2,
    stdout: '',
    stderr: `Cannot start: Unknown option '--foo'; see "npm start -- --help"\n`,
  })
  const wrong = run([], { PORT: 'abc' })
  expect(wrong).toMatchObject({ status: 1, stdout: '' })
  expect(wrong.stderr).toMatch(/^Cannot start: PORT "abc": .*\n$/)
})

test('npm start starts nothing where its port is in use', async () => {
  const { state, remove } = await makeStateFolder()
  const stranger = createServer().listen(0, '127.0.0.1')
  await once(stranger, 'listening')
  const address = stranger.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  expect(run([], { PORT: String(port), KGENTS_STATE: state })).toMatchObject({
    status: 1,
    stdout: '',
    stderr: `Cannot start: port ${port} is in use; set PORT to another\n`,
  })
  stranger.close()
  await remove()
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('npm start that %s ends before it is ready exits with %i', async (signal, code) => {
  const { state } = await makeStateFolder()
  const env = { ...process.env, NODE_OPTIONS: '', PORT: '0', INFERENCE: 'off', KGENTS_STATE: state }
  const child = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  await once(child.stdout, 'data')
  child.kill(signal)
  expect(await once(child, 'exit')).toEqual([code, null])
  await rm(state, { recursive: true, force: true, maxRetries: 50 }) // what it started ends soon after it
})
