/**
 * Moves events from the outbox of one database to JetStream.
 *
 * Row ids are not commit order: a transaction that began earlier may commit later. So rows are read in the order
 * (xid, seq) and only below the oldest transaction that still runs; no event overtakes one of an older transaction.
 * A row is marked when every subject of it was acknowledged, never before. A relay that dies in between
 * publishes again, and the stream knows the event id.
 */
import type { Sql } from 'postgres'
import { toNats } from '../../shared/events/nats.ts'
import type { KgentsEvent } from '../../shared/events/event.ts'
import { STREAMS } from '../../shared/events/streams.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import type { Metrics } from './metrics.ts'
import { isUnstorable, type Outgoing, type StreamLink } from './stream-link.ts'

export interface Progress {
  /** Rows that are done with. */
  moved: number
  /** Whether there was nothing to move because rows wait for an older transaction to end. */
  held: boolean
}

/** JetStream did not take everything; the rest stays where it is and is tried again. */
export class NotStored extends Error {
  override readonly name = 'NotStored'
}

interface OutboxRow {
  seq: string
  xid: string
  subjects: string[]
  event: string
}

export interface OutboxOptions {
  sql: Sql
  link: StreamLink
  log: Log
  metrics: Metrics
  /** Called with the subjects of each row that was published, before its mark is known to be written. */
  onPublished?: (subjects: readonly string[]) => void
  batch?: number
}

export interface Outbox {
  /** Publishes one batch and marks it. Throws NotStored when JetStream did not take all of it. */
  drain(): Promise<Progress>
  /** Looks at all rows again: some that were published before are not any more. */
  rewind(): void
}

export function createOutbox(options: OutboxOptions): Outbox {
  const { sql, link, log, metrics, onPublished = () => {}, batch = 500 } = options
  // Nothing unpublished is left below this transaction: reading from here steps over the dead index entries.
  let floor = '0'

  const readSettled = () => sql<OutboxRow[]>`
    select seq, xid::text as xid, to_json(subjects) as subjects, event from outbox
    where published_at is null and xid >= ${floor}::xid8 and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by outbox.xid, outbox.seq limit ${batch}`

  const readAny = () => sql`select from outbox where published_at is null and xid >= ${floor}::xid8 limit 1`

  const mark = (rows: OutboxRow[], at: 'now' | 'infinity') => sql`
    update outbox set published_at = ${at}::text::timestamptz where seq = any(${listOf(rows)}::bigint[])`

  async function setAside(row: OutboxRow, reason: unknown): Promise<void> {
    log.error({ err: reason, seq: row.seq }, 'An event can never be published and was set aside')
    metrics.add('relay_set_aside_total')
    await mark([row], 'infinity')
  }

  /** Publishes rows in order; resolves with how many from the front are done with, and why the next is not. */
  async function publish(rows: OutboxRow[]): Promise<{ done: number; error?: Error }> {
    const written = rows.map(writeRow)
    const outcomes = await link.publishAll(written.flatMap((row) => ('messages' in row ? row.messages : [])))
    const stored: OutboxRow[] = []
    const bad: { row: OutboxRow; reason: unknown }[] = []
    let next = 0
    let error: Error | undefined
    for (const [index, row] of rows.entries()) {
      const result = written[index]
      if (result === undefined || 'unwritable' in result) {
        bad.push({ row, reason: result?.unwritable })
        continue
      }
      const failed = outcomes
        .slice(next, next + result.messages.length)
        .find((outcome) => outcome !== undefined)
      next += result.messages.length
      if (failed === undefined) stored.push(row)
      else if (isUnstorable(failed)) bad.push({ row, reason: failed })
      else {
        error = failed
        break
      }
    }
    for (const { subjects } of stored) onPublished(subjects)
    if (stored.length > 0) await mark(stored, 'now')
    for (const { row, reason } of bad) await setAside(row, reason)
    metrics.add('relay_published_total', stored.length)
    return { done: stored.length + bad.length, ...(error === undefined ? {} : { error }) }
  }

  return {
    async drain() {
      const rows = await readSettled()
      if (rows.length === 0) return { moved: 0, held: (await readAny()).length > 0 }
      const { done, error } = await publish(rows)
      floor = rows[done - 1]?.xid ?? floor
      if (error !== undefined) throw new NotStored('JetStream did not take all events', { cause: error })
      return { moved: done, held: false }
    },
    rewind() {
      floor = '0'
    },
  }
}

/** As a literal, because the driver would first ask the server how to write an array. */
function listOf(rows: readonly { seq: string }[]): string {
  return `{${rows.map((row) => row.seq).join(',')}}`
}

type Written = { messages: Outgoing[] } | { unwritable: unknown }

/** The messages of one row, or why there can be none. */
function writeRow(row: OutboxRow): Written {
  try {
    const streams = row.subjects.map(streamOf)
    if (new Set(streams).size < streams.length) throw new TypeError('Two subjects are of one stream')
    const { headers, payload } = toNats(JSON.parse(row.event) as KgentsEvent)
    return { messages: row.subjects.map((subject) => ({ subject, headers, payload })) }
  } catch (error) {
    return { unwritable: error }
  }
}

/** A subject outside the streams would never be acknowledged, and everything behind it would wait for ever. */
function streamOf(subject: string): string {
  const found = Object.entries(STREAMS).find(([, { subjects }]) =>
    subjects.some((pattern) => subject.startsWith(pattern.slice(0, -1))),
  )
  if (found === undefined || !/^[^\s.*>]+(\.[^\s.*>]+)+$/.test(subject)) {
    throw new TypeError(`Subject "${subject}" is in no stream`)
  }
  return found[0]
}
