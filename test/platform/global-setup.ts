/** One platform for all tests of the project `platform`; each test acts as a tenant of its own where it matters. */
import type { TestProject } from 'vitest/node'
import { startPlatform } from './start-platform.ts'

declare module 'vitest' {
  interface ProvidedContext {
    platform: { url: string; state: string }
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Two workers, so that one can die; a short silence, so that the other takes over soon; a pause before a killed
  // server comes back, so that there is an outage to see.
  const platform = await startPlatform({ WORKERS: '2', ACK_WAIT_SECONDS: '3', RESTART_SECONDS: '4' })
  project.provide('platform', { url: platform.url, state: platform.state })
  return () => platform.stop()
}
