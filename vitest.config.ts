import { defineConfig } from 'vitest/config'

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
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        test: {
          name: 'servers',
          include: ['test/servers/**/*.test.ts'],
          globalSetup: ['test/servers/global-setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'platform',
          include: ['test/platform/**/*.test.ts'],
          globalSetup: ['test/platform/global-setup.ts'],
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 90_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
