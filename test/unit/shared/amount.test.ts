import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { addAmounts, addTo, type Amounts } from '../../../shared/amount.ts'

const anAmount = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }),
  fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }).map((units) => units / 1e6),
  fc.constantFrom(0, 0.1, 0.2, 1e-7, -5e-324, 1e21),
)

test('addAmounts() knows that a tenth and two tenths are three tenths', () => {
  expect(addAmounts(0.1, 0.2)).toBe(0.3)
  expect(addAmounts(100, -0.05)).toBe(99.95)
  expect(addAmounts(1e-7, 2e-7)).toBe(3e-7)
  expect(addAmounts(1e21, 1)).toBe(1e21)
})

test('addAmounts() takes no side, and nothing from what is added to nothing', () => {
  fc.assert(
    fc.property(anAmount, anAmount, (a, b) => {
      expect(addAmounts(a, b)).toBe(addAmounts(b, a))
      expect(addAmounts(a, 0)).toBe(a === 0 ? 0 : a)
      expect(addAmounts(a, -a) === 0).toBe(true)
    }),
  )
})

test('addAmounts() of millionths is the sum of their millionths', () => {
  const millionths = fc.integer({ min: -1_000_000_000, max: 1_000_000_000 })
  fc.assert(
    fc.property(fc.array(millionths, { maxLength: 100 }), (units) => {
      const sum = units.map((unit) => unit / 1e6).reduce(addAmounts, 0)
      expect(sum).toBe(units.reduce((a, b) => a + b, 0) / 1e6)
    }),
  )
})

test('addTo() adds resource by resource', () => {
  const total: Amounts = { entropy: 0.1 }
  addTo(total, { entropy: 0.2, tokens: 3 })
  expect(total).toEqual({ entropy: 0.3, tokens: 3 })
})
