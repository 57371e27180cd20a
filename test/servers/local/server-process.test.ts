import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test as base } from 'vitest'
import { startServer, NotReady, type ServerCommand } from '../../../knative/local/servers/server-process.ts'
import { eventually } from '../../eventually.ts'
import { makeStateFolder } from '../servers.ts'

const test = base.extend<{ state: string }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  state: async ({}, use) => {
    const { state, remove } = await makeStateFolder()
    await use(state)
    await remove()
  },
})

/** A shell script in the place of a server; its folder is its first argument, as servers name theirs. */
function script(state: string, body: string): ServerCommand {
  const folder = join(state, 'thing')
  return {
    name: 'the thing',
    program: '/bin/sh',
    args: ['-c', body, folder],
    logFile: join(state, 'logs', 'thing.log'),
    folder,
    stopSignal: 'SIGTERM',
    probe: async () => undefined,
  }
}

/** One that traps signals is ready when it has said so: until then it would not trap them. */
function trappingScript(state: string, body: string): ServerCommand {
  const command = script(state, body)
  return {
    ...command,
    async probe() {
      if (!readFileSync(command.logFile, 'utf8').endsWith('trapped\n')) throw new NotReady('no trap')
    },
  }
}

test('startServer() says how the server ended and what it wrote last, from this start only', async ({
  state,
  expect,
}) => {
  const notYet = async () => {
    throw new NotReady('not yet')
  }
  const failing = (words: string) => ({ ...script(state, `echo ${words} >&2; exit 3`), probe: notYet })
  await expect(startServer(failing('old words'))).rejects.toThrow(/ended with code 3\n {2}\| old words/)
  const second = startServer(failing('new words'))
  await expect(second).rejects.toThrow(
    /^Cannot start the thing: ended with code 3\n {2}\| new words\n {2}\(log: .*thing.log\)$/,
  )
})

test('startServer() names a program that cannot be run', async ({ state, expect }) => {
  const missing = {
    ...script(state, ''),
    program: '/nonexistent/server',
    probe: () => new Promise<void>(() => {}),
  }
  await expect(startServer(missing)).rejects.toThrow(
    /Cannot start the thing: spawn \/nonexistent\/server ENOENT/,
  )
})

test('startServer() gives up on a server that does not answer in time, and ends it', async ({
  state,
  expect,
}) => {
  const silent = {
    ...script(state, 'echo waiting; sleep 60 & wait'),
    startSeconds: 0.2,
    async probe() {
      await eventually(() => expect(readFileSync(this.logFile, 'utf8')).toContain('waiting'))
      throw new NotReady('no greeting')
    },
  }
  await expect(startServer(silent)).rejects.toThrow(/no answer within 0.2 s \(no greeting\)\n {2}\| waiting/)
})

test('startServer() waits until the server of an earlier run has left the folder', async ({
  state,
  expect,
}) => {
  const first = await startServer(
    trappingScript(state, `trap 'sleep 0.3; exit 0' TERM; echo trapped; while :; do sleep 0.05; done`),
  )
  const stopped = first.stop()
  const second = await startServer(script(state, 'while :; do sleep 0.05; done'))
  expect(isRunning(first.pid)).toBe(false)
  await stopped
  await second.kill()
})

test('stop() asks first and waits; kill() does not ask', async ({ state, expect }) => {
  const stubborn = `trap 'exit 7' TERM; echo trapped; while :; do sleep 0.05; done`
  const polite = await startServer(trappingScript(state, stubborn))
  await polite.stop()
  expect(await polite.exited).toEqual({ code: 7, signal: null })
  const rude = await startServer(trappingScript(state, stubborn))
  await rude.kill()
  expect(await rude.exited).toEqual({ code: null, signal: 'SIGKILL' })
})

test("startServer() keeps the terminal's signals from the server", async ({ state, expect }) => {
  const server = await startServer(script(state, 'while :; do sleep 0.05; done'))
  const { stdout } = spawnSync('ps', ['-o', 'pgid=', '-p', String(server.pid)], { encoding: 'utf8' })
  expect(Number(stdout)).toBe(server.pid) // Ctrl-C goes to the group of those who share the terminal
  await server.kill()
})

test('startServer() lets no server outlive a parent that was killed', async ({ state, expect }) => {
  const parent = spawn(process.execPath, [fileURLToPath(new URL('abandon.ts', import.meta.url)), state], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  expect(isRunning(pid)).toBe(true)
  parent.kill('SIGKILL')
  await eventually(() => expect(isRunning(pid)).toBe(false))
})

/** Ended processes that nobody collects are still listed, as zombies. */
function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout.trim() !== '' && !stdout.startsWith('Z')
}
