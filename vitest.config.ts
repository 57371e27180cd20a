import { defineConfig } from 'vitest/config'

/** Waits end with what they wait for, so patience costs nothing: any machine, slow or busy, is to pass. */
const patient = { testTimeout: 120_000, hookTimeout: 120_000, expect: { poll: { timeout: 30_000 } } }

/**
 * One project per kind of test, so that a kind can be run alone: `npx vitest --project unit`.
 * `unit` opens nothing; `servers` talks to real PostgreSQL, NATS and Redis; `platform` drives the
 * whole platform, started as a user starts it, with the real model.
 */
export default defineConfig({
  test: {
    // Most tests wait for servers rather than compute; with one worker per core the cores would idle.
    maxWorkers: 4,
    projects: [
      { test: { ...patient, name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        test: {
          ...patient,
          name: 'servers',
          include: ['test/servers/**/*.test.ts'],
          globalSetup: ['test/servers/global-setup.ts'],
        },
      },
      {
        test: {
          ...patient,
          name: 'platform',
          include: ['test/platform/**/*.test.ts'],
          globalSetup: ['test/platform/global-setup.ts'],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
