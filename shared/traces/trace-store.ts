/** Where traces are read from: PostgreSQL, or ClickHouse where an operator has one. Both keep marks, which have no content. */
import type { Identity } from '../identity/identity.ts'

/** A mark of a trace. */
export interface TraceMark {
  id: string
  path: string
  outcome: 'success' | 'failure' | 'refusal'
  code: string | null
  user_id: string | null
  archetype: string
  charges: Record<string, number>
  duration_ms: number
  at: Date
  model: string | null
}

/** A trace by the first of its calls that fits, with what all of its calls came to. */
export interface ListedTrace {
  id: string
  trace_id: string
  path: string
  outcome: TraceMark['outcome']
  code: string | null
  duration_ms: number
  at: Date
  calls: number
  charges: Record<string, number>
}

/** What is looked for; `path` also fits what begins with it, up to a dot. */
export interface WantedTraces {
  start?: string | undefined
  /** Exclusive. */
  end?: string | undefined
  path?: string | undefined
  status?: string | undefined
  min_duration_ms?: number | undefined
}

/** The sort key of the last entry of a page. */
export interface TracePlace {
  at: string
  id: string
}

export interface TraceStore {
  /** Traces of the caller's tenant, newest first; of what others do on `self`, only for who administers it. */
  list(
    wanted: WantedTraces,
    bounds: { limit: number; after: TracePlace | undefined },
    reader: Reader,
  ): Promise<(ListedTrace & { list_place: [at: string, id: string] })[]>
  /** Marks of a trace that the caller may see, oldest first. */
  marksOf(trace: string, most: number, reader: Reader): Promise<TraceMark[]>
}

export type Reader = Pick<Identity, 'tenant' | 'user' | 'permissions'>
