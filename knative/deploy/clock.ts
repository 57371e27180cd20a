/** Time, which tests do not wait for. */
import { setTimeout } from 'node:timers/promises'

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  sleep(seconds: number): Promise<void>
}

export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  async sleep(seconds) {
    await setTimeout(seconds * 1000)
  },
}
