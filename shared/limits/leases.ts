/**
 * Limits requests by tokens that processes share, without asking for each: a busy tenant's tokens are taken several
 * at once, as a lease, and spent here.
 *
 * Promises: never more requests than the source granted tokens; a lease that is not spent within a second is void; a
 * tenant whose tokens are gone is refused without asking until the next can be there. While the source is away this
 * process limits on its own, with the tokens that it has not seen spent.
 */
import { LRUCache } from 'lru-cache'
import type { CircuitBreaker } from './circuit-breaker.ts'
import type { TokenSource } from './redis-bucket.ts'
import { TokenBucket, waitOf, type BucketShape, type Level } from './token-bucket.ts'
import { UseMeter } from './use-meter.ts'
import { atMost } from '../at-most.ts'

const LEASE_MS = 1000
/**
 * Beyond those who wait, a lease is at most what the tenant used in this time, and at most this part of what it has
 * left: the closer it is to its limit, the fewer tokens may be lost in leases that expire.
 */
const AHEAD_MS = 500
const AHEAD_SHARE = 0.1
const TENANTS_KEPT = 10_000

export interface Outcome {
  allowed: boolean
  /** What the tenant has left. */
  level: Level
  /** Until the next request can be allowed; 0 for one that is. */
  waitMs: number
}

export interface LeaserOptions {
  /** Absent: this process is the only one. */
  source: TokenSource | undefined
  breaker: CircuitBreaker
  /** Milliseconds of a clock that never goes back. */
  now: () => number
}

export class Leaser {
  readonly #options: LeaserOptions
  readonly #accounts = new LRUCache<string, Account>(atMost(TENANTS_KEPT))

  constructor(options: LeaserOptions) {
    this.#options = options
  }

  /** Takes one token of the tenant; answers at once where the lease, or its absence, decides. */
  take(tenant: string, shape: BucketShape): Outcome | Promise<Outcome> {
    return this.#accountOf(tenant, shape).take()
  }

  #accountOf(tenant: string, shape: BucketShape): Account {
    const known = this.#accounts.get(tenant)
    if (known?.shape === shape) return known
    const account = new Account(tenant, shape, this.#options) // after a change of plan too: its buckets differ
    this.#accounts.set(tenant, account)
    return account
  }
}

type Resolve = (outcome: Outcome) => void

/** One tenant's tokens in this process. */
class Account {
  readonly shape: BucketShape
  readonly #tenant: string
  readonly #options: LeaserOptions
  /** What would be left if this process were alone: decides while the source is away. */
  readonly #own: TokenBucket
  #lease = 0
  #leaseUntil = 0
  #refusedUntil = 0
  /** What the source had left when it was last asked. */
  #level: Level
  #waiting: Resolve[] = []
  #asking = false
  readonly #use: UseMeter

  constructor(tenant: string, shape: BucketShape, options: LeaserOptions) {
    this.#tenant = tenant
    this.shape = shape
    this.#options = options
    this.#use = new UseMeter(AHEAD_MS, options.now())
    this.#own = new TokenBucket(shape, options.now())
    this.#level = { burst: shape.burst, hour: shape.hour }
  }

  take(): Outcome | Promise<Outcome> {
    const { source, breaker } = this.#options
    const now = this.#options.now()
    const decided = this.#decide(now)
    if (decided !== undefined) return decided
    if (source === undefined || (!this.#asking && !breaker.mayTry(now))) return this.#decideAlone(now)
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
      if (!this.#asking) void this.#askWhileWaited(source)
    })
  }

  /** By what was granted before, where that decides. */
  #decide(now: number): Outcome | undefined {
    if (this.#lease > 0 && now < this.#leaseUntil) return this.#spendLease(now)
    if (now < this.#refusedUntil) return this.#refuse(now)
    return undefined
  }

  #spendLease(now: number): Outcome {
    this.#lease -= 1
    this.#use.count(now)
    this.#own.spend(now)
    const { burst, hour } = this.#level
    return { allowed: true, level: { burst: burst + this.#lease, hour: hour + this.#lease }, waitMs: 0 }
  }

  #refuse(now: number): Outcome {
    return { allowed: false, level: this.#level, waitMs: Math.max(0, this.#refusedUntil - now) }
  }

  #decideAlone(now: number): Outcome {
    const allowed = this.#own.take(now)
    const level = this.#own.level(now)
    return { allowed, level, waitMs: allowed ? 0 : waitOf(this.shape, level) }
  }

  /** One question at a time: whoever comes meanwhile is served by its answer, or by the next. */
  async #askWhileWaited(source: TokenSource): Promise<void> {
    const { breaker, now } = this.#options
    this.#asking = true
    do {
      const asked = this.#waiting.length
      const answered = await this.#ask(source, asked)
      const decide = (at: number) =>
        answered ? (this.#decide(at) ?? this.#refuse(at)) : this.#decideAlone(at)
      for (const resolve of this.#waiting.splice(0, asked)) resolve(decide(now()))
      this.#waiting = this.#waiting.filter((resolve) => !this.#resolveIfDecided(resolve))
    } while (this.#waiting.length > 0 && breaker.mayTry(now()))
    this.#asking = false
    for (const resolve of this.#waiting.splice(0)) resolve(this.#decideAlone(now()))
  }

  #resolveIfDecided(resolve: Resolve): boolean {
    const outcome = this.#decide(this.#options.now())
    if (outcome !== undefined) resolve(outcome)
    return outcome !== undefined
  }

  /** Takes a lease for those who wait and for those who will come; false if the source is away. */
  async #ask(source: TokenSource, waiting: number): Promise<boolean> {
    const { breaker, now } = this.#options
    const want = Math.max(waiting, this.#expect(now()))
    try {
      const { granted, level } = await source.take(this.#tenant, this.shape, want)
      breaker.succeeded()
      this.#lease = granted
      this.#leaseUntil = now() + LEASE_MS
      this.#level = level
      this.#refusedUntil = granted < want ? now() + waitOf(this.shape, level) : 0
      return true
    } catch (error) {
      breaker.failed(now(), error)
      return false
    }
  }

  /** How many tokens will be used before it is time to ask again, judged by the last ones. */
  #expect(now: number): number {
    const left = Math.min(this.#level.burst, this.#level.hour)
    return Math.floor(Math.min(this.#use.recent(now), left * AHEAD_SHARE))
  }
}
