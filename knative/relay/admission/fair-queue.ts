/**
 * Decides whose job is next: start-time fair queueing (Goyal, Vin and Cheng, "Start-time Fair Queueing", SIGCOMM 1996),
 * counted in tokens.
 *
 * Each tenant has a tag, a point of virtual time. A job starts at S = max(v, F) and leaves the tag F = S + tokens / weight; the
 * tenant with the lowest tag is next, and v is the start of the job that was admitted last. So tenants that wait get tokens
 * in proportion to their weights, whoever waits alone gets everything, and nobody saves up a claim while it has nothing to do.
 *
 * How many tokens a job takes is known only when it has ended: until then its estimate counts, and then the tag moves by the
 * difference. That may put the tag of a tenant that waits below v, which it was owed; v follows, so that a tenant that
 * comes now is not behind. What a wrong estimate can hold meanwhile is bounded: while others wait, no tenant has more than
 * twice its share of the slots.
 *
 * No clock, no chance, no input or output: the relay and `test/simulation` run the same code.
 */

/** Of the slots, times its share of the weights: what a tenant may hold while others wait that hold less. */
const MOST_SHARES = 2

interface Account {
  readonly tenant: string
  weight: number
  /** Virtual time at which its next job starts. */
  tag: number
  waits: boolean
  running: number
  /** When it began to wait or was admitted last, as a number that rises. */
  turn: number
}

/** A job that waits, first among those of its tenant. */
export interface Head {
  tokens: number
}

export class FairQueue {
  readonly #accounts = new Map<string, Account>()
  #virtual = 0
  #turns = 0

  /** Notes that `tenant` has jobs that wait. Safe to repeat; a weight that has changed counts from the next job on. */
  wait(tenant: string, weight: number): void {
    const account = this.#accountOf(tenant, weight)
    account.weight = weight
    if (account.waits) return
    account.waits = true
    account.tag = Math.max(account.tag, this.#virtual)
    account.turn = this.#turns += 1
  }

  /** Notes that nothing of `tenant` waits any more. */
  leave(tenant: string): void {
    const account = this.#accounts.get(tenant)
    if (account === undefined) return
    account.waits = false
    this.#forget(account)
  }

  /** Notes a job that had a slot before this queue was made. */
  resume(tenant: string, weight: number, tokens: number): void {
    this.#hold(this.#accountOf(tenant, weight), tokens)
  }

  /** A job takes a slot, and is estimated at `tokens`. */
  #hold(account: Account, tokens: number): void {
    account.tag += tokens / account.weight
    account.running += 1
    account.turn = this.#turns += 1
  }

  /** Notes that a job that was estimated at `tokens` has ended, and took `used`; 0 where it took no slot after all. */
  settle(tenant: string, tokens: number, used: number): void {
    const account = this.#accounts.get(tenant)
    if (account === undefined) return
    account.running = Math.max(0, account.running - 1)
    account.tag += (used - tokens) / account.weight
    if (account.waits) this.#virtual = Math.min(this.#virtual, account.tag)
    else this.#forget(account)
  }

  /** Tenants that wait, in the order of their turns; the first `count`. One of them may have the next turns as well. */
  next(count: number, slots: number): string[] {
    const before = this.#order(slots)
    const first: Account[] = []
    for (const account of this.#accounts.values()) {
      const last = first.at(-1)
      if (!account.waits || (first.length >= count && last !== undefined && before(last, account) < 0))
        continue
      const place = first.findIndex((other) => before(account, other) < 0)
      first.splice(place === -1 ? first.length : place, 0, account)
      if (first.length > count) first.pop()
    }
    return first.map(({ tenant }) => tenant)
  }

  /**
   * Fills `count` slots: takes heads from `heads`, where each of the tenants in it has its jobs in their order, and counts
   * them as admitted. A tenant that waits and is not in it is served elsewhere: one slot is left for its turn.
   */
  fill<H extends Head>(count: number, slots: number, heads: ReadonlyMap<string, readonly H[]>): H[] {
    const before = this.#order(slots)
    const candidates = this.next(count, slots).flatMap((tenant) => this.#accounts.get(tenant) ?? [])
    const taken = new Map<string, number>()
    const filled: H[] = []
    for (let left = count; left > 0 && candidates.length > 0;) {
      const account = candidates.reduce((first, other) => (before(other, first) < 0 ? other : first))
      const own = heads.get(account.tenant)
      const place = taken.get(account.tenant) ?? 0
      const head = own?.[place]
      if (head !== undefined || own === undefined) left -= 1
      if (head === undefined) candidates.splice(candidates.indexOf(account), 1)
      else {
        taken.set(account.tenant, place + 1)
        this.#passOver(account.tag)
        this.#virtual = account.tag
        this.#hold(account, head.tokens)
        filled.push(head)
      }
    }
    return filled
  }

  /** Whoever has its share already comes after those who have less; then by tag, then by who holds less, then in turn. */
  #order(slots: number): (a: Account, b: Account) => number {
    let total = 0
    for (const account of this.#accounts.values()) if (!isIdle(account)) total += account.weight
    const isOver = ({ running, weight }: Account) =>
      running >= Math.max(1, Math.ceil((MOST_SHARES * slots * weight) / total))
    return (a, b) =>
      Number(isOver(a)) - Number(isOver(b)) ||
      a.tag - b.tag ||
      a.running / a.weight - b.running / b.weight ||
      a.turn - b.turn
  }

  /** Whoever is passed over for what it holds gives that turn up: else it would save up a claim. */
  #passOver(tag: number): void {
    for (const account of this.#accounts.values()) if (account.waits && account.tag < tag) account.tag = tag
  }

  #accountOf(tenant: string, weight: number): Account {
    const known = this.#accounts.get(tenant)
    if (known !== undefined) return known
    const account = { tenant, weight, tag: this.#virtual, waits: false, running: 0, turn: 0 }
    this.#accounts.set(tenant, account)
    return account
  }

  /** A tenant at rest whose tag is past would begin at v anyway; where nobody is active, virtual time begins anew. */
  #forget(account: Account): void {
    if (isIdle(account) && account.tag <= this.#virtual) this.#accounts.delete(account.tenant)
    for (const other of this.#accounts.values()) if (!isIdle(other)) return
    this.#accounts.clear()
    this.#virtual = 0
  }
}

function isIdle({ waits, running }: Account): boolean {
  return !waits && running === 0
}
