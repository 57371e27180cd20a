/**
 * Finds the silos of a database, so that each is drained like the database itself, and by itself: one that is unavailable holds up
 * no other. A silo that tenants have left is drained as long as it is kept.
 */
import postgres from 'postgres'
import { siloUrl } from '../../shared/database/silos.ts'
import { pause } from '../../shared/pause.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { createStateLog } from '../../shared/telemetry/state-log.ts'

const INTERVAL_MS = 2000

export interface SilosOptions {
  /** Of the pool, as `kgents_relay`. */
  url: string
  log: Log
  stop: AbortSignal
  /** Drains a database until its signal aborts. */
  drain: (url: string, stop: AbortSignal) => Promise<void>
}

export async function drainSilos({ url, log, stop, drain }: SilosOptions): Promise<void> {
  const report = createStateLog(log, 'silos')
  const sql = postgres(url, {
    max: 1,
    idle_timeout: 30,
    connect_timeout: 3,
    fetch_types: false,
    onnotice: () => {},
    connection: { application_name: 'kgents-relay-silos', statement_timeout: 10_000 },
  })
  const drained = new Map<string, { leave: AbortController; done: Promise<void> }>()
  while (!stop.aborted) {
    try {
      const rows = await sql<{ database: string }[]>`
        select database from placements where database is not null and wanted <> 'none'
          and (lives_in = 'silo' or (wanted = 'pool' and step <> 'clean'))`
      const wanted = new Set(rows.map(({ database }) => database))
      for (const name of wanted) {
        if (drained.has(name)) continue
        const leave = new AbortController()
        const done = drain(siloUrl(name, url), AbortSignal.any([stop, leave.signal]))
        drained.set(name, { leave, done })
      }
      for (const [name, { leave }] of drained) {
        if (wanted.has(name)) continue
        leave.abort()
        drained.delete(name)
      }
      report('known')
    } catch (error) {
      report('cannot be listed', error)
    }
    await pause(INTERVAL_MS, stop)
  }
  await Promise.all([...drained.values()].map(({ done }) => done))
  await sql.end({ timeout: 1 })
}
