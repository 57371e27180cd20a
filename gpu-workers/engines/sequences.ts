/**
 * The parts of a context, one for each request that runs at the same time. What one has read stays in it, so that the next turn of
 * a conversation begins where the last one ended.
 *
 * Only requests of one tenant share what was read: how fast an answer begins would otherwise show what another tenant has sent.
 */

/** What is needed of a sequence of node-llama-cpp. */
export interface Cached<T> {
  /** Tokens that it has read. */
  readonly nextTokenIndex: number
  compareContextTokens(tokens: T[]): { firstDifferentIndex: number }
  clearHistory(): Promise<void>
}

export interface Owner {
  tenant?: string | undefined
  session?: string | undefined
}

interface Slot<S> extends Owner {
  sequence: S
  usedAt: number
}

/** Fewer tokens in common are read again soon enough: they are mostly those of the template. */
const MIN_COMMON_TOKENS = 32

export class Sequences<T, S extends Cached<T>> {
  readonly size: number
  readonly #free: Slot<S>[]
  #uses = 0

  constructor(sequences: readonly S[]) {
    this.size = sequences.length
    this.#free = sequences.map((sequence) => ({ sequence, usedAt: 0 }))
  }

  /** Lends the free sequence that has most of `tokens` in it; `give` takes it back. */
  async take(owner: Owner, tokens: T[]): Promise<{ sequence: S; give: () => void }> {
    const slot = this.#choose(owner, tokens)
    this.#free.splice(this.#free.indexOf(slot), 1)
    const give = () => {
      slot.usedAt = ++this.#uses
      this.#free.push(slot)
    }
    try {
      if (slot.tenant !== owner.tenant || owner.tenant === undefined) await slot.sequence.clearHistory()
    } catch (error) {
      give()
      throw error
    }
    Object.assign(slot, { tenant: owner.tenant, session: owner.session })
    return { sequence: slot.sequence, give }
  }

  #choose({ tenant, session }: Owner, tokens: T[]): Slot<S> {
    const own = this.#free.filter((slot) => tenant !== undefined && slot.tenant === tenant)
    const sameSession = own.find((slot) => session !== undefined && slot.session === session)
    if (sameSession !== undefined) return sameSession
    const common = (slot: Slot<S>) => slot.sequence.compareContextTokens(tokens).firstDifferentIndex
    // A conversation keeps its beginning while there is another place for those without one.
    const [alike] = own
      .filter((slot) => slot.session === undefined)
      .map((slot) => ({ slot, common: common(slot) }))
      .filter((each) => each.common >= MIN_COMMON_TOKENS)
      .toSorted((a, b) => b.common - a.common)
    if (alike !== undefined) return alike.slot
    const [oldest] = this.#free.toSorted(
      (a, b) =>
        Number(a.sequence.nextTokenIndex > 0) - Number(b.sequence.nextTokenIndex > 0) || a.usedAt - b.usedAt,
    )
    if (oldest === undefined) throw new Error(`Cannot run more than ${this.size} requests at once`)
    return oldest
  }
}
