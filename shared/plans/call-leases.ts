/**
 * Counts the calls that a tenant makes in a day (UTC) against its plan, exactly, without a write for each call: a process leases
 * calls in blocks from the tenant's row of `allowances`, and grants them from memory.
 *
 * Promises: all processes together never grant more than the plan has. A block is a twentieth of what is left, and never less
 * than what is waited for; so the last calls of a day are leased as they come. What a process has not used for half a minute, or
 * when it stops, it gives back. What a killed process had leased counts as used, to the end of the day.
 */
import { asFailure, withTenant, type Database } from '../database/database.ts'
import { Failure } from '../failures.ts'
import { grantedOf, type Subscriber } from './plan.ts'

const DAY_MS = 86_400_000
/** How long unused calls are kept by a process that nobody of the tenant calls. */
const KEPT_MS = 30_000
const CHECK_MS = 10_000
/** How long a tenant that has none left is refused before the database is asked again: other processes may give some back. */
const REFUSED_MS = 1000

/** The day that `at` falls into (UTC), such as `2026-11-27`. */
export function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10)
}

interface Waiting {
  resolve(): void
  reject(error: unknown): void
}

/** One tenant's calls of one day in this process. */
interface Account {
  subscriber: Subscriber
  /** In days since 1970. */
  day: number
  left: number
  /** Granted, and not reported to the database yet. */
  used: number
  waiting: Waiting[]
  isAsking: boolean
  refusedUntil: number
  lastAt: number
}

export interface CallLeasesOptions {
  database: Database
  /** Milliseconds since 1970. */
  now?: () => number
}

export class CallLeases {
  readonly #database: Database
  readonly #now: () => number
  readonly #accounts = new Map<string, Account>()
  #timer: NodeJS.Timeout | undefined

  constructor({ database, now = Date.now }: CallLeasesOptions) {
    this.#database = database
    this.#now = now
  }

  /**
   * Takes one call of the day; undefined where it was granted at once.
   *
   * @throws Failure QUOTA_EXCEEDED, or rejects with it, where the plan has none left today
   */
  take(subscriber: Subscriber): Promise<void> | undefined {
    const now = this.#now()
    const account = this.#accountOf(subscriber, now)
    account.lastAt = now
    if (account.left > 0) {
      account.left -= 1
      account.used += 1
      return undefined
    }
    if (now < account.refusedUntil) throw noneLeft(subscriber, now)
    const waiting = new Promise<void>((resolve, reject) => account.waiting.push({ resolve, reject }))
    if (!account.isAsking) void this.#ask(account)
    return waiting
  }

  /** Gives back what is unused of all tenants. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    const accounts = [...this.#accounts.values()]
    this.#accounts.clear()
    await Promise.all(accounts.map((account) => this.#giveBack(account)))
  }

  #accountOf(subscriber: Subscriber, now: number): Account {
    const { tenant } = subscriber
    const day = Math.floor(now / DAY_MS)
    const known = this.#accounts.get(tenant)
    if (known?.day === day) {
      known.subscriber = subscriber
      return known
    }
    if (known !== undefined) void this.#giveBack(known)
    const account = {
      subscriber,
      day,
      left: 0,
      used: 0,
      waiting: [],
      isAsking: false,
      refusedUntil: 0,
      lastAt: now,
    }
    this.#accounts.set(tenant, account)
    this.#timer ??= setInterval(() => this.#giveBackIdle(), CHECK_MS).unref()
    return account
  }

  /** One question at a time: whoever comes meanwhile is served by the next. */
  async #ask(account: Account): Promise<void> {
    account.isAsking = true
    while (account.waiting.length > 0 && account.left === 0) {
      const wanted = account.waiting.length
      try {
        const leased = await this.#lease(account, wanted)
        const served = account.waiting.splice(0, leased)
        account.left += leased - served.length
        account.used += served.length
        for (const { resolve } of served) resolve()
        if (leased < wanted) this.#refuse(account)
      } catch (error) {
        for (const { reject } of account.waiting.splice(0)) reject(asFailure(error))
      }
    }
    account.isAsking = false
    // The day has ended meanwhile, or the process does.
    if (this.#accounts.get(account.subscriber.tenant) !== account) void this.#giveBack(account)
  }

  #refuse(account: Account): void {
    const now = this.#now()
    account.refusedUntil = now + REFUSED_MS
    for (const { reject } of account.waiting.splice(0)) reject(noneLeft(account.subscriber, now))
  }

  /** Reports what was used, and leases a block. What fails is not repeated: it may have been done. */
  async #lease(account: Account, wanted: number, returned = 0): Promise<number> {
    const { subscriber, day } = account
    const { used } = account
    account.used = 0
    const granted = grantedOf(subscriber, 'apiCallsPerDay', 'api_calls')
    const period = dayOf(new Date(day * DAY_MS))
    return withTenant(this.#database, subscriber.tenant, 'write', async (db) => {
      const [row] = await db<{ leased: number }[]>`
        select lease_api_calls(${period}, ${granted}::numeric, ${wanted}::integer, ${used}::integer, ${returned}::integer)
          as leased`
      return row?.leased ?? 0
    })
  }

  #giveBackIdle(): void {
    const before = this.#now() - KEPT_MS
    for (const [tenant, account] of this.#accounts) {
      if (account.lastAt >= before || account.isAsking) continue
      this.#accounts.delete(tenant)
      void this.#giveBack(account)
    }
    if (this.#accounts.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  async #giveBack(account: Account): Promise<void> {
    const { left, used } = account
    account.left = 0
    // Where it fails they count as used, to the end of the day.
    if (left + used > 0) await this.#lease(account, 0, left).catch(() => {})
  }
}

function noneLeft({ plan }: Subscriber, now: number): Failure {
  const limit = plan.limits.apiCallsPerDay
  return new Failure('QUOTA_EXCEEDED', `Cannot take the call: plan "${plan.id}" has ${limit} calls a day`, {
    suggestion: 'Move to a larger plan, allow use past the plan, or wait for the next day (UTC)',
    retryAfterSeconds: Math.ceil((DAY_MS - (now % DAY_MS)) / 1000),
    details: { resource: 'api_calls', tier: plan.id, limit },
  })
}
