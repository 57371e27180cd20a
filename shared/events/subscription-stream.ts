/**
 * What a subscriber receives on `GET /v1/agentese/subscribe`, as server-sent events, and how it acknowledges and ends an
 * at-least-once subscription. The stream hub sends and takes it; the shapes are here, so that they can be documented.
 */
import { z } from 'zod'
import { Problem } from '../problem.ts'
import { ChangeData, InvocationData } from './agentese-events.ts'

export const SUBSCRIPTION_PATH = '/v1/agentese/subscribe'

/** What a narrowed token must cover to subscribe, to acknowledge, and to end what it follows. */
export const SUBSCRIPTION_SCOPES = ['event:read']

/** Each `ack` is numbers that name one delivery of an event to its subscription. */
export const Acks = z.strictObject({
  acks: z
    .array(z.string().regex(/^\d{1,19}(\.\d{1,19}){4}$/))
    .min(1)
    .max(1000),
})

export const Acknowledged = z.strictObject({
  acknowledged: z.int(),
  /** Those that no delivery can have. Whether one still waited is not reported: to acknowledge it twice changes nothing. */
  unknown: z.array(z.string()),
})

export const Ended = z.strictObject({
  subscription: z.strictObject({ id: z.uuid(), status: z.literal('ended') }),
})

const common = {
  event_id: z.string().describe('Of the event: who has seen it may drop it'),
  path: z.string(),
  aspect: z.string(),
  timestamp: z.string(),
  observer_archetype: z.string().nullable(),
  trace_id: z.string().nullable(),
  sequence: z.int().describe('Also the id, from which Last-Event-ID goes on'),
  ack: z.string().optional().describe('What to acknowledge it by, where it is delivered until it is'),
  attempt: z.int().optional(),
}
const ofPath = (kind: string) => z.object({ ...common, event_type: z.literal(kind), data: InvocationData })

/** By the name of the event. */
export const SUBSCRIPTION_EVENTS = {
  subscribed: { summary: 'What was subscribed to; the first event', data: z.looseObject({ id: z.uuid() }) },
  invoked: { summary: 'A path was invoked, and it went well', data: ofPath('invoked') },
  failed: { summary: 'A path was invoked, and it failed', data: ofPath('failed') },
  refused: { summary: 'A path was invoked, and it refused', data: ofPath('refused') },
  changed: {
    summary: 'The state of a node has changed',
    data: z.object({ ...common, event_type: z.literal('changed'), data: ChangeData }),
  },
  heartbeat: {
    summary: 'The stream lives, and nothing has happened',
    data: z.object({
      event_type: z.literal('heartbeat'),
      path: z.literal('system.heartbeat'),
      timestamp: z.string(),
    }),
  },
  dropped: {
    summary: 'You read too slowly: so many events are missing here',
    data: z.object({ event_type: z.literal('dropped'), count: z.int(), reason: z.string() }),
  },
  error: {
    summary: 'Why the stream ends; the last event',
    data: Problem.omit({ path: true, trace_id: true }),
  },
} as const
