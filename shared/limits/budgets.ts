/**
 * Limits the requests of tenants by buckets that processes share, without a query for each request: a process grants a
 * few on its own credit, and reconciles in the background, in one exchange for all tenants at a time.
 *
 * Promises: between two exchanges a process grants at most `creditOf` what the tenant had left, so that all processes
 * together overshoot by at most that much each; what was overshot is owed to the bucket, and refused later. Beyond its
 * credit a request waits for an exchange, which grants exactly. A tenant whose tokens are gone is refused without an
 * exchange until the next token can be there. While the shared buckets are unavailable this process limits on its own,
 * with the tokens that it has not seen spent.
 */
import { LRUCache } from 'lru-cache'
import { atMost } from '../at-most.ts'
import type { CircuitBreaker } from './circuit-breaker.ts'
import { TokenBucket, waitOf, type BucketShape, type Level } from './token-bucket.ts'

/** The part of what a tenant has left that a process may grant before it reconciles; one request in any case. */
const CREDIT_SHARE = 0.1
/** How often a process reconciles while it grants. */
const INTERVAL_MS = 250
const MAX_TENANTS = 10_000

/** What one process reports about a tenant, and what it requests. */
export interface Spending {
  tenant: string
  shape: BucketShape
  /** Granted on credit since the last exchange; taken from the bucket even where it holds less. */
  spent: number
  /** Tokens for requests that wait; granted as far as there are any. */
  want: number
}

export interface Grant {
  granted: number
  /** What is left; below zero where more was spent than there was. */
  level: Level
}

/** The buckets that several processes share. */
export interface SharedBuckets {
  /** One exchange for all; answers in the same order. Throws where the buckets are unavailable. */
  reconcile(spendings: readonly Spending[]): Promise<Grant[]>
}

export interface Outcome {
  allowed: boolean
  /** What the tenant has left. */
  level: Level
  /** Until the next request can be allowed; 0 for one that is. */
  waitMs: number
}

export interface BudgetOptions {
  /** Absent: this process is the only one. */
  shared: SharedBuckets | undefined
  breaker: CircuitBreaker
  /** Milliseconds of a clock that never goes back. */
  now: () => number
}

/** Requests that a process may grant before it reconciles, of a tenant who has `level` left. */
export function creditOf({ burst, hour }: Level): number {
  const left = Math.min(burst, hour)
  return left < 1 ? 0 : Math.max(1, Math.floor(left * CREDIT_SHARE))
}

export class Budgets {
  readonly #options: BudgetOptions
  readonly #accounts = new LRUCache<string, Account>(atMost(MAX_TENANTS))
  /** Those that have something for the next exchange. */
  readonly #dirty = new Set<Account>()
  #timer: NodeJS.Timeout | undefined
  #isReconciling = false

  constructor(options: BudgetOptions) {
    this.#options = options
  }

