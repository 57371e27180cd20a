/**
 * One pod: a child process that serves one function on a port of its own.
 *
 * It is ready when it accepts a connection, polled every few milliseconds. It is stopped with SIGTERM, and
 * killed after a grace period. When it ends on its own, that is reported at once.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { findFreePort } from '../servers/ports.ts'

/** What to run, and what to call. */
export interface PodOptions {
  name: string
  /** Program and arguments. */
  command: readonly [string, ...string[]]
  environment: Record<string, string>
  /** Open file that takes what the process prints. */
  logDescriptor: number
  onReady(): void
  /** Called once, however it ended; `isExpected` where it was stopped. */
  onExit(exit: PodExit): void
}

export interface PodExit {
  /** Such as `exit code 1` or `SIGKILL`. */
  reason: string
  isExpected: boolean
  wasReady: boolean
}

export interface Pod {
  readonly name: string
  /** 0 until it is known. */
  readonly port: number
  readonly pid: number | undefined
  readonly isReady: boolean
  /** Ends the process: politely, then not; resolves when it is gone. */
  stop(graceSeconds: number): Promise<void>
}

const POLL_MS = 5
/** A process that listens to nobody after this long is taken for stuck. */
const START_SECONDS = 60

const ORPHAN_GUARD = fileURLToPath(new URL('orphan-guard.cjs', import.meta.url))

/** Starts a process; `onReady` or `onExit` follows. */
export function startPod(options: PodOptions): Pod {
  const over = new AbortController()
  const gone = Promise.withResolvers<void>()
  let child: ChildProcess | undefined
  let port = 0
  let isReady = false
  let stopping: Promise<void> | undefined

  const pod: Pod = {
    name: options.name,
    get port() {
      return port
    },
    get pid() {
      return child?.pid
    },
    get isReady() {
      return isReady
    },
    stop(graceSeconds) {
      stopping ??= terminate(graceSeconds)
      return stopping
    },
  }

  /** Once only: a second SIGTERM would cut short the shutdown that the first one began. */
  async function terminate(graceSeconds: number): Promise<void> {
    child?.kill('SIGTERM')
    const timer = setTimeout(() => child?.kill('SIGKILL'), graceSeconds * 1000)
    await gone.promise
    clearTimeout(timer)
  }

  function end(reason: string): void {
    if (over.signal.aborted) return
    over.abort()
    gone.resolve()
    options.onExit({ reason, isExpected: stopping !== undefined, wasReady: isReady })
  }

  async function run(): Promise<void> {
    port = await findFreePort()
    if (stopping !== undefined) return end('stopped before it started')
    child = spawnFunction(options, port)
    child.once('error', (error) => end(error.message))
    child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`))
    await waitUntilListening(port, over.signal)
    if (over.signal.aborted || stopping !== undefined) return
    isReady = true
    options.onReady()
  }

  run().catch((error: Error) => {
    if (child === undefined) return end(error.message)
    child.kill('SIGKILL')
  })
  return pod
}

/** What it prints goes straight to the file: at thousands of lines a second, passing them on would cost a core. */
function spawnFunction({ command, environment, logDescriptor }: PodOptions, port: number): ChildProcess {
  const [program, ...parameters] = command
  return spawn(program, parameters, {
    env: {
      ...environment,
      NODE_OPTIONS: `${environment.NODE_OPTIONS ?? ''} --require=${JSON.stringify(ORPHAN_GUARD)}`.trim(),
      PORT: String(port),
    },
    stdio: ['ignore', logDescriptor, logDescriptor, 'ipc'],
  })
}

/** @throws Error when nobody listens for too long */
async function waitUntilListening(port: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + START_SECONDS * 1000
  while (!signal.aborted && !(await isListening(port))) {
    if (performance.now() > deadline) throw new Error(`listens to nobody after ${START_SECONDS} s`)
    await delay(POLL_MS)
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
