import { array, assert, constantFrom, integer, nat, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { resetOf, shapeOf, TokenBucket, waitOf } from '../../../shared/limits/token-bucket.ts'
import { PLANS, ratesOf } from '../../plans.ts'

const free = shapeOf(ratesOf(PLANS.free))

function takeAll(bucket: TokenBucket, now: number): number {
  let taken = 0
  while (bucket.take(now)) taken += 1
  return taken
}

test('TokenBucket grants the burst at once, then what the minute allows', () => {
  const bucket = new TokenBucket(free, 0)
  expect(takeAll(bucket, 0)).toBe(10)
  expect(takeAll(bucket, 999)).toBe(0)
  expect(takeAll(bucket, 1000)).toBe(1)
  expect(takeAll(bucket, 4000)).toBe(3)
  expect(takeAll(bucket, 60_000)).toBe(10)
})

test('TokenBucket grants no more in an hour than the hour allows, however evenly they come', () => {
  const bucket = new TokenBucket(free, 0)
  let taken = 0
  for (let second = 0; second < 3600; second += 1) taken += takeAll(bucket, second * 1000)
  expect(taken).toBeGreaterThanOrEqual(1999) // the hour's bucket starts full, and fills once while it is emptied
  expect(taken).toBeLessThanOrEqual(2000)
})

test('a refused request takes nothing: the next token comes when it would have come anyway', () => {
  const bucket = new TokenBucket(free, 0)
  takeAll(bucket, 0)
  for (let at = 0; at < 1000; at += 10) expect(bucket.take(at)).toBe(false)
  expect(bucket.take(1000)).toBe(true)
})

test('waitOf() and resetOf() tell when the next, and when all requests are possible again', () => {
  const bucket = new TokenBucket(free, 0)
  expect(waitOf(free, bucket.level(0))).toBe(0)
  expect(resetOf(free, bucket.level(0))).toBe(0)
  takeAll(bucket, 0)
  expect(waitOf(free, bucket.level(0))).toBe(1000)
  expect(waitOf(free, bucket.level(400))).toBeCloseTo(600)
  expect(resetOf(free, bucket.level(400))).toBeCloseTo(9600)
})

test('waitOf() is as long as the hour needs when it is the hour that is spent', () => {
  expect(waitOf(free, { burst: 10, hour: 0 })).toBeCloseTo(3600)
})

test('TokenBucket never grants more than burst plus refill, whatever the clock and the callers do', () => {
  const steps = array(record({ pause: integer({ min: -50, max: 5000 }), calls: nat(30) }), {
    maxLength: 40,
  })
  assert(
    property(steps, constantFrom(...Object.values(PLANS).map(ratesOf)), (schedule, limit) => {
      const shape = shapeOf(limit)
      const bucket = new TokenBucket(shape, 0)
      let [now, latest, taken] = [0, 0, 0]
      for (const { pause, calls } of schedule) {
        now = Math.max(0, now + pause)
        latest += Math.max(0, pause) // a clock that is set back and goes on may give its time twice
        for (let call = 0; call < calls; call += 1) if (bucket.take(now)) taken += 1
        expect(taken).toBeLessThanOrEqual(shape.burst + latest * shape.burstRate + 1e-6)
      }
    }),
  )
})
