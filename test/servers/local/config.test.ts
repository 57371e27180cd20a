import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readLocalConfig } from '../../../knative/local/config.ts'

test('readLocalConfig() takes an empty variable for one that is not set', () => {
  expect(readLocalConfig({ WORKERS: '', PORT: '', MODEL_PATH: '' })).toEqual(readLocalConfig({}))
  expect(readLocalConfig({})).toMatchObject({ WORKERS: 1, PORT: 8000 })
  expect(readLocalConfig({ KGENTS_STATE: 'here' }).KGENTS_STATE).toBe(join(process.cwd(), 'here'))
})

test('readLocalConfig() names each wrong variable in one line, and repeats no address', () => {
  expect(() => readLocalConfig({ PORT: 'abc' })).toThrow(/^Cannot start: PORT "abc": [^\n]+$/)
  const two = () => readLocalConfig({ WORKERS: '-1', DATABASE_URL: 'postgres//user:hunter2@host' })
  expect(two).toThrow(/^Cannot start: WORKERS "-1": [^\n]+\nCannot start: DATABASE_URL: [^\n]+$/)
})
