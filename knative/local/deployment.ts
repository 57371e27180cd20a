/**
 * One part of the platform that always runs, as a Kubernetes Deployment would run it: started, started again when it
 * dies, and stopped politely.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { endWithUs } from './end-with-us.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const RESTART_MS = { first: 100, most: 5000 }

export interface DeploymentOptions {
  name: string
  /** Path of the program below the repository, such as `knative/relay/main.ts`. */
  program: string
  env: Record<string, string>
  /** Port that it listens to when it is ready. */
  port: number
  state: string
  /** Seconds from SIGTERM to SIGKILL. */
  graceSeconds?: number
  onStart(pid: number): void
  onExit(reason: string): void
}

export interface Deployment {
  readonly name: string
  readonly pid: number | undefined
  /** Settles when it listens for the first time. */
  readonly ready: Promise<void>
  stop(): Promise<void>
}

export function startDeployment(options: DeploymentOptions): Deployment {
  const stopping = new AbortController()
  const ready = Promise.withResolvers<void>()
  let child: ChildProcess | undefined
  let failures = 0

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const startedAt = performance.now()
      child = spawnProgram(options)
      options.onStart(child.pid ?? 0)
      const exit = waitForExit(child)
      if (child.pid !== undefined) endWithUs(child.pid, 'SIGTERM', exit)
      void waitUntilListening(options.port, exit).then(ready.resolve, () => {})
      const reason = await exit
      if (stopping.signal.aborted) return
      options.onExit(reason)
      failures = performance.now() - startedAt > 10_000 ? 0 : failures + 1
      const pause = Math.min(RESTART_MS.most, RESTART_MS.first * 2 ** failures)
      await delay(pause, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }
  const ended = run()

  return {
    name: options.name,
    get pid() {
      return child?.pid
    },
    ready: ready.promise,
    async stop() {
      stopping.abort()
      child?.kill('SIGTERM')
      const timer = setTimeout(() => child?.kill('SIGKILL'), (options.graceSeconds ?? 10) * 1000)
      await ended
      clearTimeout(timer)
    },
  }
}

function spawnProgram({ name, program, env, state }: DeploymentOptions): ChildProcess {
  mkdirSync(join(state, 'logs'), { recursive: true })
  const log = openSync(join(state, 'logs', `${name}.log`), 'a', 0o600)
  const child = spawn(process.execPath, [join(ROOT, program)], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', log, log],
    detached: true, // the terminal's Ctrl-C goes to the platform alone, which stops its parts in order
  })
  closeSync(log)
  return child
}

function waitForExit(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    child.once('error', (error) => resolve(error.message))
  })
}

async function waitUntilListening(port: number, exit: Promise<string>): Promise<void> {
  const gone = exit.then((reason) => {
    throw new Error(reason)
  })
  gone.catch(() => {})
  while (!(await Promise.race([isListening(port), gone]))) await Promise.race([delay(20), gone])
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
