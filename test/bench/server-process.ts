/** Servers that are measured: each in a process of its own, from its start to its first answer and to its end. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { findFreePort } from '../../knative/local/servers/ports.ts'
import { sendOnce, type HttpRequest } from './http-request.ts'

/** A server program; it listens to the port in `PORT`. */
export interface Program {
  args: readonly string[]
  env?: Readonly<Record<string, string>>
}

export interface MeasuredServer {
  port: number
  pid: number
  /** CPU time that it has used so far, in microseconds. */
  usedCpu(): Promise<number>
  /** Writes what it has compiled to its compile cache. */
  flushCompileCache(): Promise<void>
  stop(): Promise<void>
}

// Required, because a process that starts from a snapshot imports nothing before it.
const PRELOAD = ['--require', fileURLToPath(new URL('servers/preload.js', import.meta.url))]
const START_MS = 30_000
const POLL_MS = 2

/** The path of a file in `test/bench/servers/`. */
export function serverFile(name: string): string {
  return fileURLToPath(new URL(`servers/${name}`, import.meta.url))
}

/** Starts `program` and waits until it has answered `request` with 200. */
export async function startServer(program: Program, request: HttpRequest): Promise<MeasuredServer> {
  const port = await findFreePort()
  const child = run({ ...program, args: [...PRELOAD, ...program.args] }, port)
  await waitForAnswer(child, port, request)
  const ask = async (what: 'usage' | 'flush'): Promise<number> => {
    const answer = once(child, 'message')
    child.send(what)
    const [{ cpu }] = (await answer) as [{ cpu: NodeJS.CpuUsage }]
    return cpu.user + cpu.system
  }
  return {
    port,
    pid: child.pid ?? 0,
    usedCpu: () => ask('usage'),
    async flushCompileCache() {
      await ask('flush')
    },
    stop: () => end(child),
  }
}

/** Milliseconds from the start of the process to its first good answer. */
export async function timeColdStart(program: Program, request: HttpRequest): Promise<number> {
  const port = await findFreePort()
  const startedAt = performance.now()
  const child = run(program, port)
  await waitForAnswer(child, port, request)
  const elapsed = performance.now() - startedAt
  await end(child)
  return elapsed
}

function run({ args, env }: Program, port: number): ChildProcess {
  return spawn(process.execPath, args, {
    env: {
      PATH: process.env['PATH'],
      NODE_ENV: 'production',
      ...env,
      PORT: String(port),
      FUNC_PORT: String(port),
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
}

async function waitForAnswer(child: ChildProcess, port: number, request: HttpRequest): Promise<void> {
  const deadline = performance.now() + START_MS
  for (;;) {
    const answer = await sendOnce(port, request).catch(() => undefined)
    if (answer?.status === 200) return
    if (answer !== undefined || child.exitCode !== null || performance.now() > deadline) {
      await end(child)
      throw new Error(`Cannot measure ${child.spawnargs.join(' ')}: ${JSON.stringify(answer)}`)
    }
    await delay(POLL_MS)
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}
