/** Waiting for what comes by itself. */
import { setTimeout as delay } from 'node:timers/promises'

/** Longer than anything that is waited for here may take. */
const PATIENCE_MS = 900_000
const INTERVAL_MS = 10

/**
 * Resolves when `holds` does; a throw is a no.
 *
 * @throws Error where it never does
 */
export async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const began = performance.now()
  let reason: unknown
  while (performance.now() - began < PATIENCE_MS) {
    const held = await holds().catch((error: unknown) => {
      reason = error
      return false
    })
    if (held) return
    await delay(INTERVAL_MS)
  }
  throw new Error('It has not come', { cause: reason })
}
