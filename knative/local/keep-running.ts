/** Keeps one server running: started again when it ends without being asked, as a StatefulSet would. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ServerProcess } from './servers/server-process.ts'

export interface RunningServer<T extends ServerProcess> {
  /** The server as it runs now; another object after each restart. */
  readonly current: T
  stop(): Promise<void>
}

export interface KeepRunningOptions<T extends ServerProcess> {
  start(): Promise<T>
  /** Seconds from an end to the next start. */
  pauseSeconds: number
  /** Called for every start, the first included. */
  onStart(server: T): void
  onExit(server: T, reason: string): void
}

/** Starts the server; resolves when it answers for the first time. */
export async function keepRunning<T extends ServerProcess>(
  options: KeepRunningOptions<T>,
): Promise<RunningServer<T>> {
  const stopping = new AbortController()
  let current = await options.start()
  options.onStart(current)

  const watch = async (): Promise<void> => {
    for (;;) {
      const { code, signal } = await current.exited
      if (stopping.signal.aborted) return
      options.onExit(current, signal ?? `exit code ${code}`)
      current = await startAgain(options, stopping.signal, current)
      if (stopping.signal.aborted) return
      options.onStart(current)
    }
  }
  const watched = watch()

  return {
    get current() {
      return current
    },
    async stop() {
      stopping.abort()
      await current.stop()
      await watched
    },
  }
}

async function startAgain<T extends ServerProcess>(
  { start, pauseSeconds, onExit }: KeepRunningOptions<T>,
  stopping: AbortSignal,
  last: T,
): Promise<T> {
  while (!stopping.aborted) {
    await delay(pauseSeconds * 1000, undefined, { signal: stopping }).catch(() => {})
    if (stopping.aborted) break
    try {
      return await start()
    } catch (error) {
      onExit(last, error instanceof Error ? error.message : String(error))
    }
  }
  return last
}
