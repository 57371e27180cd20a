import { expect, test } from 'vitest'
import { readRetryAfter } from '../../../shared/retry-after.ts'

const NOW = Date.UTC(2026, 10, 27, 12)

test.for([
  ['120', 120],
  [' 0 ', 0],
  ['Fri, 27 Nov 2026 12:01:30 GMT', 90],
  ['Friday, 27-Nov-26 12:01:30 GMT', 90],
  ['Fri Nov 27 12:01:30 2026 GMT', 90],
  ['Fri, 27 Nov 2026 11:00:00 GMT', 0],
  ['', undefined],
  ['-1', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['2026', 2026],
  ['2026-11-27', undefined],
  [null, undefined],
] as const)('readRetryAfter() reads %j as %j', ([value, seconds]) => {
  expect(readRetryAfter(value, NOW)).toBe(seconds)
})
