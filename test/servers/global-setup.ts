/** Starts the shared servers before the first test of this project, and stops them after the last. */
import type { TestProject } from 'vitest/node'
import { startServers, type ServerAddresses } from './servers.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    servers: ServerAddresses
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers = await startServers()
  project.provide('servers', servers.addresses)
  return () => servers.stop()
}
