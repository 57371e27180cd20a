/** What is sent over a connection that stays open, as server-sent events. The stream hub serves it. */
import type { EventType } from '../../../shared/events/event-types.ts'
import { SESSION_STREAM_EVENTS, SESSION_STREAM_PATH } from '../../../shared/events/session-events.ts'
import { SUBSCRIPTION_EVENTS, SUBSCRIPTION_PATH } from '../../../shared/events/subscription-stream.ts'
import { JOB_STREAM_EVENTS, JOB_STREAM_PATH } from '../../../shared/inference/job-stream.ts'

export interface Stream {
  /** Of its channel. */
  name: string
  title: string
  url: string
  /** By the name of the server-sent event. */
  events: readonly (readonly [name: string, event: EventType])[]
}

export const STREAMS: readonly Stream[] = [
  {
    name: 'jobStream',
    title: 'One job as it goes',
    url: JOB_STREAM_PATH.replace(':id', '{id}'),
    events: Object.entries(JOB_STREAM_EVENTS),
  },
  {
    name: 'subscription',
    title: 'What happens on paths',
    url: SUBSCRIPTION_PATH,
    events: Object.entries(SUBSCRIPTION_EVENTS),
  },
  {
    name: 'sessionStream',
    title: 'One conversation as it goes',
    url: SESSION_STREAM_PATH.replace(':id', '{id}'),
    events: Object.entries(SESSION_STREAM_EVENTS),
  },
]

/** Name of an event of a stream, among all that a document names. */
export function streamedName({ name }: Stream, event: string): string {
  return `${name}.${event}`
}
