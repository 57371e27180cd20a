/**
 * One server as a child process: started, waited for until it answers, and stopped in order.
 *
 * Promises: Ctrl-C in the terminal does not reach it (the platform decides the order in which parts stop); it does
 * not outlive this process, even when that is killed; a start that fails reports why, with the end of the log.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { endWithUs } from '../end-with-us.ts'
import { openLog, tailOfLog } from '../log-file.ts'
import { rememberProcess, waitForPredecessor } from './predecessor.ts'

const RETRY_MS = 20

export interface ServerExit {
  code: number | null
  signal: NodeJS.Signals | null
  /** Why it never ran. */
  error?: Error
}

/** A server that answers. `exited` settles when it is gone, whoever ended it; it never rejects. */
export interface ServerProcess {
  readonly name: string
  readonly pid: number
  readonly exited: Promise<ServerExit>
  /** Stops it and waits until it has ended; after ten seconds it is killed. */
  stop(): Promise<void>
  /** Ends it as a crash would. */
  kill(): Promise<void>
}

export interface ServerCommand {
  /** For people: names the server in messages. */
  name: string
  program: string
  args: readonly string[]
  /** All of it: our own environment holds secrets that are none of a server's business. */
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Whom to run as, when not as ourselves. */
  user?: { uid: number; gid: number } | undefined
  logFile: string
  /** The folder that only this server uses; beside it is written which process does. */
  folder: string
  /** Runs once the folder's earlier server is gone, and before this one starts. */
  prepare?(): void
  /** The signal that makes it finish quickly and cleanly. */
  stopSignal: NodeJS.Signals
  /** Tries once: returns when the server answers, throws `NotReady` while it does not yet. */
  probe(): Promise<void>
  startSeconds?: number
}

/** Thrown by a probe: not yet, try again. Anything else that a probe throws ends the start. */
export class NotReady extends Error {
  override readonly name = 'NotReady'
}

/** Starts the server and returns once it answers. */
export async function startServer(command: ServerCommand): Promise<ServerProcess> {
  await waitForPredecessor(command.name, command.folder)
  command.prepare?.()
  mkdirSync(dirname(command.logFile), { recursive: true })
  const { child, logStart } = spawnLogged(command)
  const server = superviseChild(command, child)
  try {
    await waitUntilReady(command, server)
    return server
  } catch (error) {
    await server.kill()
    throw explain(command, logStart, error)
  }
}

function spawnLogged(command: ServerCommand): { child: ChildProcess; logStart: number } {
  const { descriptor: log, start } = openLog(command.logFile)
  const child = spawn(command.program, command.args, {
    env: command.env ?? { LC_ALL: 'C' },
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    ...command.user,
    stdio: ['ignore', log, log],
    detached: true, // its own session: the terminal's Ctrl-C goes to us alone
  })
  closeSync(log)
  return { child, logStart: start }
}

function superviseChild(command: ServerCommand, child: ChildProcess): ServerProcess {
  const exited = new Promise<ServerExit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', (error) => resolve({ code: null, signal: null, error }))
  })
  const pid = child.pid ?? 0
  if (pid !== 0) {
    rememberProcess(command.folder, pid)
    endWithUs(pid, command.stopSignal, exited)
  }
  const end = async (signal: NodeJS.Signals, patienceMs: number) => {
    child.kill(signal)
    const patience = new AbortController()
    const late = delay(patienceMs, 'late', { signal: patience.signal }).catch(() => 'gone')
    if ((await Promise.race([exited, late])) === 'late') child.kill('SIGKILL')
    await exited
    patience.abort()
  }
  return {
    name: command.name,
    pid,
    exited,
    stop: () => end(command.stopSignal, 10_000),
    kill: () => end('SIGKILL', 10_000),
  }
}

async function waitUntilReady(command: ServerCommand, server: ServerProcess): Promise<void> {
  const seconds = command.startSeconds ?? 30
  const deadline = Date.now() + seconds * 1000
  const gone = server.exited.then(({ code, signal, error }) => {
    throw error ?? new Error(code === null ? `ended by ${signal}` : `ended with code ${code}`)
  })
  gone.catch(() => undefined) // it is awaited below while we wait; later exits are the caller's
  for (;;) {
    try {
      return await Promise.race([command.probe(), gone])
    } catch (error) {
      if (!(error instanceof NotReady)) throw error
      if (Date.now() > deadline)
        throw new Error(`no answer within ${seconds} s (${error.message})`, { cause: error })
    }
    await Promise.race([delay(RETRY_MS), gone])
  }
}

function explain({ name, logFile }: ServerCommand, logStart: number, error: unknown): Error {
  const reason = error instanceof Error ? error.message : String(error)
  return new Error(`Cannot start ${name}: ${reason}\n${tailOfLog(logFile, logStart)}`, { cause: error })
}
