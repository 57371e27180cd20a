/**
 * One relay at a time drains a database: the one whose session holds an advisory lock there. Others stand by.
 *
 * The lock, the reads and the marks share one session. When it ends, the lock is gone and the work stops with it;
 * should two relays overlap for a moment all the same, both publish the same ids and the streams store them once.
 * A relay that hangs loses its session after a silence of fifteen seconds, and another takes over.
 */
import postgres, { type Sql } from 'postgres'
import { backoff, pause, within } from '../../shared/pause.ts'
import type { ReportState } from '../../shared/telemetry/state-log.ts'

/** Any number, as long as all relays use the same; advisory locks are separate for each database. */
const LOCK = 7_021_882

const SILENCE_SECONDS = 15
const STANDBY_MS = 1000
const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 2000

/** The session of the relay that leads. */
export interface Session {
  sql: Sql
  /** Aborts when the connection, and the lock with it, is lost. */
  lost: AbortSignal
  /** Aborts then, and when the relay stops. */
  ended: AbortSignal
}

/** Leads `url` whenever it can be led, until `stop` aborts. `serve` returns when the session ended. */
export async function lead(
  url: string,
  serve: (session: Session) => Promise<void>,
  report: ReportState,
  stop: AbortSignal,
): Promise<void> {
  let failures = 0
  while (!stop.aborted) {
    const lost = new AbortController()
    const sql = openSession(url, () => lost.abort())
    const ended = AbortSignal.any([lost.signal, stop])
    const began = performance.now()
    try {
      if (await waitForLock(sql, report, ended)) {
        report('leading')
        await serve({ sql, lost: lost.signal, ended })
      }
    } catch (error) {
      if (!stop.aborted) report('unavailable', error)
    } finally {
      await sql.end({ timeout: 1 })
    }
    failures = performance.now() - began > 10_000 ? 0 : failures + 1
    await pause(backoff(failures, FIRST_RETRY_MS, MAX_RETRY_MS), stop)
  }
}

function openSession(url: string, onclose: () => void): Sql {
  return postgres(url, {
    max: 1,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 3,
    fetch_types: false,
    onclose,
    onnotice: () => {},
    connection: {
      application_name: 'kgents-relay',
      idle_session_timeout: SILENCE_SECONDS * 1000,
      statement_timeout: 10_000,
      // A mark that a crash of PostgreSQL forgets is an event published again, and stored once.
      synchronous_commit: 'off',
    },
  })
}

async function waitForLock(sql: Sql, report: ReportState, ended: AbortSignal): Promise<boolean> {
  while (!ended.aborted) {
    const asked = sql<{ locked: boolean }[]>`select pg_try_advisory_lock(${LOCK}) as locked`
    const [row] = await within(SILENCE_SECONDS, asked)
    if (row?.locked === true) return true
    report('standing by')
    await pause(STANDBY_MS, ended)
  }
  return false
}
