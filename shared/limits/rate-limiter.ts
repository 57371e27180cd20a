/**
 * Rate limits of tenants: shared by all processes through Redis, and by each process alone while Redis is unavailable.
 * Limits are never switched off, and no request waits long for one.
 */
import { performance } from 'node:perf_hooks'
import type { Log } from '../telemetry/log.ts'
import { CIRCUIT_DEFAULTS, CircuitBreaker, type CircuitSettings } from './circuit-breaker.ts'
import { Budgets, type Outcome, type SharedBuckets } from './budgets.ts'
import { createRedisBuckets } from './redis-buckets.ts'
import { openRedisRest } from './redis-rest.ts'
import { RATE_LIMITS } from '../plans/rate-limits.ts'
import { TIERS, type Tier } from '../plans/tiers.ts'
import { resetOf, shapeOf, type BucketShape } from './token-bucket.ts'

export interface Decision {
  allowed: boolean
  /** Requests per minute that the plan grants. */
  limit: number
  /** Requests that could be made at once now. */
  remaining: number
  resetSeconds: number
  retryAfterSeconds: number
}

export interface RateLimiter {
  /** Takes one request from the tenant's budget. Never throws: without Redis the process limits on its own. */
  take(tenant: string, tier: Tier): Promise<Decision>
}

export interface RateLimiterOptions {
  /** Upstash REST endpoint; absent is in-process only. */
  url: string | undefined
  token: string | undefined
  log: Log
  /** How long one question to Redis may take. */
  timeoutMs?: number
  circuit?: Partial<CircuitSettings>
}

const TIMEOUT_MS = 250

/** One shape per tier, made once: a bucket knows a change of plan by another shape. */
const SHAPES = Object.fromEntries(TIERS.map((tier) => [tier, shapeOf(RATE_LIMITS[tier])])) as Record<
  Tier,
  BucketShape
>

export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  const { log, circuit } = options
  const breaker = new CircuitBreaker({ ...CIRCUIT_DEFAULTS, ...circuit }, (open, reason) => {
    if (open) log.warn({ reason: String(reason) }, 'Redis is unavailable: this process limits on its own')
    else log.info('Redis is available again: processes share rate limits')
  })
  const budgets = new Budgets({ shared: sharedOf(options), breaker, now: () => performance.now() })
  return {
    async take(tenant, tier) {
      return decide(await budgets.take(tenant, SHAPES[tier]), tier)
    },
  }
}

function sharedOf({ url, token, timeoutMs = TIMEOUT_MS }: RateLimiterOptions): SharedBuckets | undefined {
  return url === undefined
    ? undefined
    : createRedisBuckets(openRedisRest({ url, token: token ?? '', timeoutMs }))
}

function decide({ allowed, level, waitMs }: Outcome, tier: Tier): Decision {
  return {
    allowed,
    limit: RATE_LIMITS[tier].perMinute,
    remaining: Math.floor(Math.min(level.burst, level.hour)),
    resetSeconds: Math.ceil(resetOf(SHAPES[tier], level) / 1000),
    retryAfterSeconds: allowed ? 0 : Math.max(1, Math.ceil(waitMs / 1000)),
  }
}
