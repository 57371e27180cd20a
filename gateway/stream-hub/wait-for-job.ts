/** Waits until a job has ended, at most for the time that the client prefers. */
import type { Ending } from './ending.ts'
import { followJob, type Following } from './follow-job.ts'

export type Wait = Omit<Following, 'onMessage' | 'onBeat' | 'onEnd'> & {
  seconds: number
  signal: AbortSignal
}

/** Resolves with the end of the job, or with undefined where it does not come in time or `signal` aborts. */
export function waitForJob({ seconds, signal, ...following }: Wait): Promise<Ending | undefined> {
  const { promise, resolve } = Promise.withResolvers<Ending | undefined>()
  const giveUp = () => resolve(undefined)
  const timer = setTimeout(giveUp, seconds * 1000)
  signal.addEventListener('abort', giveUp, { once: true })
  const stop = followJob({ ...following, onMessage: ignore, onBeat: ignore, onEnd: resolve })
  return promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
    stop()
  })
}

function ignore(): void {}
