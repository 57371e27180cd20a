/**
 * A subscription to a tenant's AGENTESE events, as the function `subscribe` grants it and the stream hub keeps it. Both
 * read this one shape, so what the hub streams is what was granted.
 */
import { z } from 'zod'

/** What happened on a path; the last word of the event's type. */
export const EVENT_KINDS = ['invoked', 'changed', 'failed', 'refused'] as const
export type EventKind = (typeof EVENT_KINDS)[number]

export const DELIVERIES = ['at-most-once', 'at-least-once'] as const
export type Delivery = (typeof DELIVERIES)[number]

/** The verb in the path of `io.kgents.agentese.changed`: the state of the holon, which no aspect is called. */
export const STATE = 'state'

export const SubscriptionTerms = z.strictObject({
  id: z.uuid(),
  tenant: z.uuid(),
  user: z.uuid(),
  /** The observer's archetype: it receives events of paths on which this archetype has the verb. */
  archetype: z.string(),
  /** Empty where the subscription of that id has them already. */
  patterns: z.array(z.string()),
  /** Absent is all. */
  aspects: z.array(z.string()).optional(),
  types: z.array(z.enum(EVENT_KINDS)),
  delivery: z.enum(DELIVERIES),
  /** An RFC 3339 time or a sequence number from which stored events come first; absent is from now on. */
  from: z.string().optional(),
  /** Events that may wait for the client, or for its acknowledgement. */
  buffer: z.int(),
})
export type SubscriptionTerms = z.infer<typeof SubscriptionTerms>

/** What the function `subscribe` answers; the hub needs no more of it. */
export const SubscriptionGrant = z.looseObject({ subscription: SubscriptionTerms })
