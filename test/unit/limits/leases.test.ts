import { test as base } from 'vitest'
import { CIRCUIT_DEFAULTS, CircuitBreaker } from '../../../shared/limits/circuit-breaker.ts'
import { Leaser, type Outcome } from '../../../shared/limits/leases.ts'
import type { TokenSource } from '../../../shared/limits/redis-bucket.ts'
import { RATE_LIMITS } from '../../../shared/plans/rate-limits.ts'
import { shapeOf, TokenBucket } from '../../../shared/limits/token-bucket.ts'

const shape = shapeOf({ ...RATE_LIMITS.pro, perMinute: 60, burst: 200 }) // one token per second: easy to count

/** A clock that stands still unless told, and Redis as several processes see it. */
class World implements TokenSource {
  now = 0
  away = false
  /** How many tokens were wanted, question by question. */
  readonly wanted: number[] = []
  granted = 0
  readonly #bucket = new TokenBucket(shape, 0)

  async take(_tenant: string, _shape: typeof shape, want: number) {
    await Promise.resolve()
    this.wanted.push(want)
    if (this.away) throw new Error('away')
    let granted = 0
    while (granted < want && this.#bucket.take(this.now)) granted += 1
    this.granted += granted
    return { granted, level: this.#bucket.level(this.now) }
  }

  openLeaser(): Leaser {
    return new Leaser({ source: this, breaker: new CircuitBreaker(CIRCUIT_DEFAULTS), now: () => this.now })
  }

  /** One that is the only process. */
  openAlone(): Leaser {
    return new Leaser({
      source: undefined,
      breaker: new CircuitBreaker(CIRCUIT_DEFAULTS),
      now: () => this.now,
    })
  }

  /** So many requests at once. */
  async rush(leaser: Leaser, requests: number, tenant = 'acme'): Promise<Outcome[]> {
    return await Promise.all(Array.from({ length: requests }, async () => await leaser.take(tenant, shape)))
  }

  /** So many requests, evenly over the time. */
  async run(leaser: Leaser, requests: number, overMs: number): Promise<number> {
    let allowed = 0
    for (let n = 0; n < requests; n += 1) {
      this.now += overMs / requests
      if ((await leaser.take('acme', shape)).allowed) allowed += 1
    }
    return allowed
  }
}

const test = base.extend<{ world: World }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  world: async ({}, use) => await use(new World()),
})

test('Leaser asks for one token at a time for a quiet tenant', async ({ world, expect }) => {
  const leaser = world.openLeaser()
  expect(await world.run(leaser, 5, 5000)).toBe(5)
  expect(world.wanted).toEqual([1, 1, 1, 1, 1])
})

test('Leaser takes the tokens of a busy tenant several at once, up to a tenth of what is left', async ({
  world,
  expect,
}) => {
  const leaser = world.openLeaser()
  expect(await world.run(leaser, 150, 150)).toBe(150)
  expect(world.wanted.slice(0, 5)).toEqual([1, 1, 2, 4, 8])
  expect(Math.max(...world.wanted)).toBeLessThanOrEqual(20)
  expect(world.wanted.length).toBeLessThan(30)
})

test('Leaser asks once for all who come while it asks', async ({ world, expect }) => {
  const leaser = world.openLeaser()
  const outcomes = await world.rush(leaser, 50)
  expect(outcomes.every(({ allowed }) => allowed)).toBe(true)
  expect(world.wanted).toEqual([1, 49])
})

test('Leaser lets what is not spent within a second expire', async ({ world, expect }) => {
  const leaser = world.openLeaser()
  await world.run(leaser, 100, 100)
  const asked = world.wanted.length
  const left = world.granted - 100
  expect(left).toBeGreaterThan(0)
  world.now += 1000
  await leaser.take('acme', shape)
  expect(world.wanted.length).toBe(asked + 1)
})

test('Leaser allows no more than was granted, over all processes, and refuses without asking', async ({
  world,
  expect,
}) => {
  const leasers = Array.from({ length: 8 }, () => world.openLeaser())
  let allowed = 0
  for (let round = 0; round < 100; round += 1) {
    const outcomes = await Promise.all(leasers.map(async (leaser) => await leaser.take('acme', shape)))
    allowed += outcomes.filter((outcome) => outcome.allowed).length
  }
  expect(world.granted).toBe(200)
  expect(allowed).toBeLessThanOrEqual(200)
  expect(allowed).toBeGreaterThan(150)
  const asked = world.wanted.length
  expect(await world.run(leasers[0] as Leaser, 50, 500)).toBe(0)
  expect(world.wanted.length).toBe(asked)
})

test('Leaser says how long to wait, and asks again when the next token is there', async ({
  world,
  expect,
}) => {
  const leaser = world.openLeaser()
  await world.rush(leaser, 200)
  expect(await leaser.take('acme', shape)).toMatchObject({ allowed: false, waitMs: 1000 })
  world.now += 400
  expect(await leaser.take('acme', shape)).toMatchObject({ allowed: false, waitMs: 600 })
  world.now += 600
  expect(await leaser.take('acme', shape)).toMatchObject({ allowed: true, waitMs: 0 })
})

test('Leaser keeps the tokens of tenants apart', async ({ world, expect }) => {
  const leaser = world.openAlone()
  await world.rush(leaser, 200)
  expect(await leaser.take('acme', shape)).toMatchObject({ allowed: false })
  expect(await leaser.take('globex', shape)).toMatchObject({ allowed: true })
})

test('Leaser limits on its own while the source is away, less what it has seen spent', async ({
  world,
  expect,
}) => {
  const leaser = world.openLeaser()
  expect(await world.run(leaser, 120, 120)).toBe(120)
  world.away = true
  world.now += 1000 // the lease is void
  expect(await world.run(leaser, 500, 500)).toBeLessThanOrEqual(200 - 120 + 2)
  expect(world.wanted.length).toBeLessThan(30)
})

test('Leaser stops asking a source that is away, and shares again when it is back', async ({
  world,
  expect,
}) => {
  const leaser = world.openLeaser()
  world.away = true
  await world.run(leaser, 20, 20)
  expect(world.wanted.length).toBe(5)
  world.away = false
  world.now += 30_000
  expect(await world.run(leaser, 10, 10)).toBe(10)
  expect(world.granted).toBeGreaterThanOrEqual(10)
})

test('Leaser begins anew when the plan has changed', async ({ world, expect }) => {
  const leaser = world.openAlone()
  const small = shapeOf({ perMinute: 60, perHour: 1000, burst: 1 })
  expect(await leaser.take('acme', small)).toMatchObject({ allowed: true })
  expect(await leaser.take('acme', small)).toMatchObject({ allowed: false })
  expect(await leaser.take('acme', shape)).toMatchObject({ allowed: true })
})
