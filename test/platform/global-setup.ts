/** One platform for all tests of the projects `platform` and `soak`; each test acts as a tenant of its own where it matters. */
import type { TestProject } from 'vitest/node'
import { openSink } from './sink.ts'
import { startPlatform } from './start-platform.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** `sink` is the origin of the one server on this machine that webhooks may reach. */
    platform: { url: string; state: string; sink: string }
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { projects } = project.vitest
  const running = projects
    .map((each) => each.getProvidedContext().platform)
    .find((each) => each !== undefined)
  if (running !== undefined) {
    project.provide('platform', running)
    return () => Promise.resolve()
  }
  const sink = await openSink()
  const { url, state, stop } = await startPlatform({ EGRESS_PRIVATE_ALLOWED: sink.origin })
  project.provide('platform', { url, state, sink: sink.origin })
  return async () => {
    await stop()
    sink.close()
  }
}
