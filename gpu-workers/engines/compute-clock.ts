/**
 * How long an engine computed for each of the answers that run in it together: every moment is shared equally among those that run,
 * so the sum over all answers is the time that the engine was busy.
 */
export class ComputeClock {
  /** Seconds that an answer has had that ran since the beginning. */
  #each = 0
  #running = 0
  #at = 0
  readonly #now: () => number

  /** @param now in milliseconds; replaced in tests */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Begins to count for one answer; what it returns ends that, and answers its seconds. */
  begin(): () => number {
    this.#advance()
    this.#running++
    const before = this.#each
    let seconds: number | undefined
    return () => {
      if (seconds !== undefined) return seconds
      this.#advance()
      this.#running--
      return (seconds = this.#each - before)
    }
  }

  #advance(): void {
    const now = this.#now()
    if (this.#running > 0) this.#each += (now - this.#at) / 1000 / this.#running
    this.#at = now
  }
}
