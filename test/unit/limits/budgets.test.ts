import { test as base, vi } from 'vitest'
import {
  Budgets,
  creditOf,
  type Outcome,
  type SharedBuckets,
  type Spending,
} from '../../../shared/limits/budgets.ts'
import { CIRCUIT_DEFAULTS, CircuitBreaker } from '../../../shared/limits/circuit-breaker.ts'
import { shapeOf, type BucketShape, type Level } from '../../../shared/limits/token-bucket.ts'
import { PLANS, ratesOf } from '../../plans.ts'

const shape = shapeOf({ ...ratesOf(PLANS.pro), perMinute: 60, burst: 200 }) // one token per second: easy to count

/** Redis as several processes see it, on a clock that stands still unless told. */
class World implements SharedBuckets {
  now = 0
  isUnavailable = false
  /** What was told and wanted, exchange by exchange. */
  readonly exchanges: Spending[][] = []
  readonly #levels = new Map<string, { level: Level; at: number }>()

  async reconcile(spendings: readonly Spending[]) {
    await Promise.resolve()
    this.exchanges.push([...spendings])
    if (this.isUnavailable) throw new Error('unavailable')
    return spendings.map((spending) => this.#settle(spending))
  }

  #settle({ tenant, shape: { burst, burstRate, hour, hourRate }, spent, want }: Spending) {
    const { level, at } = this.#levels.get(tenant) ?? { level: { burst, hour }, at: this.now }
    const passed = this.now - at
    const left = {
      burst: Math.min(burst, level.burst + passed * burstRate) - spent,
      hour: Math.min(hour, level.hour + passed * hourRate) - spent,
    }
    const granted = Math.max(0, Math.floor(Math.min(left.burst, left.hour, want)))
    const now = { burst: left.burst - granted, hour: left.hour - granted }
    this.#levels.set(tenant, { level: now, at: this.now })
    return { granted, level: now }
  }

  openBudgets(shared: SharedBuckets | undefined = this): Budgets {
    return new Budgets({ shared, breaker: new CircuitBreaker(CIRCUIT_DEFAULTS), now: () => this.now })
  }

  openAlone(): Budgets {
    return new Budgets({
      shared: undefined,
      breaker: new CircuitBreaker(CIRCUIT_DEFAULTS),
      now: () => this.now,
    })
  }

  async pass(milliseconds: number): Promise<void> {
    this.now += milliseconds
    await vi.advanceTimersByTimeAsync(milliseconds)
  }

  /** So many requests at once. */
  async rush(budgets: Budgets, requests: number, tenant = 'acme', like = shape): Promise<Outcome[]> {
    return await Promise.all(Array.from({ length: requests }, async () => await budgets.take(tenant, like)))
  }

  /** So many requests, evenly over the time; how many were allowed. */
  async run(budgets: Budgets, requests: number, overMs: number): Promise<number> {
    let allowed = 0
    for (let n = 0; n < requests; n += 1) {
      await this.pass(overMs / requests)
      if ((await budgets.take('acme', shape)).allowed) allowed += 1
    }
    return allowed
  }
}

const test = base.extend<{ world: World }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  world: async ({}, use) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await use(new World())
    vi.useRealTimers()
  },
})

const allowedOf = (outcomes: Outcome[]) => outcomes.filter(({ allowed }) => allowed).length

test('Budgets grants a quiet tenant its request at once, and reconciles later', async ({ world, expect }) => {
  const budgets = world.openBudgets()
  expect(budgets.take('acme', shape)).toMatchObject({ allowed: true, level: { burst: 199 } })
  expect(world.exchanges).toEqual([])
  await world.pass(250)
  expect(world.exchanges).toMatchObject([[{ tenant: 'acme', spent: 1, want: 0 }]])
  await world.pass(10_000)
  expect(world.exchanges).toHaveLength(1)
})

test('Budgets reconciles all tenants in one exchange', async ({ world, expect }) => {
  const budgets = world.openBudgets()
  const tenants = Array.from({ length: 100 }, (_, n) => `tenant-${n}`)
  for (const tenant of tenants) void budgets.take(tenant, shape)
  await world.pass(250)
  expect(world.exchanges).toHaveLength(1)
  expect(world.exchanges[0]).toHaveLength(100)
})

test('Budgets asks seldom for a busy tenant', async ({ world, expect }) => {
  const budgets = world.openBudgets()
  expect(await world.run(budgets, 150, 1500)).toBe(150)
  expect(world.exchanges.length).toBeLessThan(20)
})

