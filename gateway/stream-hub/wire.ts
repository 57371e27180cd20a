/** How what becomes of a job is written to one client. */
import { OPENING, writeEventMessage } from '../../shared/http/event-message.ts'
import type { StreamEvent } from './transcript.ts'

export interface Wire {
  /** What a stream begins with. */
  opening: string
  /** The event as it is sent; empty where this client gets nothing of it. */
  write(event: StreamEvent): string
}

/** Ours: an event has a name, and an id from which its client resumes. */
export const JOB_WIRE: Wire = { opening: OPENING, write: writeEventMessage }
