/**
 * Rate limits of tenants: shared by all processes through Redis, and by each process alone while Redis is unavailable.
 * Limits are never switched off, and no request waits long for one.
 */
import { performance } from 'node:perf_hooks'
import { LRUCache } from 'lru-cache'
import type { Log } from '../telemetry/log.ts'
import { CIRCUIT_DEFAULTS, CircuitBreaker, type CircuitSettings } from './circuit-breaker.ts'
import { Budgets, type Outcome, type SharedBuckets } from './budgets.ts'
import { createRedisBuckets } from './redis-buckets.ts'
import { openRedisRest } from './redis-rest.ts'
import type { Plan } from '../plans/plan.ts'
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
  take(tenant: string, plan: Plan): Promise<Decision>
  /** The same from the budget of one API key, which has a limit of its own. */
  takeOfKey(key: string, perMinute: number): Promise<Decision>
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

/** One shape per version of a plan, made once: a bucket knows a change of plan by another shape. */
const SHAPES = new WeakMap<Plan, BucketShape>()

function shapeOfPlan(plan: Plan): BucketShape {
  const known = SHAPES.get(plan)
  if (known !== undefined) return known
  const { requestsPerMinute: perMinute, requestsPerHour: perHour, requestsAtOnce: burst } = plan.limits
  const shape = shapeOf({ perMinute, perHour, burst })
  SHAPES.set(plan, shape)
  return shape
}

export function createRateLimiter(options: RateLimiterOptions): RateLimiter {
  const { log, circuit } = options
  const breaker = new CircuitBreaker({ ...CIRCUIT_DEFAULTS, ...circuit }, (open, reason) => {
    if (open) log.warn({ reason: String(reason) }, 'Redis is unavailable: this process limits on its own')
    else log.info('Redis is available again: processes share rate limits')
  })
  const budgets = new Budgets({ shared: sharedOf(options), breaker, now: () => performance.now() })
  return {
    async take(tenant, plan) {
      const shape = shapeOfPlan(plan)
      return decide(await budgets.take(tenant, shape), shape, plan.limits.requestsPerMinute)
    },
    async takeOfKey(key, perMinute) {
      const shape = keyShape(perMinute)
      return decide(await budgets.take(`key:${key}`, shape), shape, perMinute)
    },
  }
}

function sharedOf({ url, token, timeoutMs = TIMEOUT_MS }: RateLimiterOptions): SharedBuckets | undefined {
  return url === undefined
    ? undefined
    : createRedisBuckets(openRedisRest({ url, token: token ?? '', timeoutMs }))
}

/** Made once for each limit as well: any key may have it. */
const KEY_SHAPES = new LRUCache<number, BucketShape>({ max: 1000 })

/** As tightly as the plans: what fills within ten seconds may be used at once. */
function keyShape(perMinute: number): BucketShape {
  const known = KEY_SHAPES.get(perMinute)
  if (known !== undefined) return known
  const shape = shapeOf({ perMinute, perHour: perMinute * 60, burst: Math.ceil(perMinute / 6) })
  KEY_SHAPES.set(perMinute, shape)
  return shape
}

function decide({ allowed, level, waitMs }: Outcome, shape: BucketShape, limit: number): Decision {
  return {
    allowed,
    limit,
    remaining: Math.floor(Math.min(level.burst, level.hour)),
    resetSeconds: Math.ceil(resetOf(shape, level) / 1000),
    retryAfterSeconds: allowed ? 0 : Math.max(1, Math.ceil(waitMs / 1000)),
  }
}
