import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test as base } from 'vitest'
import { openJournal } from '../../../knative/local/eventing/journal.ts'

const test = base.extend<{ path: string }>({
  // oxlint-disable-next-line no-empty-pattern -- reason: vitest reads from the pattern that no fixture is needed
  async path({}, use) {
    const folder = mkdtempSync(join(tmpdir(), 'kgents-journal-'))
    await use(join(folder, 'journal.jsonl'))
    rmSync(folder, { recursive: true })
  },
})

test('openJournal() finds what was begun and not done, also when nobody closed it', ({ path, expect }) => {
  const before = openJournal<string>(path)
  before.begin('1', 'one')
  before.begin('2', 'two')
  before.done('1')
  const after = openJournal<string>(path)
  expect([...after.unfinished]).toEqual([['2', 'two']])
})

test('openJournal() passes over a last line that was cut short', ({ path, expect }) => {
  openJournal<string>(path).begin('1', 'one')
  appendFileSync(path, '{"id":"2","entry":"tw')
  const after = openJournal<string>(path)
  after.begin('3', 'three')
  expect([...openJournal<string>(path).unfinished.keys()]).toEqual(['1', '3'])
})

test('begin() and done() do not let the file grow without end', ({ path, expect }) => {
  const journal = openJournal<string>(path)
  const large = 'x'.repeat(1024 * 1024)
  journal.begin('kept', 'small')
  for (let id = 0; id < 40; id += 1) {
    journal.begin(String(id), large)
    journal.done(String(id))
  }
  expect(readFileSync(path).length).toBeLessThan(20 * 1024 * 1024)
  expect([...openJournal<string>(path).unfinished.keys()]).toEqual(['kept'])
})
