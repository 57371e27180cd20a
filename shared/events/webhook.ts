/**
 * Webhooks, as the three that work on them agree: the function that keeps subscriptions, the relay that makes a durable
 * consumer of each, and the sender that delivers what the consumers hold.
 *
 * Nothing secret travels: the secret of a subscription is derived from a key that the function and the sender hold, from
 * the subscription's id, and from how often it was rotated.
 */
import { createHmac } from 'node:crypto'
import { z } from 'zod'

/** What happened on a path; the last word of the event's type. */
export const KINDS = ['invoked', 'changed', 'failed', 'refused'] as const

/** Prefix of the durable consumers on `AGENTESE` and `EVENTS`, one on each stream for a subscription that reads it. */
export const SINK_PREFIX = 'sink-'

/** Priority group of these consumers: each serves one sender at a time, so that events reach a sink in their order. */
export const SINK_GROUP = 'in-order'

/** NATS subject of the hint that consumers have changed; the list of consumers is the truth. */
export const SINKS_CHANGED = 'sinks.changed'

/** Carries one event to one sink, again or for a test, past all patterns. */
export const REDELIVER = 'io.kgents.subscription.redeliver'

/** What happened to a subscription itself; the relay looks at the rows when it publishes one of these. */
export const SUBSCRIPTION_CHANGES = {
  created: 'io.kgents.subscription.created',
  rotated: 'io.kgents.subscription.rotated',
  deleted: 'io.kgents.subscription.deleted',
  disabled: 'io.kgents.subscription.stopped',
} as const

/** What the sender reports. */
export const REPORTS = {
  failed: 'io.kgents.subscription.failed',
  recovered: 'io.kgents.subscription.recovered',
  dead: 'io.kgents.subscription.dead',
  disabled: 'io.kgents.subscription.disabled',
} as const

/** How an attempt failed. */
export const DeliveryError = z.object({
  code: z.string().max(100),
  message: z.string().max(1000),
  /** HTTP status of the sink's answer, where there was one. */
  status: z.int().optional(),
})
export type DeliveryError = z.infer<typeof DeliveryError>

/** Data of `failed`, `recovered` and `disabled`. */
export const SinkReport = z.object({
  subscription: z.uuid(),
  at: z.iso.datetime(),
  error: DeliveryError.optional(),
  event: z.string().optional(),
  attempt: z.int().optional(),
})
export type SinkReport = z.infer<typeof SinkReport>

/** Data of `dead`: the event itself as well, since streams forget. */
export const DeadLetter = z.object({
  subscription: z.uuid(),
  at: z.iso.datetime(),
  error: DeliveryError,
  attempts: z.int(),
  event: z.looseObject({ id: z.string(), source: z.string(), type: z.string(), tenantid: z.uuid() }),
})
export type DeadLetter = z.infer<typeof DeadLetter>

/** Metadata of a consumer: all that the sender knows of a subscription. JetStream keeps text only. */
export const SinkMetadata = z.object({
  tenant: z.uuid(),
  subscription: z.uuid(),
  sink: z.url(),
  rotation: z.coerce.number().int().min(0),
  /** When the secret was rotated, newest first: the one that was replaced then is good for a day more. */
  rotations: z
    .string()
    .transform((list) => list.split(',').filter(Boolean))
    .pipe(z.array(z.iso.datetime({ offset: true }))),
  /** Kinds of events on paths, separated by commas; empty is all. */
  kinds: z.string(),
  /** Its maker, and as what that one looked. */
  user: z.uuid(),
  archetype: z.string(),
  /** Changes whenever anything else does. */
  revision: z.string(),
})
export type SinkMetadata = z.infer<typeof SinkMetadata>

/** The secret of a subscription as Standard Webhooks write it. */
export function deriveWebhookSecret(key: string, subscription: string, rotation: number): string {
  const derived = createHmac('sha256', Buffer.from(key, 'base64url')).update(
    `secret:${subscription}:${rotation}`,
  )
  return `whsec_${derived.digest('base64')}`
}

/**
 * Signs a delivery as Standard Webhooks do: `v1,` and the HMAC of id, time and body. Tests hold it against their library,
 * whose HMAC is JavaScript and takes seven times as long for a large event.
 */
export function signWebhook(
  secret: string,
  { id, timestamp, body }: { id: string; timestamp: string; body: string },
): string {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}
