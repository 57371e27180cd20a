/**
 * One log line when the state of a thing changes, and none while it stays: a database that is unavailable for an hour
 * is two lines, not thousands.
 */
import type { Log } from './log.ts'

/** Logs the state of one thing; `error` is why it is not well. */
export type ReportState = (state: string, error?: unknown) => void

/** Creates the reporter of `what`, such as "database 127.0.0.1:5432/kgents". */
export function createStateLog(log: Log, what: string): ReportState {
  let last: string | undefined
  return (state, error) => {
    if (state === last) return
    last = state
    if (error === undefined) log.info(`${what}: ${state}`)
    else log.warn({ err: error }, `${what}: ${state}`)
  }
}
