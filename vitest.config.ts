import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/longest-first.ts'

/** Workers, and the processes that tests start, load the same modules again and again: compiled once for all of them. */
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('node_modules/.cache/compile', import.meta.url))

/** When all others have ended. */
const later = { maxWorkers: 4, sequence: { groupOrder: 1 } }

/**
 * One project per kind of test, so that a kind can be run alone: `npx vitest --project unit`.
 * `unit` opens nothing; `servers` talks to real PostgreSQL, NATS and Redis; `workers` run the real model; `platform`
 * and `soak` drive the whole platform, started as a user starts it.
 */
export default defineConfig({
  test: {
    // Most tests wait for servers rather than compute; with one worker per core the cores would idle.
    maxWorkers: 6,
    // Files share a worker's modules, whose loading would cost more than many a file's tests.
    isolate: false,
    // Waits end with what they wait for, so patience costs nothing: any machine, slow or busy, is to pass.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'servers',
          include: ['test/servers/**/*.test.ts'],
          exclude: ['test/servers/gpu-workers/**'],
          globalSetup: ['test/servers/global-setup.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'platform',
          include: ['test/platform/**/*.test.ts'],
          exclude: ['test/platform/soak.test.ts'],
          globalSetup: ['test/platform/global-setup.ts'],
        },
      },
      // Two hundred tenants use all that the machine has: nothing that needs the same servers runs beside them.
      {
        extends: true,
        test: {
          ...later,
          name: 'soak',
          include: ['test/platform/soak.test.ts'],
          globalSetup: ['test/platform/global-setup.ts'],
        },
      },
      {
        extends: true,
        test: { ...later, name: 'workers', include: ['test/servers/gpu-workers/**/*.test.ts'] },
      },
      { extends: true, test: { ...later, name: 'unit', include: ['test/unit/**/*.test.ts'] } },
    ],
  },
})
