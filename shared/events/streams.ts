/**
 * The JetStream streams and the subjects in them. Every subject names the tenant in its second token, so that
 * permissions, filters and isolation can be told from the subject alone.
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

/** Subject of an event about an invocation of `path` (`context.holon.aspect`). */
export function agenteseSubject(tenant: string, path: string): string {
  return `agentese.${tenant}.${path}`
}

/** Subject of an event on the system bus. */
export function eventSubject(tenant: string, type: string): string {
  return `events.${tenant}.${type}`
}

/** Subject under which a job waits for a worker. */
export function inferenceSubject(tenant: string, job: string): string {
  return `inference.${tenant}.${job}`
}

/** Subject of everything a client following one job sees: chunks, then one closing event. */
export function tokensSubject(tenant: string, job: string): string {
  return `tokens.${tenant}.${job}`
}
