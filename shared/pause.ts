/** Waiting: that ends early when it is stopped, that gives up, and how long before trying again. */
import { setTimeout as delay } from 'node:timers/promises'

/** Resolves after the time or when `stop` aborts, whichever comes first. */
export async function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, { signal: stop })
  } catch {
    // Stopped: the caller looks at `stop` next.
  }
}

/** Doubles with each failure from `first` up to `most`, less up to a fifth, so that many do not retry in step. */
export function backoff(failures: number, first: number, most: number): number {
  return Math.min(most, first * 2 ** Math.min(failures, 20)) * (1 - Math.random() / 5)
}

/** The result of `work`, or a throw where it takes too long. */
export async function within<T>(seconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`There was no answer within ${seconds} s`)), seconds * 1000)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
