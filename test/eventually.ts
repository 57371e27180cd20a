/** Waiting for what comes by itself: an event, a row, the end of a process. */
import { vi } from 'vitest'

/** Longer than a slow and busy machine needs. It costs nothing: a test that passes goes on with the event. */
const PATIENCE = { timeout: 120_000, interval: 50 }

/** Waits until `check` throws no more; resolves with what it answers. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, PATIENCE)
}

/** Waits until `look` finds something; resolves with it. */
export async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  return eventually(async () => {
    const found = await look()
    if (found === undefined) throw new Error('It has not come')
    return found
  })
}
