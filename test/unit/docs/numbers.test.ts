/** The bounds and times in the README pages are those of the code. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PAGES, ROOT } from './pages.ts'

/** Where a constant stands, and how a page says what it is. */
const NUMBERS: readonly [source: string, constant: string, page: string, says: (value: number) => string][] =
  [
    [
      'shared/database/connections.ts',
      'UNFINISHED_MS',
      'shared/README.md',
      (ms) => `after ${ms} ms at the latest`,
    ],
    ['shared/calls/recorder.ts', 'delayMs', 'shared/README.md', (ms) => `at most ${ms} ms later`],
    [
      'shared/limits/budgets.ts',
      'CREDIT_SHARE',
      'shared/README.md',
      (share) => `up to ${share * 100} % of what`,
    ],
    ['shared/limits/budgets.ts', 'INTERVAL_MS', 'shared/README.md', (ms) => `exchanges every ${ms} ms`],
    ['knative/relay/wake.ts', 'PACE_MS', 'knative/README.md', (ms) => `no more often than every ${ms} ms`],
    [
      'knative/relay/wake.ts',
      'LONGEST_SLEEP_MS',
      'knative/README.md',
      (ms) => `after ${ms} ms at the latest`,
    ],
    ['shared/nats/streams.ts', 'JOB_ATTEMPTS', 'knative/README.md', (count) => `A job has ${count} attempts`],
    ['gateway/stream-hub/wish.ts', 'MAX_WAIT_SECONDS', 'functions/README.md', (s) => `(${s} s at most)`],
  ]

test.for(NUMBERS)('%s: %s', ([source, constant, page, says]) => {
  const code = readFileSync(join(ROOT, source), 'utf8')
  const [, value = ''] = new RegExp(`\\b${constant} = ([\\d_.]+)`).exec(code) ?? []
  const text = PAGES.find(({ file }) => file === page)?.text.replaceAll(/\s+/g, ' ')
  expect(text).toContain(says(Number(value.replaceAll('_', ''))))
})
