import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { isKept, lossOf, PROMISES, toReport, type Outcome } from '../../../knative/backup/drill/outcome.ts'

const KNATIVE = fileURLToPath(new URL('../../../knative/', import.meta.url))
const page = readFileSync(join(KNATIVE, 'disaster-recovery.md'), 'utf8')

test('disaster-recovery.md promises what the drill holds each part to', () => {
  const minutes = (seconds: number) => `${seconds / 60} min`
  const parts = {
    API: 'api',
    'NATS streams': 'streams',
    PostgreSQL: 'database',
    'Secrets and settings': 'settings',
  } as const
  for (const [name, promise] of Object.entries(parts)) {
    const promised: { recovery: number; loss?: number } = PROMISES[promise]
    const loss = promised.loss === undefined ? 'keeps nothing' : minutes(promised.loss)
    const row = page.split('\n').find((line) => line.startsWith(`| ${name} `))
    expect(
      row
        ?.split('|')
        .slice(2, 4)
        .map((cell) => cell.trim()),
      name,
    ).toEqual([minutes(promised.recovery), loss])
  }
})

test('disaster-recovery.md names Jobs and volumes that the manifests have', () => {
  const manifests = globSync('manifests/components/*/*.yaml', { cwd: KNATIVE })
    .map((file) => readFileSync(join(KNATIVE, file), 'utf8'))
    .join('\n')
  const jobs = new Set([...page.matchAll(/cronjob\/([\w-]+)/g)].map(([, name]) => name))
  expect(jobs.size).toBe(3)
  for (const name of jobs)
    expect(manifests, name).toMatch(new RegExp(`kind: CronJob\nmetadata:\n  name: ${name}\n`))
})

const outcome: Outcome = {
  part: 'a part',
  lost: 'its disk',
  promised: { recovery: 60, loss: 10 },
  recoverySeconds: 59,
  lossSeconds: 9,
  notes: '',
}

test('isKept() is false where a part took longer, or lost more, than promised', () => {
  expect(isKept(outcome)).toBe(true)
  expect(isKept({ ...outcome, recoverySeconds: 61 })).toBe(false)
  expect(isKept({ ...outcome, lossSeconds: 11 })).toBe(false)
  expect(toReport([{ ...outcome, lossSeconds: 11 }])).toContain('MISSED')
})

test('lossOf() counts from the oldest thing that is missing, and leaves out what came after the loss', () => {
  const written = [
    { id: 'a', at: 1000 },
    { id: 'b', at: 4000 },
    { id: 'c', at: 6000 },
    { id: 'd', at: 9000 },
  ]
  expect(lossOf(written, new Set(['a']), 8000)).toEqual({ seconds: 4, missing: 2 })
  expect(lossOf(written, new Set(['a', 'b', 'c']), 8000)).toEqual({ seconds: 0, missing: 0 })
})
