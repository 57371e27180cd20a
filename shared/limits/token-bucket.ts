/**
 * A rate limit as two token buckets: one holds the burst and fills by the minute's rate, one holds an hour's requests
 * and fills by the hour's rate. A request takes a token from both or from neither.
 */

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000

export interface RateLimit {
  /** Requests that may be made in the long run, per minute and per hour. */
  perMinute: number
  perHour: number
  /** Requests that may be made at once after a quiet time. */
  burst: number
}

/** Tokens in the two buckets; fractions are tokens on their way. */
export interface Level {
  burst: number
  hour: number
}

/** A limit as the buckets use it: rates are tokens per millisecond. */
export interface BucketShape {
  burst: number
  burstRate: number
  hour: number
  hourRate: number
}

export function shapeOf({ perMinute, perHour, burst }: RateLimit): BucketShape {
  return { burst, burstRate: perMinute / MINUTE_MS, hour: perHour, hourRate: perHour / HOUR_MS }
}

/** Milliseconds until both buckets hold a whole token; 0 if they do. */
export function waitOf(shape: BucketShape, level: Level): number {
  return Math.max(0, (1 - level.burst) / shape.burstRate, (1 - level.hour) / shape.hourRate)
}

/** Milliseconds until as many requests as ever can be made at once again. */
export function resetOf(shape: BucketShape, level: Level): number {
  const most = Math.min(shape.burst, shape.hour)
  return Math.max(0, (most - level.burst) / shape.burstRate, (most - level.hour) / shape.hourRate)
}

/** Both buckets of one tenant in this process; they start full. Times are milliseconds of any one clock. */
export class TokenBucket {
  readonly #shape: BucketShape
  #level: Level
  #at: number

  constructor(shape: BucketShape, now: number) {
    this.#shape = shape
    this.#level = { burst: shape.burst, hour: shape.hour }
    this.#at = now
  }

  level(now: number): Level {
    const passed = Math.max(0, now - this.#at)
    this.#at = now
    const { burst, burstRate, hour, hourRate } = this.#shape
    this.#level = {
      burst: Math.min(burst, this.#level.burst + passed * burstRate),
      hour: Math.min(hour, this.#level.hour + passed * hourRate),
    }
    return this.#level
  }

  /** Takes one token, if there is one. */
  take(now: number): boolean {
    const level = this.level(now)
    if (Math.min(level.burst, level.hour) < 1) return false
    this.spend(now)
    return true
  }

  /** Notes one that was granted elsewhere. */
  spend(now: number): void {
    const level = this.level(now)
    this.#level = { burst: Math.max(0, level.burst - 1), hour: Math.max(0, level.hour - 1) }
  }
}
