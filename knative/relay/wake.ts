/**
 * When the relay looks at its database. Polling is the truth; NOTIFY is a hint that makes it quick.
 *
 * Every NOTIFY takes a lock of the whole database server at commit: 32 writers on two cores commit 2300 times a second
 * without it and 700 to 1400 times with it. So they send it only while a row in `relay_sleep` says that the relay
 * sleeps, and a busy relay costs them nothing. A transaction that wrote its event before the row was there notifies
 * nobody; so sleep begins with short naps and ends with long ones.
 */
import type { Sql } from 'postgres'
import type { Metrics } from './metrics.ts'

/** Naps before the relay falls asleep: events that follow each other more closely cost no NOTIFY at all. */
const AWAKE_NAPS_MILLISECONDS = [1, 2, 4, 8]
const FIRST_SLEEP_MILLISECONDS = 5
const LONGEST_SLEEP_MILLISECONDS = 250
/** What waits for an older transaction becomes readable without a NOTIFY, so it is looked for this often. */
const HELD_NAP_MILLISECONDS = 20
/** How often room is looked for while `INFERENCE` is full. */
const FULL_NAP_MILLISECONDS = 100

/** What the last look found, where it moved nothing. */
export type Idle = 'empty' | 'held' | 'full'

export interface Wake {
  /** Something was moved: the relay is awake. */
  busy(): Promise<void>
  /** Nothing was moved: returns when it is time to look again. */
  rest(idle: Idle): Promise<void>
  /** Looks again at once; called by NOTIFY. */
  hint: () => void
}

export function createWake(sql: Sql, metrics: Metrics, ended: AbortSignal): Wake {
  /** Times in a row that nothing was moved. */
  let looks = 0
  let asleep = false
  let hinted = false
  let endNap: () => void = () => {}

  function hint(): void {
    hinted = true
    endNap()
  }
  ended.addEventListener('abort', hint, { once: true })

  async function nap(milliseconds: number): Promise<void> {
    if (!hinted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds)
        endNap = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    if (asleep) metrics.add('relay_wakes_total', 1, { by: hinted ? 'notify' : 'poll' })
    hinted = ended.aborted
  }

  async function wakeUp(): Promise<void> {
    if (!asleep) return
    asleep = false
    await sql`delete from relay_sleep`
  }

  async function fallAsleep(): Promise<void> {
    asleep = true
    await sql`insert into relay_sleep default values`
  }

  return {
    async busy() {
      looks = 0
      await wakeUp()
    },
    async rest(idle) {
      looks += 1
      if (idle === 'held') {
        await wakeUp()
        return nap(Math.min(looks, HELD_NAP_MILLISECONDS))
      }
      const awake = AWAKE_NAPS_MILLISECONDS[looks - 1]
      if (awake !== undefined) return nap(awake)
      // It says that it sleeps, looks once more, and only then does.
      if (!asleep) return fallAsleep()
      const doublings = Math.min(looks - AWAKE_NAPS_MILLISECONDS.length - 2, 10)
      const longest = idle === 'full' ? FULL_NAP_MILLISECONDS : LONGEST_SLEEP_MILLISECONDS
      return nap(Math.min(longest, FIRST_SLEEP_MILLISECONDS * 2 ** Math.max(doublings, 0)))
    },
    hint,
  }
}
