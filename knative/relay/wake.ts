/**
 * When the relay reads its database. Polling is the truth; NOTIFY is a hint that makes it quick.
 *
 * While a row in `relay_sleep` says that the relay sleeps, writers notify it at their commit, and one read follows for
 * what they wrote. But every NOTIFY takes a lock of the whole database server: 32 writers on two cores commit 2300 times
 * a second without it and 700 to 1400 times with it. So under load the relay is awake: it removes the row and reads at a
 * steady pace, and one read takes what was written meanwhile.
 *
 * No wake-up is lost: the row is there before the read after which the relay sleeps. Whoever began to write before that
 * notifies nobody, but such a writer shows in the read, and until there is none the relay sleeps only for moments.
 */
import type { Sql } from 'postgres'
import { ROOM_INTERVAL_MS } from './admission/admission.ts'
import type { Metrics } from './metrics.ts'
import type { Outlook } from './waiting.ts'

/** From read to read at least: what is written meanwhile is read together. */
const PACE_MS = 8
/** Reads in a row that found something with hardly any sleep before, until the relay stays awake. */
const BUSY_READS = 4
/** Reads in a row that found nothing, before it falls asleep. */
const IDLE_READS = 4
/** After something was passed on: what that left to be written goes with the next read. */
const FIRST_SLEEP_MS = 50
const MAX_SLEEP_MS = 250
/** What waits for an older transaction becomes readable without a NOTIFY, so it is looked for this often. */
const HELD_NAP_MS = 20

/** What the last read found. */
export interface Found {
  /** Whether something was passed on. */
  moved: boolean
  outlook: Outlook
  /** Jobs wait for room in `INFERENCE`. */
  full: boolean
}

export interface Wake {
  /** Whether the relay sleeps between reads, or is to. */
  readonly asleep: boolean
  /** Writes whether the relay sleeps, where that has changed; the next read comes after it. */
  announce(): Promise<void>
  /** Returns when it is time to read again. */
  next(found: Found): Promise<void>
  /** Takes back that the relay sleeps. */
  end(): Promise<void>
  /** Called by NOTIFY. */
  hint: () => void
}

export const createWake = (sql: Sql, metrics: Metrics, ended: AbortSignal): Wake =>
  new RelayWake(sql, metrics, ended)

class RelayWake implements Wake {
  asleep = false
  readonly hint = (): void => {
    this.#hinted = this.#announced || this.#ended.aborted
    if (this.#hinted) this.#endSleep()
  }
  readonly #sql: Sql
  readonly #metrics: Metrics
  readonly #ended: AbortSignal
  /** What the database says; a relay that died may have left its row. */
  #announced = true
  /** Whether all who write see that row, and notify. */
  #seenByAll = false
  #hinted = false
  #lastReadAt = 0
  /** Before the last read. */
  #sleptMs = 0
  #endSleep: () => void = () => {}
  /** Reads in a row that found something at once, found nothing, or left something held. */
  readonly #inARow = { busy: 0, idle: 0, held: 0 }

  constructor(sql: Sql, metrics: Metrics, ended: AbortSignal) {
    this.#sql = sql
    this.#metrics = metrics
    this.#ended = ended
    ended.addEventListener('abort', this.hint, { once: true })
  }

  async announce(): Promise<void> {
    if (this.#announced === this.asleep) return
    this.#announced = this.asleep
    this.#seenByAll = false
    const sql = this.#sql
    await (this.asleep ? sql`insert into relay_sleep default values` : sql`delete from relay_sleep`)
  }

  async next(found: Found): Promise<void> {
    this.#seenByAll ||= this.#announced && found.outlook === 'quiet'
    this.#decide(found)
    const { held } = this.#inARow
    await pause(
      held > 0 ? Math.min(held * PACE_MS, HELD_NAP_MS) : this.#lastReadAt + PACE_MS - performance.now(),
    )
    this.#sleptMs = 0
    if (held === 0 && this.asleep && this.#announced)
      await this.#sleep(this.#lastReadAt + this.#sleepMs(found.full) - performance.now())
    this.#hinted = this.#ended.aborted
    this.#lastReadAt = performance.now()
  }

  end(): Promise<void> {
    this.asleep = false
    return this.announce()
  }

  #decide({ moved, outlook }: Found): void {
    const inARow = this.#inARow
    inARow.busy = moved && this.#sleptMs < PACE_MS ? inARow.busy + 1 : 0
    inARow.idle = moved ? 0 : inARow.idle + 1
    inARow.held = outlook === 'held' ? inARow.held + 1 : 0
    if (inARow.held >= IDLE_READS || inARow.busy >= BUSY_READS) this.asleep = false
    else if (inARow.idle >= IDLE_READS) this.asleep = true
  }

  async #sleep(milliseconds: number): Promise<void> {
    const began = performance.now()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#endSleep = resolve
    const timer = setTimeout(resolve, Math.max(0, milliseconds))
    if (this.#hinted) resolve()
    await promise
    clearTimeout(timer)
    this.#sleptMs = performance.now() - began
    this.#metrics.add('relay_wakes_total', 1, { by: this.#hinted ? 'notify' : 'poll' })
  }

  #sleepMs(full: boolean): number {
    const { idle } = this.#inARow
    if (idle === 0) return FIRST_SLEEP_MS
    // Longer and longer: most transactions are short.
    if (!this.#seenByAll) return Math.min(PACE_MS * 2 ** (idle - IDLE_READS), MAX_SLEEP_MS)
    return full ? ROOM_INTERVAL_MS : MAX_SLEEP_MS
  }
}

async function pause(milliseconds: number): Promise<void> {
  if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds))
}
