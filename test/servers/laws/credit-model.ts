/** Credits as the documents describe them, in memory: what the ledger of the database is compared with. Amounts are millionths. */

export const KINDS = ['promotional', 'rollover', 'prepaid', 'compensation'] as const
type Kind = (typeof KINDS)[number]

/** An operation at a moment, in seconds. */
export type Operation = { at: number; source: string } & (
  | { act: 'grant'; id: string; kind: Kind; amount: number; until: number }
  | { act: 'spend'; amount: number }
  | { act: 'hold'; amount: number; until: number }
  | { act: 'capture'; amount: number }
  | { act: 'release' }
  | { act: 'refund'; amount: number; about: string }
  | { act: 'expire' }
)

export interface GrantState {
  id: string
  kind: Kind
  until: number
  source: string
  amount: number
  available: number
  held: number
  spent: number
  expired: number
}

interface Hold {
  amount: number
  until: number
  status: 'open' | 'captured' | 'released' | 'expired'
  captured: number
  slices: Map<GrantState, number>
}

/** `outcome amount`, as the functions of the database answer. */
type Answer = string

const inOrder = (a: GrantState, b: GrantState) =>
  KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || a.until - b.until || (a.id < b.id ? -1 : 1)

/** How an amount is made of slices, the first first. The one decision that everything else follows from. */
function takeFrom<T>(slices: Iterable<[T, number]>, wanted: number): Map<T, number> {
  const taken = new Map<T, number>()
  let left = wanted
  for (const [slice, size] of slices) {
    const part = Math.min(size, left)
    if (part > 0) taken.set(slice, part)
    left -= part
  }
  return taken
}

const totalOf = (slices: Map<unknown, number>) => [...slices.values()].reduce((sum, part) => sum + part, 0)

export class CreditModel {
  readonly grants: GrantState[] = []
  /** Of which something is available: the others are many. */
  readonly #open = new Set<GrantState>()
  readonly #holds = new Map<string, Hold>()
  readonly #openHolds = new Map<string, Hold>()
  readonly #done = new Map<string, { requested: number; amount: number; about: string }>()
  readonly #spent = new Map<string, Map<GrantState, number>>()
  /** Of the last transaction. */
  seq = 0

  run(operation: Operation): Answer {
    this.#expire(operation.at)
    if (operation.act === 'expire') return 'done'
    if (operation.act === 'capture') return this.#settle(operation, operation.amount, 'captured')
    if (operation.act === 'release') return this.#settle(operation, 0, 'released')
    const { act, source, amount } = operation
    const about = operation.act === 'refund' ? operation.about : ''
    const before = this.#done.get(`${act} ${source}`)
    if (before !== undefined) {
      const same = before.requested === amount && before.about === about
      return `${same ? 'repeated' : 'mismatch'} ${before.amount}`
    }
    const [outcome, booked] = this.#book(operation)
    if (outcome === 'done') {
      this.seq += 1
      this.#done.set(`${act} ${source}`, { requested: amount, amount: booked, about })
      this.#expire(operation.at)
    }
    return outcome === 'past' ? 'past' : `${outcome} ${booked}`
  }

  /** What is neither available nor expired is held or spent: for the laws. */
  get held(): number {
    return [...this.#openHolds.values()].reduce((sum, { amount }) => sum + amount, 0)
  }

  #book(operation: Extract<Operation, { act: 'grant' | 'spend' | 'hold' | 'refund' }>): [string, number] {
    const { at, source, amount } = operation
    if (operation.act === 'grant') {
      if (operation.until <= at) return ['past', 0]
      const { id, kind, until } = operation
      const grant = { id, kind, until, source, amount, available: 0, held: 0, spent: 0, expired: 0 }
      this.grants.push(grant)
      this.#give(grant, amount)
      return ['done', amount]
    }
    if (operation.act === 'refund') return this.#refund(operation)
    const order = [...this.#open].sort(inOrder)
    const slices = takeFrom(
      order.map((grant) => [grant, grant.available]),
      amount,
    )
    const total = totalOf(slices)
    if (operation.act === 'spend') {
      for (const [grant, part] of slices) {
        this.#give(grant, -part)
        this.#spend(source, grant, part)
      }
      if (!this.#spent.has(source)) this.#spent.set(source, new Map())
      return ['done', total]
    }
    if (total < amount) return ['short', total]
    for (const [grant, part] of slices) {
      this.#give(grant, -part)
      grant.held += part
    }
    const hold: Hold = { amount, until: operation.until, status: 'open', captured: 0, slices }
    this.#holds.set(source, hold)
    this.#openHolds.set(source, hold)
    return ['done', amount]
  }

  #refund({ about, amount }: Extract<Operation, { act: 'refund' }>): [string, number] {
    const spent = this.#spent.get(about)
    if (spent === undefined) return ['unknown', 0]
    const total = totalOf(spent)
    if (total < amount) return ['short', total]
    const undoing = [...spent].sort(([a], [b]) => inOrder(b, a))
    for (const [grant, part] of takeFrom(undoing, amount)) {
      this.#spend(about, grant, -part)
      this.#give(grant, part)
    }
    return ['done', amount]
  }

  #settle({ source, at }: Operation, part: number, how: 'captured' | 'released'): Answer {
    const hold = this.#holds.get(source)
    if (hold === undefined) return 'unknown'
    if (hold.status === 'open' && part > hold.amount) return `short ${hold.amount}`
    if (hold.status === 'open') {
      this.#end(source, hold, part, how)
      this.#expire(at)
      return `done ${part}`
    }
    if (hold.status === how) return `${hold.captured === part ? 'repeated' : 'mismatch'} ${hold.captured}`
    return `${how === 'released' && hold.status === 'expired' ? 'repeated' : 'ended'} ${hold.captured}`
  }

  #end(source: string, hold: Hold, part: number, how: 'captured' | 'released' | 'expired'): void {
    const captured = takeFrom(
      [...hold.slices].sort(([a], [b]) => inOrder(a, b)),
      part,
    )
    for (const [grant, size] of hold.slices) {
      const spent = captured.get(grant) ?? 0
      grant.held -= size
      if (spent > 0) this.#spend(source, grant, spent)
      this.#give(grant, size - spent)
    }
    if (how === 'captured' && !this.#spent.has(source)) this.#spent.set(source, new Map())
    this.seq += (how === 'captured' ? 1 : 0) + (part < hold.amount ? 1 : 0)
    hold.status = how
    hold.captured = part
    this.#openHolds.delete(source)
  }

  #expire(at: number): void {
    for (const [source, hold] of this.#openHolds) if (hold.until <= at) this.#end(source, hold, 0, 'expired')
    for (const grant of this.#open) {
      if (grant.until > at) continue
      grant.expired += grant.available
      this.#give(grant, -grant.available)
      this.seq += 1
    }
  }

  #give(grant: GrantState, amount: number): void {
    grant.available += amount
    if (grant.available > 0) this.#open.add(grant)
    else this.#open.delete(grant)
  }

  #spend(source: string, grant: GrantState, amount: number): void {
    const spent = this.#spent.get(source) ?? new Map<GrantState, number>()
    this.#spent.set(source, spent)
    spent.set(grant, (spent.get(grant) ?? 0) + amount)
    grant.spent += amount
  }
}
