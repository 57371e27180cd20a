import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Failure, failureFrom, listFailures, Refusal } from '../../../shared/failures.ts'
import { problemOf } from '../../../shared/http/problem.ts'

describe('problemOf()', () => {
  test('tells a failure with all that a caller can use', () => {
    const failure = new Failure('QUOTA_EXCEEDED', 'Too much', {
      suggestion: 'Less',
      retryAfterSeconds: 1.2,
      available: ['a'],
    })
    expect(problemOf(failure, 'void.entropy.sip', 'abc')).toMatchObject({
      status: 429,
      headers: { 'retry-after': '2', 'content-type': 'application/problem+json' },
      body: {
        category: 'QUOTA_EXCEEDED',
        code: 'QUOTA_EXCEEDED',
        message: 'Too much',
        suggestion: 'Less',
        path: 'void.entropy.sip',
        trace_id: 'abc',
        available: ['a'],
      },
    })
  })

  test('says nothing of a bug but its trace id', () => {
    const { status, body } = problemOf(new Error('password=hunter2'), '/x', 'abc')
    expect(status).toBe(500)
    expect(JSON.stringify(body)).not.toContain('hunter2')
  })

  test('takes a database that is away for what it is', () => {
    const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    expect(problemOf(away, '/x', 'abc')).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
  })

  test('every failure survives the way through another function', () => {
    for (const { code } of listFailures()) {
      const failure = new Failure(code, 'why', { suggestion: 'do', details: { a: 1 } })
      const back = failureFrom(problemOf(failure, 'p', 't').body)
      expect({ code: back.code, message: back.message, facts: back.facts }).toEqual({
        code,
        message: 'why',
        facts: failure.facts,
      })
    }
  })
})

test('law 13: whatever a failure carries, its HTTP form says its category and status, and leads back to it', () => {
  const anyFacts = fc.record(
    {
      suggestion: fc.string({ minLength: 1 }),
      retryAfterSeconds: fc.integer({ min: 0, max: 10_000 }),
      available: fc.array(fc.string(), { minLength: 1 }),
      details: fc.dictionary(fc.string({ minLength: 1 }), fc.integer(), {
        minKeys: 1,
        noNullPrototype: true,
      }),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.constantFrom(...listFailures()), fc.string(), anyFacts, (row, message, facts) => {
      const { status, body } = problemOf(new Failure(row.code, message, facts), 'void.entropy.sip', 'trace')
      expect({ status, category: body.category }).toEqual({ status: row.status, category: row.category })
      expect(status).toBeGreaterThanOrEqual(400)
      const back = failureFrom(JSON.parse(JSON.stringify(body)))
      expect({ code: back.code, message: back.message, facts: back.facts }).toEqual({
        code: row.code,
        message,
        facts,
      })
    }),
  )
})

test('a refusal is 451 and says what it takes', () => {
  const refusal = new Refusal('The owner has not agreed', { consentRequired: 'owner' })
  expect(problemOf(refusal, 'p', 't')).toMatchObject({
    status: 451,
    body: { category: 'REFUSED', details: { consent_required: 'owner' } },
  })
})
