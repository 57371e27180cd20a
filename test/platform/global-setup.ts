/** One platform for all tests of the projects `platform` and `soak`; each test acts as a tenant of its own where it matters. */
import type { TestProject } from 'vitest/node'
import { findFreePort } from '../../knative/local/servers/ports.ts'
import { openSink } from './sink.ts'
import { openStandIns } from './stand-ins.ts'
import { startPlatform } from './start-platform.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** `sink` is the origin of the one server on this machine that webhooks may reach, `provider` settings of an identity provider. */
    platform: { url: string; state: string; sink: string; provider: Record<string, unknown> }
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
  const port = String(await findFreePort())
  const standIns = await openStandIns(`http://127.0.0.1:${port}`)
  const { url, state, stop } = await startPlatform({
    ...standIns.env,
    PORT: port,
    EGRESS_PRIVATE_ALLOWED: [sink.origin, ...standIns.origins].join(),
  })
  project.provide('platform', { url, state, sink: sink.origin, provider: standIns.provider })
  return async () => {
    await stop()
    standIns.close()
    sink.close()
  }
}
