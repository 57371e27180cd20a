/** Counts requests in flight, and averages them over time: what the autoscaler decides from. */
export interface ConcurrencyMeter {
  enter(): void
  leave(): void
  readonly inFlight: number
  /** The time-weighted average since it was last taken. */
  takeAverage(): number
}

/** A meter by `clock`, in any unit. */
export function createConcurrencyMeter(clock: () => number): ConcurrencyMeter {
  let inFlight = 0
  let since = clock()
  let changedAt = since
  let area = 0

  function account(): number {
    const now = clock()
    area += inFlight * (now - changedAt)
    changedAt = now
    return now
  }

  return {
    enter() {
      account()
      inFlight += 1
    },
    leave() {
      account()
      inFlight -= 1
    },
    get inFlight() {
      return inFlight
    },
    takeAverage() {
      const now = account()
      const average = now > since ? area / (now - since) : inFlight
      area = 0
      since = now
      return average
    },
  }
}
