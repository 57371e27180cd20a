/** What one function process is built from, made once when it starts and handed to every step. */
import type { FunctionDefinition } from '../contract/function.ts'
import type { JobEnd, JobStatus } from '../contract/job-end.ts'
import type { Platform } from '../contract/platform.ts'
import type { Database, Db } from '../database/database.ts'
import type { AuthenticateApiKey } from '../identity/api-keys.ts'
import type { AuthenticateInvitation } from '../identity/invitations.ts'
import type { Identity } from '../identity/identity.ts'
import type { AuthenticateSession } from '../identity/sessions.ts'
import type { FindPlan } from '../plans/plan-book.ts'
import type { CallLeases } from '../plans/call-leases.ts'
import type { RateLimiter } from '../limits/rate-limiter.ts'
import type { InferenceRequest } from '../inference/messages.ts'
import type { OutboxRow } from './record.ts'
import type { Log } from '../telemetry/log.ts'
import type { Recorder } from './recorder.ts'

/** The database of what a function does: of the tenant, or the pool where its contract says so. */
export function databaseOf(
  { database }: Runtime,
  definition: Pick<FunctionDefinition, 'database'>,
): Database {
  return definition.database === 'central' ? database.central : database
}

export interface Runtime {
  /** The functions that this process serves. */
  functions: readonly FunctionDefinition[]
  database: Database
  limiter: RateLimiter
  recorder: Recorder
  findPlan: FindPlan
  calls: CallLeases
  verifyToken(token: string): Promise<Identity>
  /** Checks tokens that `logos` signs for one function; they are no good anywhere else. */
  verifyDispatch(token: string): Promise<Identity>
  authenticateApiKey: AuthenticateApiKey
  authenticateInvitation: AuthenticateInvitation
  authenticateSession: AuthenticateSession
  /** Base64url key that signs events. */
  eventKey: string
  /** Keys that events are believed by: that one, and older ones while keys rotate. */
  eventKeys: readonly string[]
  /** Base64url key of webhooks, in the function that manages them; what their sender reports is believed by it. */
  webhookKeys: readonly string[]
  /** Where clients reach the platform; undefined where that is read from each request. */
  publicOrigin: string | undefined
  /** Why no model can be asked, where none can. */
  inferenceUnavailable: string | undefined
  platform: Platform
  /** Ends a job in a transaction of its tenant. */
  endJob(end: JobEnd, call: { db: Db; signal: AbortSignal }): Promise<JobStatus | undefined>
  /** Queues a held job in a transaction of its tenant; false where it has ended meanwhile. */
  releaseJob(held: { job: string; request: InferenceRequest }, call: Releasing): Promise<boolean>
  log: Log
}

/** The transaction that releases a job, and the events that it publishes. */
export interface Releasing {
  db: Db
  events: OutboxRow[]
  eventKey: string
}