  /** Takes one token of the tenant; answers at once where credit, or its absence, decides. */
  take(tenant: string, shape: BucketShape): Outcome | Promise<Outcome> {
    const account = this.#accountOf(tenant, shape)
    const now = this.#options.now()
    if (this.#options.shared === undefined) return account.decideAlone(now)
    const decided = account.decide(now)
    if (decided?.allowed === false) return decided
    this.#dirty.add(account)
    if (decided !== undefined) {
      this.#timer ??= setTimeout(() => void this.#reconcile(), INTERVAL_MS).unref()
      return decided
    }
    const waiting = account.wait()
    void this.#reconcile()
    return waiting
  }

  #accountOf(tenant: string, shape: BucketShape): Account {
    const known = this.#accounts.get(tenant)
    if (known?.shape === shape) return known
    const account = new Account(tenant, shape, this.#options.now()) // after a change of plan too: its buckets differ
    this.#accounts.set(tenant, account)
    return account
  }

  /** One exchange at a time: whoever comes meanwhile is served by the next. */
  async #reconcile(): Promise<void> {
    if (this.#isReconciling) return
    this.#isReconciling = true
    do await this.#exchange()
    while ([...this.#dirty].some((account) => account.isWaitedFor))
    this.#isReconciling = false
    if (this.#dirty.size > 0) this.#timer ??= setTimeout(() => void this.#reconcile(), INTERVAL_MS).unref()
  }

  async #exchange(): Promise<void> {
    const { shared, breaker, now } = this.#options
    clearTimeout(this.#timer)
    this.#timer = undefined
    const accounts = [...this.#dirty]
    this.#dirty.clear()
    const spendings = accounts.map((account) => account.send())
    try {
      if (!breaker.mayTry(now())) throw new Unavailable()
      const grants = (await shared?.reconcile(spendings)) ?? []
      breaker.succeeded()
      for (const [at, account] of accounts.entries()) account.receive(grants[at] as Grant, now())
    } catch (error) {
      if (!(error instanceof Unavailable)) breaker.failed(now(), error)
      for (const account of accounts) account.goAlone(now())
    }
  }
}

/** The circuit is open: Redis was not queried. */
class Unavailable extends Error {}

type Resolve = (outcome: Outcome) => void

/** One tenant's tokens in this process. */
class Account {
  readonly shape: BucketShape
  readonly #tenant: string
  /** What would be left if this process were alone: decides while the shared buckets are unavailable. */
  readonly #own: TokenBucket
  #credit: number
  /** Granted on credit, and not sent yet. */
  #unsent = 0
  #refusedUntil = 0
  /** What was left when it was last known, less what was granted since. */
  #level: Level
  #waiting: Resolve[] = []
  /** Those of them who are served by the exchange that is under way. */
  #requested: Resolve[] = []

  constructor(tenant: string, shape: BucketShape, now: number) {
    this.#tenant = tenant
    this.shape = shape
    this.#own = new TokenBucket(shape, now)
    this.#level = { burst: shape.burst, hour: shape.hour }
    this.#credit = 1 // nothing is known yet
  }

  get isWaitedFor(): boolean {
    return this.#waiting.length > 0
  }

  /** By what is known here, where that decides. */
  decide(now: number): Outcome | undefined {
    if (now < this.#refusedUntil) {
      return { allowed: false, level: atLeastZero(this.#level), waitMs: this.#refusedUntil - now }
    }
    if (this.#credit < 1) return undefined
    this.#credit -= 1
    this.#unsent += 1
    return this.#allow(now)
  }

  decideAlone(now: number): Outcome {
    const allowed = this.#own.take(now)
    const level = this.#own.level(now)
    return { allowed, level, waitMs: allowed ? 0 : waitOf(this.shape, level) }
  }

  wait(): Promise<Outcome> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  send(): Spending {
    const spent = this.#unsent
    this.#unsent = 0
    this.#requested = this.#waiting
    this.#waiting = []
    return { tenant: this.#tenant, shape: this.shape, spent, want: this.#requested.length }
  }

  /** Takes what the exchange came to: serves those who waited for it, and sets the credit for those who will come. */
  receive({ granted, level }: Grant, now: number): void {
    const { burst, hour } = level
    this.#level = { burst: burst + granted - this.#unsent, hour: hour + granted - this.#unsent }
    this.#credit = Math.max(0, creditOf(level) - this.#unsent)
    for (const resolve of this.#requested.splice(0, granted)) resolve(this.#allow(now))
    const isGone = this.#requested.length > 0 || creditOf(level) === 0
    this.#refusedUntil = isGone ? now + waitOf(this.shape, level) : 0
    const waitMs = Math.max(0, this.#refusedUntil - now)
    for (const resolve of this.#requested)
      resolve({ allowed: false, level: atLeastZero(this.#level), waitMs })
    this.#requested = []
  }

  /** The shared buckets are unavailable: who waited is served by this process alone. */
  goAlone(now: number): void {
    this.#credit = 0
    for (const resolve of this.#requested) resolve(this.decideAlone(now))
    this.#requested = []
  }

  #allow(now: number): Outcome {
    this.#own.spend(now)
    const { burst, hour } = this.#level
    this.#level = { burst: burst - 1, hour: hour - 1 }
    return { allowed: true, level: atLeastZero(this.#level), waitMs: 0 }
  }
}

function atLeastZero({ burst, hour }: Level): Level {
  return { burst: Math.max(0, burst), hour: Math.max(0, hour) }
}
