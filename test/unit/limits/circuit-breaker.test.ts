import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { CIRCUIT_DEFAULTS, CircuitBreaker } from '../../../shared/limits/circuit-breaker.ts'

function opened(onChange?: (open: boolean, reason?: unknown) => void): CircuitBreaker {
  const breaker = new CircuitBreaker(CIRCUIT_DEFAULTS, onChange)
  for (let n = 0; n < 5; n += 1) breaker.failed(0, 'away')
  return breaker
}

test('CircuitBreaker opens at the fifth failure in a row, not by five among successes', () => {
  const breaker = new CircuitBreaker()
  for (let n = 0; n < 20; n += 1) {
    breaker.failed(0)
    breaker.failed(0)
    breaker.succeeded()
  }
  for (let n = 0; n < 4; n += 1) breaker.failed(0)
  expect(breaker.mayTry(0)).toBe(true)
  breaker.failed(0)
  expect(breaker.mayTry(0)).toBe(false)
})

test('CircuitBreaker lets one caller try after half a minute, and the next when that one has reported', () => {
  const breaker = opened()
  expect(breaker.mayTry(29_999)).toBe(false)
  expect(breaker.mayTry(30_000)).toBe(true)
  expect(breaker.mayTry(30_000)).toBe(false)
  breaker.succeeded()
  expect(breaker.mayTry(30_001)).toBe(true)
  breaker.failed(30_002)
  expect(breaker.mayTry(60_001)).toBe(false)
  expect(breaker.mayTry(60_002)).toBe(true)
})

test('CircuitBreaker closes after three successes, and tells when it opens and closes', () => {
  const onChange = vi.fn()
  const breaker = opened(onChange)
  expect(onChange.mock.calls).toEqual([[true, 'away']])
  for (let n = 0; n < 3; n += 1) {
    expect(breaker.mayTry(30_000)).toBe(true)
    breaker.succeeded()
  }
  expect(onChange.mock.calls).toEqual([[true, 'away'], [false]])
  expect([breaker.mayTry(30_000), breaker.mayTry(30_000)]).toEqual([true, true])
})

test('law 21: a breaker opens at the fifth failure in a row and never before, and closes only after three successes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ well: fc.boolean(), after: fc.nat(40_000) }), { maxLength: 200 }),
      (steps) => {
        const breaker = new CircuitBreaker()
        let now = 0
        let failures = 0
        let successes = 0
        let openedAt: number | undefined
        for (const { well, after } of steps) {
          now += after
          const mayTry = breaker.mayTry(now)
          expect(mayTry).toBe(openedAt === undefined || now - openedAt >= 30_000)
          if (!mayTry) continue
          failures = well ? 0 : failures + 1
          successes = well ? successes + 1 : 0
          if (well) breaker.succeeded()
          else breaker.failed(now)
          if (!well && (openedAt !== undefined || failures >= 5)) {
            openedAt = now
            successes = 0
          }
          if (well && openedAt === undefined) successes = 0
          if (well && openedAt !== undefined && successes >= 3) {
            openedAt = undefined
            successes = 0
          }
        }
      },
    ),
  )
})
