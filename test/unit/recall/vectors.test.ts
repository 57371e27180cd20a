import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findSame } from '../../../shared/recall/alike.ts'
import { similarityOf, sketchOf } from '../../../shared/recall/sketch.ts'

const DIMENSIONS = 64

const anyVector = fc
  .array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: DIMENSIONS, maxLength: DIMENSIONS })
  .filter((values) => Math.hypot(...values) > 0.1)
  .map((values) => Float32Array.from(values, (value) => value / Math.hypot(...values)))

function bitsThatDiffer(a: Float32Array, b: Float32Array): number {
  const other = sketchOf(b)
  return sketchOf(a)
    .split('')
    .filter((bit, at) => bit !== other[at]).length
}

/** Vectors in all directions around one, as far away as `spread` times its length. */
function around(seed: number, spread: number, count: number): Float32Array[] {
  let state = seed
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return state / 2 ** 31
  }
  const any = () => Float32Array.from({ length: 384 }, () => next() + next() + next())
  const centre = any()
  return Array.from({ length: count }, () => {
    const away = any()
    const sum = centre.map((value, at) => value + spread * (away[at] ?? 0))
    const length = Math.hypot(...sum)
    return sum.map((value) => value / length)
  })
}

describe('sketchOf()', () => {
  test('differs by as many bits as there are steps between the components', () => {
    const low = new Float32Array(4).fill(-1)
    const high = new Float32Array(4).fill(1)
    const middle = new Float32Array(4).fill(0.1)
    expect(sketchOf(low)).toBe('0'.repeat(12))
    expect([bitsThatDiffer(low, high), bitsThatDiffer(low, middle), bitsThatDiffer(middle, high)]).toEqual([
      12, 8, 4,
    ])
  })

  test('is a distance: none to itself, the same both ways, and no way round is shorter', () => {
    fc.assert(
      fc.property(anyVector, anyVector, anyVector, (a, b, c) => {
        expect(bitsThatDiffer(a, a)).toBe(0)
        expect(bitsThatDiffer(a, b)).toBe(bitsThatDiffer(b, a))
        expect(bitsThatDiffer(a, c)).toBeLessThanOrEqual(bitsThatDiffer(a, b) + bitsThatDiffer(b, c))
      }),
    )
  })
})

describe('findSame()', () => {
  const entriesOf = (vectors: readonly Float32Array[]) =>
    vectors.map((vector, at) => ({ subject: String(at), model: 'm', vector, fresh: true }))

  test('gives each entry to the first that is close enough, as comparing all of them does', async () => {
    const crowd = fc.record({
      seed: fc.integer(),
      spread: fc.double({ min: 0.1, max: 1.5, noNaN: true }),
      count: fc.integer({ min: 2, max: 30 }),
      threshold: fc.double({ min: 0.6, max: 0.98, noNaN: true }),
    })
    await fc.assert(
      fc.asyncProperty(crowd, async ({ seed, spread, count, threshold }) => {
        const entries = entriesOf(around(seed, spread, count))
        const gone = new Set<string>()
        const expected = new Map<string, string[]>()
        for (const [at, a] of entries.entries()) {
          const others = gone.has(a.subject)
            ? []
            : entries
                .slice(at + 1)
                .filter((b) => !gone.has(b.subject) && similarityOf(a.vector, b.vector) >= threshold)
          for (const { subject } of others) gone.add(subject)
          if (others.length > 0)
            expected.set(
              a.subject,
              others.map(({ subject }) => subject),
            )
        }
        expect(await findSame(entries, threshold)).toEqual(expected)
      }),
      { seed: 95, numRuns: 300 },
    )
  })

  test('leaves alone what was compared before, and what another model made', async () => {
    const vector = new Float32Array(4).fill(0.5)
    const [a, b, c] = entriesOf([vector, vector, vector])
    if (a === undefined || b === undefined || c === undefined) throw new Error('there are three')
    expect(await findSame([a, b, c], 0.95)).toEqual(new Map([['0', ['1', '2']]]))
    expect(
      await findSame(
        [
          { ...a, fresh: false },
          { ...b, fresh: false },
        ],
        0.95,
      ),
    ).toEqual(new Map())
    expect(await findSame([{ ...a, fresh: false }, b], 0.95)).toEqual(new Map([['0', ['1']]]))
    expect(await findSame([a, { ...b, model: 'other' }], 0.95)).toEqual(new Map())
  })
})