test('Budgets serves all who wait by one exchange', async ({ world, expect }) => {
  const budgets = world.openBudgets()
  const outcomes = await world.rush(budgets, 50)
  expect(allowedOf(outcomes)).toBe(50)
  // The first was granted on credit; the exchange that the second began has two; the next has all others.
  expect(world.exchanges.length).toBeLessThanOrEqual(2)
})

test('Budgets overshoots by no more than the credit of each process, and owes that', async ({
  world,
  expect,
}) => {
  const processes = Array.from({ length: 8 }, () => world.openBudgets())
  let allowed = 0
  for (let round = 0; round < 100; round += 1) {
    const outcomes = await Promise.all(processes.map(async (budgets) => await budgets.take('acme', shape)))
    allowed += allowedOf(outcomes)
  }
  const overshoot = processes.length * creditOf({ burst: shape.burst, hour: shape.hour })
  expect(allowed).toBeGreaterThanOrEqual(200)
  expect(allowed).toBeLessThanOrEqual(200 + overshoot)
  // What was overshot is refused later: after an hour no more came through than the bucket ever held.
  await world.pass(250)
  let later = 0
  for (let second = 0; second < 600; second += 1) {
    await world.pass(1000)
    for (const budgets of processes) if ((await budgets.take('acme', shape)).allowed) later += 1
  }
  expect(allowed + later).toBeLessThanOrEqual(200 + 600 + overshoot)
  expect(later).toBeGreaterThan(600 - (allowed - 200) - overshoot)
})

test('Budgets refuses without an exchange a tenant whose tokens are gone', async ({ world, expect }) => {
  const budgets = world.openBudgets()
  expect(allowedOf(await world.rush(budgets, 300))).toBe(200)
  const exchanges = world.exchanges.length
  expect(await world.rush(budgets, 50)).toSatisfy((outcomes: Outcome[]) => allowedOf(outcomes) === 0)
  expect(world.exchanges.length).toBe(exchanges)
})

test('Budgets says how long to wait, and allows again when the next token is there', async ({
  world,
  expect,
}) => {
  const budgets = world.openBudgets()
  await world.rush(budgets, 200)
  expect(await budgets.take('acme', shape)).toMatchObject({ allowed: false, waitMs: 1000 })
  await world.pass(400)
  expect(await budgets.take('acme', shape)).toMatchObject({ allowed: false, waitMs: 600 })
  await world.pass(600)
  expect(await budgets.take('acme', shape)).toMatchObject({ allowed: true, waitMs: 0 })
})

test('Budgets keeps the tokens of tenants apart', async ({ world, expect }) => {
  const budgets = world.openAlone()
  await world.rush(budgets, 200)
  expect(await budgets.take('acme', shape)).toMatchObject({ allowed: false })
  expect(await budgets.take('globex', shape)).toMatchObject({ allowed: true })
})

test('Budgets limits on its own while the shared buckets are unavailable, less what it has seen spent', async ({
  world,
  expect,
}) => {
  const budgets = world.openBudgets()
  expect(await world.run(budgets, 120, 120)).toBe(120)
  world.isUnavailable = true
  const exchanges = world.exchanges.length
  const credit = creditOf({ burst: 80, hour: shape.hour })
  expect(await world.run(budgets, 500, 500)).toBeLessThanOrEqual(200 - 120 + credit + 2)
  expect(world.exchanges.length - exchanges).toBeLessThan(10)
})

test('Budgets stops asking what is unavailable, and shares again when it is back', async ({
  world,
  expect,
}) => {
  const budgets = world.openBudgets()
  world.isUnavailable = true
  await world.run(budgets, 20, 20)
  expect(world.exchanges.length).toBe(5)
  world.isUnavailable = false
  await world.pass(30_000)
  expect(await world.run(budgets, 10, 10)).toBe(10)
  expect(world.exchanges.length).toBeGreaterThan(5)
})

test('Budgets begins anew when the plan has changed', async ({ world, expect }) => {
  const budgets = world.openAlone()
  const small: BucketShape = shapeOf({ perMinute: 60, perHour: 1000, burst: 1 })
  expect(await budgets.take('acme', small)).toMatchObject({ allowed: true })
  expect(await budgets.take('acme', small)).toMatchObject({ allowed: false })
  expect(await budgets.take('acme', shape)).toMatchObject({ allowed: true })
})
