/**
 * One part of the platform that always runs, as a Kubernetes Deployment would run it: started, started again when it
 * dies, and stopped politely. One that dies again and again before it was ready once ends the start, and says why.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { endWithUs } from './end-with-us.ts'
import { isListening } from './listening.ts'
import { openLog, tailOfLog } from './log-file.ts'
import { inherited } from './config.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const RESTART_MS = { first: 100, most: 5000 }
/** Ends in a row before it was ready for the first time. */
const START_ATTEMPTS = 3
/** How long it must have outlived the first answer on its port: one that could not listen is gone by then. */
const SETTLE_MS = 100

export interface DeploymentOptions {
  name: string
  /** Path of the program below the repository, such as `knative/relay/main.ts`. */
  program: string
  env: Record<string, string>
  /** Port that it listens to when it is ready. */
  port: number
  /** Address that it listens on. */
  host: string
  state: string
  /** Seconds from SIGTERM to SIGKILL. */
  graceSeconds?: number
  onStart(pid: number): void
  onExit(reason: string): void
}

export interface Deployment {
  readonly name: string
  readonly pid: number | undefined
  /** Resolves when it listens for the first time; rejects when it keeps ending before that. */
  readonly ready: Promise<void>
  stop(): Promise<void>
}

export function startDeployment(options: DeploymentOptions): Deployment {
  const stopping = new AbortController()
  const ready = Promise.withResolvers<void>()
  let child: ChildProcess | undefined
  let failures = 0
  let attempts = 0
  let isReady = false
  ready.promise.catch(() => {}) // whoever waits for it gets the error; nobody else needs it

  const runOnce = async (): Promise<{ reason: string; tail: string }> => {
    const log = openLogOf(options)
    const taken = await isListening(options.port, options.host)
    if (taken || stopping.signal.aborted) {
      closeSync(log.descriptor)
      return { reason: `port ${options.port} is in use`, tail: log.tail() }
    }
    child = spawnProgram(options, log.descriptor)
    options.onStart(child.pid ?? 0)
    const exit = waitForExit(child)
    if (child.pid !== undefined) endWithUs(child.pid, 'SIGTERM', exit)
    void waitUntilListening(options, exit).then(
      () => {
        isReady = true
        ready.resolve()
      },
      () => {},
    )
    return { reason: await exit, tail: log.tail() }
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const startedAt = performance.now()
      const { reason, tail } = await runOnce()
      if (stopping.signal.aborted) return
      if (!isReady && ++attempts === START_ATTEMPTS) {
        return ready.reject(
          new Error(`Cannot start ${options.name}: ended ${attempts} times (${reason})\n${tail}`),
        )
      }
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

function openLogOf({ name, state }: DeploymentOptions): { descriptor: number; tail(): string } {
  mkdirSync(join(state, 'logs'), { recursive: true })
  const file = join(state, 'logs', `${name}.log`)
  const { descriptor, start } = openLog(file)
  return { descriptor, tail: () => tailOfLog(file, start) }
}

function spawnProgram({ program, env }: DeploymentOptions, log: number): ChildProcess {
  const child = spawn(process.execPath, [join(ROOT, program)], {
    cwd: ROOT,
    env: { PATH: inherited['PATH'], ...env },
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

async function waitUntilListening({ port, host }: DeploymentOptions, exit: Promise<string>): Promise<void> {
  const gone = exit.then((reason) => {
    throw new Error(reason)
  })
  gone.catch(() => {})
  while (!(await Promise.race([isListening(port, host), gone]))) await Promise.race([delay(20), gone])
  await Promise.race([delay(SETTLE_MS), gone])
}
