/** The bounds and times in the README pages are those of the code. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PAGES, ROOT } from './pages.ts'

/** In which folder a constant is, and how a page says its value. */
const NUMBERS: readonly [folder: string, constant: string, page: string, says: (value: number) => string][] =
  [
    ['shared/database', 'UNFINISHED_MS', 'shared/README.md', (ms) => `after ${ms} ms at the latest`],
    ['shared/calls', 'delayMs', 'shared/README.md', (ms) => `at most ${ms} ms later`],
    ['shared/identity', 'BELIEVED_SECONDS', 'shared/README.md', (seconds) => `for ${seconds} seconds`],
    ['functions/control', 'GOOD_DAYS', 'functions/README.md', (days) => `good for ${days} days`],
    ['shared/limits', 'CREDIT_SHARE', 'shared/README.md', (share) => `up to ${share * 100} % of what`],
    ['shared/limits', 'INTERVAL_MS', 'shared/README.md', (ms) => `exchanges every ${ms} ms`],
    ['knative/relay', 'PACE_MS', 'knative/README.md', (ms) => `no more often than every ${ms} ms`],
    ['knative/relay', 'MAX_SLEEP_MS', 'knative/README.md', (ms) => `after ${ms} ms at the latest`],
    ['shared/nats', 'JOB_ATTEMPTS', 'knative/README.md', (count) => `A job has ${count} attempts`],
    ['gateway/stream-hub', 'MAX_WAIT_SECONDS', 'functions/README.md', (seconds) => `(${seconds} s at most)`],
  ]

test.for(NUMBERS)('%s: %s', ([folder, constant, page, says]) => {
  const files = globSync(`${folder}/*.ts`, { cwd: ROOT })
  const code = files.map((file) => readFileSync(join(ROOT, file), 'utf8')).join('\n')
  const [, value = ''] = new RegExp(`\\b${constant} = ([\\d_.]+)`).exec(code) ?? []
  const text = PAGES.find(({ file }) => file === page)?.text.replaceAll(/\s+/g, ' ')
  expect(text).toContain(says(Number(value.replaceAll('_', ''))))
})
