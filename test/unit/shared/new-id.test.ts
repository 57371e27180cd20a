import { validate, version } from 'uuid'
import { afterEach, expect, test, vi } from 'vitest'
import { newId } from '../../../shared/new-id.ts'

afterEach(() => vi.useRealTimers())

test('newId() makes UUIDs of version 7, in their order, also where the clock stands still or goes back', () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  const ids: string[] = []
  for (const move of [0, 1, -5000, 7000]) {
    vi.setSystemTime(Date.now() + move)
    for (let times = 0; times < 1000; times++) ids.push(newId())
  }
  expect(ids.every((id) => validate(id) && version(id) === 7)).toBe(true)
  expect(ids).toEqual(ids.toSorted())
  expect(new Set(ids).size).toBe(ids.length)
})

test('newId() tells nothing of the ids before: their random ends are all different', () => {
  const ends = Array.from({ length: 1000 }, () => newId().slice(-10))
  expect(new Set(ends).size).toBe(1000)
})
