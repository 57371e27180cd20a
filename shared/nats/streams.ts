/**
 * The JetStream streams and the subjects in them. Every subject names the tenant in its second token, so that
 * permissions, filters and isolation follow from the subject alone.
 */

/** What each stream keeps, for how long, and where; ages in seconds. Applied by the relay when it starts. */
export const STREAMS = {
  /** What was invoked, changed, refused or failed on an AGENTESE path. */
  AGENTESE: { subjects: ['agentese.>'], retention: 'limits', storage: 'file', maxAgeSeconds: 7 * 86_400 },
  /** The system bus: every other event. */
  EVENTS: { subjects: ['events.>'], retention: 'limits', storage: 'file', maxAgeSeconds: 7 * 86_400 },
  /** Jobs waiting for a worker: each is held until one worker acknowledges it. */
  INFERENCE: { subjects: ['inference.>'], retention: 'workqueue', storage: 'file', maxAgeSeconds: 86_400 },
  /** Token chunks, kept long enough for a client to resume its stream. */
  TOKENS: { subjects: ['tokens.>'], retention: 'limits', storage: 'memory', maxAgeSeconds: 600 },
} as const

export type StreamName = keyof typeof STREAMS

/** The durable consumer of the relay on `AGENTESE` and `EVENTS`, from which the Broker is fed. */
export const BROKER_CONSUMER = 'broker'

/** The durable consumer that all workers share on `INFERENCE`. */
export const WORKERS_CONSUMER = 'workers'

/** Deliveries of one job before it is dead-lettered. */
export const JOB_ATTEMPTS = 4
