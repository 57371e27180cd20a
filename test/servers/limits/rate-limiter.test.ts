import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { inject, test as base } from 'vitest'
import { creditOf } from '../../../shared/limits/budgets.ts'
import { createRateLimiter, type RateLimiter } from '../../../shared/limits/rate-limiter.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { eventually } from '../../eventually.ts'
import { makeStateFolder, startTestRedis, startTestRedisRest } from '../servers.ts'
import { PLANS, ratesOf } from '../../plans.ts'

interface World {
  /** Nobody else's, so its buckets are full. */
  tenant: string
  /** A limiter as one more process would have it. */
  openLimiter(): RateLimiter
  redis: Redis
}

const log = createLog('test', 'silent')

const test = base.extend<{ world: World }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  world: async ({}, use) => {
    const { url, restUrl, restToken } = inject('servers').redis
    const redis = new Redis(url)
    const openLimiter = () => createRateLimiter({ url: restUrl, token: restToken, log, timeoutMs: 5000 })
    await use({ tenant: randomUUID(), openLimiter, redis })
    redis.disconnect()
  },
})

/** As many requests as can be made, three at once by each limiter, until it is enough; how many were allowed. */
async function hammer(
  limiters: RateLimiter[],
  take: (limiter: RateLimiter) => Promise<boolean>,
  isEnough: () => boolean,
) {
  const start = performance.now()
  let allowed = 0
  const caller = async (limiter: RateLimiter) => {
    while (!isEnough()) {
      if (await take(limiter)) allowed += 1
      await new Promise((resolve) => setImmediate(resolve)) // refusals come without a pause
    }
  }
  await Promise.all(limiters.flatMap((limiter) => [caller(limiter), caller(limiter), caller(limiter)]))
  return { allowed, seconds: (performance.now() - start) / 1000 }
}

/** Counts for each limiter; whether all have come to `count`. */
function countEach(limiters: readonly RateLimiter[]) {
  const counts = new Map(limiters.map((limiter) => [limiter, 0]))
  return {
    add: (limiter: RateLimiter) => counts.set(limiter, (counts.get(limiter) ?? 0) + 1),
    all: (count: number) => [...counts.values()].every((each) => each >= count),
  }
}

test.for(['free', 'pro', 'team'] as const)(
  'rate limiters of many processes together exceed the bucket of plan "%s" by their credit at most, and use it up',
  async (tier, { world: { tenant, openLimiter }, expect }) => {
    const limiters = Array.from({ length: 6 }, openLimiter)
    const refusals = countEach(limiters)
    const take = async (limiter: RateLimiter) => {
      const { allowed } = await limiter.take(tenant, PLANS[tier])
      if (!allowed) refusals.add(limiter)
      return allowed
    }
    const { allowed, seconds } = await hammer(limiters, take, () => refusals.all(100))
    const { burst, perMinute } = ratesOf(PLANS[tier])
    const credit = limiters.length * creditOf({ burst, hour: Infinity })
    expect(allowed).toBeLessThanOrEqual(burst + (seconds * perMinute) / 60 + 1 + credit)
    expect(allowed).toBeGreaterThan(burst * 0.9)
  },
)

test('a tenant who is refused loses nothing by asking, and nothing is kept of one whose buckets are full', async ({
  world: { tenant, openLimiter, redis },
  expect,
}) => {
  const key = `rate:${tenant}`
  const first = openLimiter()
  while ((await first.take(tenant, PLANS.free)).allowed);
  const before = await redis.hgetall(key)
  const second = openLimiter()
  expect(await second.take(tenant, PLANS.free)).toMatchObject({ allowed: true }) // on credit: it knows nothing yet
  expect(await second.take(tenant, PLANS.free)).toMatchObject({
    allowed: false,
    remaining: 0,
    retryAfterSeconds: 2,
  })
  const after = await redis.hgetall(key)
  expect(Number(before['burst'])).toBeLessThan(1)
  expect(Number(before['burst']) - Number(after['burst'])).toBeLessThanOrEqual(1)
  expect(await redis.pttl(key)).toBeLessThanOrEqual(30 * 3600) // of the hour's thousand
})

test('rate limiters give the script to a Redis that has lost it', async ({ world, expect }) => {
  const limiter = world.openLimiter()
  const writtenAt = () => world.redis.hget(`rate:${world.tenant}`, 'at')
  expect(await limiter.take(world.tenant, PLANS.free)).toMatchObject({ allowed: true, remaining: 9 })
  const first = await writtenAt()
  await world.redis.script('FLUSH')
  await eventually(async () => {
    expect(await limiter.take(world.tenant, PLANS.free)).toMatchObject({ allowed: true })
    expect(await writtenAt()).not.toBe(first)
  })
})

test('with Redis killed in the middle limits still bind, nothing throws, and nobody waits for long', async ({
  expect,
}) => {
  const { state, remove } = await makeStateFolder()
  const redis = await startTestRedis(state)
  const rest = await startTestRedisRest(state, redis.url)
  const { restUrl: url, restToken: token } = rest
  const circuit = { pauseMs: 200 }
  const limiters = Array.from({ length: 3 }, () => createRateLimiter({ url, token, log, circuit }))
  const tenant = randomUUID()
  let longest = 0
  let isAway = false
  const allowances = countEach(limiters)
  const take = async (limiter: RateLimiter) => {
    const start = performance.now()
    const { allowed } = await limiter.take(tenant, PLANS.free)
    longest = Math.max(longest, performance.now() - start)
    if (allowed && isAway) allowances.add(limiter)
    return allowed
  }
  const running = hammer(limiters, take, () => allowances.all(2))
  await eventually(async () => expect((await Promise.all(limiters.map(take))).includes(false)).toBe(true))
  await redis.kill()
  isAway = true
  const { allowed, seconds } = await running
  const { burst, perMinute } = ratesOf(PLANS.free)
  // Each process has a bucket of its own by now: less what it saw spent, and filled at the plan's rate.
  expect(allowed).toBeLessThanOrEqual(limiters.length * (burst + (seconds * perMinute) / 60 + 1))
  expect(longest).toBeLessThan(10_000) // nobody waits until the client gives up

  const again = await startTestRedis(state, Number(new URL(redis.url).port))
  const direct = new Redis(again.url)
  await eventually(async () => {
    await limiters[0]?.take(randomUUID(), PLANS.free)
    expect(await direct.dbsize()).toBeGreaterThan(0)
  })
  direct.disconnect()
  await rest.stop()
  await again.stop()
  await remove()
})

test('a Redis that has fallen silent costs a few requests a quarter of a second, and then none', async ({
  expect,
}) => {
  const { state, remove } = await makeStateFolder()
  const redis = await startTestRedis(state)
  const rest = await startTestRedisRest(state, redis.url)
  const limiter = createRateLimiter({ url: rest.restUrl, token: rest.restToken, log })
  await limiter.take(randomUUID(), PLANS.free)
  process.kill(rest.pid, 'SIGSTOP')
  const start = performance.now()
  for (let n = 0; n < 100; n += 1) {
    expect((await limiter.take(randomUUID(), PLANS.free)).allowed).toBe(true)
  }
  expect(performance.now() - start).toBeLessThan((100 * 250) / 2) // each waiting would be twice that
  process.kill(rest.pid, 'SIGCONT')
  await rest.stop()
  await redis.stop()
  await remove()
})
