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
import { ROOM_INTERVAL_MS } from './admission.ts'
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

export function createWake(sql: Sql, metrics: Metrics, ended: AbortSignal): Wake {
  let asleep = false
  /** What the database says; a relay that died may have left its row. */
  let announced = true
  /** Whether all who write see that row, and notify. */
  let seenByAll = false
  let hinted = false
  let lastReadAt = 0
  /** Before the last read. */
  let sleptMs = 0
  let endSleep: () => void = () => {}
  /** Reads in a row that found something at once, found nothing, or left something held. */
  const inARow = { busy: 0, idle: 0, held: 0 }

  function hint(): void {
    hinted = announced || ended.aborted
    if (hinted) endSleep()
  }
  ended.addEventListener('abort', hint, { once: true })

  function decide({ moved, outlook }: Found): void {
    inARow.busy = moved && sleptMs < PACE_MS ? inARow.busy + 1 : 0
    inARow.idle = moved ? 0 : inARow.idle + 1
    inARow.held = outlook === 'held' ? inARow.held + 1 : 0
    if (inARow.held >= IDLE_READS || inARow.busy >= BUSY_READS) asleep = false
    else if (inARow.idle >= IDLE_READS) asleep = true
  }

  async function sleep(milliseconds: number): Promise<void> {
    const began = performance.now()
    const { promise, resolve } = Promise.withResolvers<void>()
    endSleep = resolve
    const timer = setTimeout(resolve, Math.max(0, milliseconds))
    if (hinted) resolve()
    await promise
    clearTimeout(timer)
    sleptMs = performance.now() - began
    metrics.add('relay_wakes_total', 1, { by: hinted ? 'notify' : 'poll' })
  }

  function sleepMs(full: boolean): number {
    if (inARow.idle === 0) return FIRST_SLEEP_MS
    // Longer and longer: most transactions are short.
    if (!seenByAll) return Math.min(PACE_MS * 2 ** (inARow.idle - IDLE_READS), MAX_SLEEP_MS)
    return full ? ROOM_INTERVAL_MS : MAX_SLEEP_MS
  }

  async function announce(): Promise<void> {
    if (announced === asleep) return
    announced = asleep
    seenByAll = false
    await (asleep ? sql`insert into relay_sleep default values` : sql`delete from relay_sleep`)
  }

  return {
    get asleep() {
      return asleep
    },
    announce,
    async next(found) {
      seenByAll ||= announced && found.outlook === 'quiet'
      decide(found)
      await pause(
        inARow.held > 0
          ? Math.min(inARow.held * PACE_MS, HELD_NAP_MS)
          : lastReadAt + PACE_MS - performance.now(),
      )
      sleptMs = 0
      if (inARow.held === 0 && asleep && announced)
        await sleep(lastReadAt + sleepMs(found.full) - performance.now())
      hinted = ended.aborted
      lastReadAt = performance.now()
    },
    end() {
      asleep = false
      return announce()
    },
    hint,
  }
}

async function pause(milliseconds: number): Promise<void> {
  if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds))
}
