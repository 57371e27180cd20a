/**
 * Wakes functions for which something is due, by an event to the Broker, and lets the others sleep.
 *
 * A function with a tick need not be awake to look at the clock: what its tick would find is asked here, in the database
 * that the relay leads anyway. An event that is lost does no harm, since what is due is still due the next time.
 */
import { Agent } from 'undici'
import type { Sql } from 'postgres'
import { newId } from '../../shared/new-id.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { TICK_TYPE } from '../tick-event.ts'
import type { Metrics } from './metrics.ts'
import { postEvent } from './post-event.ts'
import { createStripeCounts } from './stripe-counts.ts'

export interface Clock {
  /** Asks what is due when it is time to. Resolves without waiting for the Broker. */
  check(): Promise<void>
  close(): Promise<void>
}

export interface ClockOptions {
  sql: Sql
  brokerUrl: string
  /** Between two looks. */
  seconds: number
  log: Log
  metrics: Metrics
  /** The name of the database. */
  database: string
}

export function createClock({ sql, brokerUrl, seconds, log, metrics, database }: ClockOptions): Clock {
  const agent = new Agent()
  const countStripe = createStripeCounts(sql, metrics, database)
  let next = 0

  async function wake(name: string): Promise<void> {
    const answer = await postEvent(agent, brokerUrl, headersOf(name))
    if (answer instanceof Error) throw answer
    if (answer >= 300) throw new Error(`HTTP ${answer}`)
    metrics.add('relay_ticks_total')
  }

  return {
    async check() {
      if (performance.now() < next) return
      next = performance.now() + seconds * 1000
      const due = await sql<{ name: string }[]>`select name from due_functions() as due (name)`
      await countStripe()
      for (const { name } of due) {
        wake(name).catch((error: unknown) => log.warn({ err: error, function: name }, 'A tick was not taken'))
      }
    },
    close: () => agent.destroy(),
  }
}

/** An event without data: all that it says is whom it is for. */
function headersOf(name: string): Record<string, string> {
  return {
    'ce-specversion': '1.0',
    'ce-id': newId(),
    'ce-source': '/relay',
    'ce-type': TICK_TYPE,
    'ce-function': name,
    'ce-time': new Date().toISOString(),
  }
}
