/**
 * Publishes events from the outbox of one database to JetStream, and marks them.
 *
 * A row is marked when every subject of it was acknowledged, never before. A relay that dies in between publishes
 * again, and the stream knows the event id. So marks need not be written one by one: they wait a little for others.
 */
import type { Sql } from 'postgres'
import { toNats } from '../../shared/nats/event-message.ts'
import { streamOf } from '../../shared/nats/subjects.ts'
import type { KgentsEvent } from '../../shared/events/event.ts'
import { parseKept } from '../../shared/exact-json.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import type { Metrics } from './metrics.ts'
import type { Outgoing } from '../../shared/nats/publisher.ts'
import { isUnstorable, type StreamLink } from './stream-link.ts'
import { BEGINNING, type Cursor, type OutboxRow } from './waiting.ts'

/** Marks are written when so many wait, or the first of them so long. */
const MAX_MARKS_AT_ONCE = 200
const MARK_DELAY_MS = 40

/** JetStream did not take everything; the rest stays where it is and is tried again. */
export class NotStored extends Error {
  override readonly name = 'NotStored'
}

export interface OutboxOptions {
  sql: Sql
  link: StreamLink
  log: Log
  metrics: Metrics
  /** Called with the subjects and the event of each row that was published, before its mark is known to be written. */
  onPublished?: (subjects: readonly string[], event: KgentsEvent) => void
}

export interface Outbox {
  /** Nothing unpublished is left up to here. */
  readonly cursor: Cursor
  /** Publishes rows in their order. Throws NotStored when JetStream did not take all of them. */
  publish(rows: readonly OutboxRow[]): Promise<void>
  /** Writes the marks that are due, or all of them. */
  mark(which: 'due' | 'all'): Promise<void>
  /** Looks at all rows again: some that were published before are not any more. */
  rewind(): void
}

export function createOutbox(options: OutboxOptions): Outbox {
  const { sql, link, log, metrics, onPublished = () => {} } = options
  let cursor = BEGINNING
  /** Rows that are published and not marked yet, and since when the first of them is. */
  let unmarked: OutboxRow[] = []
  let unmarkedSince = 0

  const writeMarks = async (rows: readonly OutboxRow[], at: 'now' | 'infinity') => {
    await sql`
      update outbox set published_at = ${at}::text::timestamptz where seq = any(${listOf(rows)}::bigint[])`
  }

  async function setAside({ row, reason }: Unpublishable): Promise<void> {
    log.error({ err: reason, seq: row.seq }, 'An event can never be published and was set aside')
    metrics.add('relay_set_aside_total')
    await writeMarks([row], 'infinity')
  }

  function published(stored: readonly Stored[]): void {
    for (const { row, event } of stored) {
      onPublished(row.subjects, event)
      metrics.published(event)
    }
    metrics.add('relay_published_total', stored.length)
    if (unmarked.length === 0) unmarkedSince = performance.now()
    unmarked.push(...stored.map(({ row }) => row))
  }

  return {
    get cursor() {
      return cursor
    },
    async publish(rows) {
      if (rows.length === 0) return
      const { stored, unpublishable, next, error } = await send(link, rows)
      published(stored)
      for (const found of unpublishable) await setAside(found)
      cursor = rows[next - 1] ?? cursor
      if (error !== undefined) throw new NotStored('JetStream did not take all events', { cause: error })
    },
    async mark(which) {
      const due = unmarked.length >= MAX_MARKS_AT_ONCE || performance.now() >= unmarkedSince + MARK_DELAY_MS
      if (unmarked.length === 0 || (which === 'due' && !due)) return
      const rows = unmarked
      unmarked = []
      await writeMarks(rows, 'now')
    },
    rewind() {
      cursor = BEGINNING
      // Published into what was lost, perhaps: without a mark they are published again.
      unmarked = []
    },
  }
}

/** As a literal, because the driver would first ask the server how to write an array. */
function listOf(rows: readonly { seq: string }[]): string {
  return `{${rows.map((row) => row.seq).join(',')}}`
}

interface Unpublishable {
  row: OutboxRow
  reason: unknown
}

interface Stored {
  row: OutboxRow
  event: KgentsEvent
}

interface Sent {
  stored: Stored[]
  unpublishable: Unpublishable[]
  /** How many rows from the front are done with, and why the next is not. */
  next: number
  error?: Error
}

async function send(link: StreamLink, rows: readonly OutboxRow[]): Promise<Sent> {
  const written = rows.map(writeRow)
  const outcomes = await link.publishAll(written.flatMap((row) => ('messages' in row ? row.messages : [])))
  const sent: Sent = { stored: [], unpublishable: [], next: 0 }
  let at = 0
  for (const [index, row] of rows.entries()) {
    const result = written[index]
    if (result === undefined || 'unwritable' in result) {
      sent.unpublishable.push({ row, reason: result?.unwritable })
    } else {
      const failed = outcomes.slice(at, at + result.messages.length).find((outcome) => outcome !== undefined)
      at += result.messages.length
      if (failed === undefined) sent.stored.push({ row, event: result.event })
      else if (isUnstorable(failed)) sent.unpublishable.push({ row, reason: failed })
      else return { ...sent, error: failed }
    }
    sent.next += 1
  }
  return sent
}

type Written = { messages: Outgoing[]; event: KgentsEvent } | { unwritable: unknown }

/** The messages of one row, or why there can be none. */
function writeRow(row: OutboxRow): Written {
  try {
    // A subject outside the streams would never be acknowledged, and everything behind it would wait for ever.
    const streams = row.subjects.map(streamOf)
    if (new Set(streams).size < streams.length) throw new TypeError('Two subjects are of one stream')
    const event = parseKept(row.event) as KgentsEvent
    const { headers, payload } = toNats(event)
    return { messages: row.subjects.map((subject) => ({ subject, headers, payload })), event }
  } catch (error) {
    return { unwritable: error }
  }
}
