import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { withoutOverlap } from '../../../shared/nats/subjects.ts'

const token = fc.constantFrom('a', 'b', 'c', '*')
const subject = fc.tuple(token, token, token).map((tokens) => tokens.join('.'))
const name = fc.constantFrom('a', 'b', 'c', 'd')
const path = fc.tuple(name, name, name).map((tokens) => tokens.join('.'))

function matches(filter: string, given: string): boolean {
  const tokens = given.split('.')
  return filter.split('.').every((each, at) => each === '*' || each === tokens[at])
}

describe('withoutOverlap()', () => {
  test('leaves subjects that do not overlap as they are', () => {
    expect(withoutOverlap(['a.b.*', 'a.c.*'])).toEqual(['a.b.*', 'a.c.*'])
  })

  test('covers all that was asked for, and matches nothing twice', () => {
    fc.assert(
      fc.property(fc.array(subject, { maxLength: 8 }), path, (subjects, each) => {
        const apart = withoutOverlap(subjects)
        const found = apart.filter((filter) => matches(filter, each)).length
        expect(found).toBeLessThanOrEqual(1)
        if (subjects.some((filter) => matches(filter, each))) expect(found).toBe(1)
      }),
      { numRuns: 1000 },
    )
  })
})
