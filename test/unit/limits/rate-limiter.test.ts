import { test } from 'vitest'
import { createRateLimiter } from '../../../shared/limits/rate-limiter.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { PLANS } from '../../plans.ts'

const log = createLog('test', 'silent')

test('createRateLimiter() without Redis limits in this process, and says what the headers need', async ({
  expect,
}) => {
  const limiter = createRateLimiter({ url: undefined, token: undefined, log })
  expect(await limiter.take('acme', PLANS.free)).toEqual({
    allowed: true,
    limit: 60,
    remaining: 9,
    resetSeconds: 1,
    retryAfterSeconds: 0,
  })
  for (let n = 0; n < 9; n += 1) await limiter.take('acme', PLANS.free)
  expect(await limiter.take('acme', PLANS.free)).toEqual({
    allowed: false,
    limit: 60,
    remaining: 0,
    resetSeconds: 10,
    retryAfterSeconds: 1,
  })
})

test('createRateLimiter() limits though nobody answers at the address of Redis', async ({ expect }) => {
  const limiter = createRateLimiter({ url: 'http://127.0.0.1:9', token: 'none', log })
  const start = performance.now()
  const decisions = await Promise.all(Array.from({ length: 30 }, () => limiter.take('acme', PLANS.free)))
  const allowed = decisions.filter((decision) => decision.allowed).length
  expect(allowed).toBeGreaterThanOrEqual(10)
  expect(allowed).toBeLessThanOrEqual(10 + (performance.now() - start) / 1000) // one comes each second
})
