import fc from 'fast-check'
import { expect, test } from 'vitest'
import { inspirationOf, tangentOf } from '../../../functions/agentese/void/serendipity/tangents.ts'

const seed = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const threshold = fc.double({ min: 0, max: 1, noNaN: true })

test('tangentOf() follows from seed and words alone, and keeps its confidence from 0 to 1', () => {
  fc.assert(
    fc.property(seed, fc.string({ unit: 'grapheme' }), threshold, (seed, context, threshold) => {
      const tangent = tangentOf(seed, context, threshold)
      expect(tangentOf(seed, context, threshold)).toEqual(tangent)
      expect(tangent.tangent).not.toBe('')
      expect(tangent.tangent.isWellFormed()).toBe(true)
      expect(tangent.confidence).toBeGreaterThanOrEqual(0)
      expect(tangent.confidence).toBeLessThan(1)
    }),
  )
})

test('tangentOf() is at least as sure as asked wherever it can be, and as sure as can be elsewhere', () => {
  fc.assert(
    fc.property(seed, threshold, (seed, threshold) => {
      const surest = tangentOf(seed, 'a garden', 1)
      const { confidence } = tangentOf(seed, 'a garden', threshold)
      expect(confidence).toBeGreaterThanOrEqual(Math.min(threshold, surest.confidence))
    }),
  )
})

test('tangentOf() speaks of the words that it was given, and differs from draw to draw', () => {
  expect(tangentOf(0.25, 'the garden plan.', 0.5).tangent).toContain('“the garden plan”')
  expect(tangentOf(0.25, '$& $1 {}', 0.5).tangent).toContain('“$& $1 {}”')
  const tangents = Array.from({ length: 50 }, (_, at) => tangentOf(at / 50, 'a garden', 0.5).tangent)
  expect(new Set(tangents).size).toBeGreaterThan(5)
})

test('inspirationOf() follows from seed and domain alone, and speaks of the domain', () => {
  fc.assert(
    fc.property(seed, (seed) => {
      const words = inspirationOf(seed, 'watercolour')
      expect(words).toBe(inspirationOf(seed, 'watercolour'))
      expect(words).toContain('“watercolour”')
      expect(words).not.toMatch(/[{}]/)
    }),
  )
})
