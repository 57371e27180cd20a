/**
 * `Idempotency-Key`: the same key and request give the same answer, however often they come. Where the answer was a job,
 * a repetition gets the job as it is now; where that failed for a reason that may pass, the key is free again, as it is
 * after a call that failed at once.
 */
import { createHash } from 'node:crypto'
import type { Db } from '../database/database.ts'
import { Failure } from '../failures.ts'
import type { Identity } from '../identity/identity.ts'
import { answerOfJob, forgottenAnswer, mayGoWellLater, type JobState } from '../jobs/job-answer.ts'
import { callerOf, type Answer, type Invocation } from './invocation.ts'

/** A request that is made once under its key. */
export interface KeyedRequest {
  tenant: string
  /** A key is its person's own: nobody comes in a colleague's way by taking the same one. */
  key: string
  /** As its caller sent it. */
  name: string
  endpoint: string
  hash: Buffer
}

interface KeptAnswer {
  status: number
  body: unknown
  location?: string | undefined
  /** Its body was a copy of what is forgotten. */
  forgotten?: true
}

interface KeptRow {
  endpoint: string
  request_hash: Buffer
  answer: KeptAnswer | null
  job: JobState | null
}

/** A claim outlives the longest call by this much before somebody else may take it over. */
const GRACE_SECONDS = 10

/** @param request all that makes it another request when it differs */
export function keyedRequest(
  { tenant, user }: Identity,
  name: string,
  endpoint: string,
  request: readonly unknown[],
): KeyedRequest {
  const hash = createHash('sha256').update(JSON.stringify(request)).digest()
  return { tenant, key: `${user}:${name}`, name, endpoint, hash }
}

/** The path and the person are part of the request: one does not get another's answer. */
function keyed(invocation: Invocation): KeyedRequest | undefined {
  const { request, input, observer } = invocation
  const { idempotencyKey, endpoint, path } = request
  if (idempotencyKey === undefined) return undefined
  const parts = [path, input, observer?.user, observer?.archetype]
  return keyedRequest(callerOf(invocation), idempotencyKey, endpoint.aspect?.path ?? endpoint.name, parts)
}

/**
 * Claims the request's key in this transaction, or finds the answer that was given before. Two requests with one key
 * meet at the primary key: the second waits until the first has committed, or replaces it when it failed.
 *
 * @throws Failure IDEMPOTENCY_MISMATCH when the key stands for another request; what its job has failed with for good
 */
export async function claimAnswer(invocation: Invocation, db: Db): Promise<Answer | undefined> {
  const request = keyed(invocation)
  const kept = request === undefined ? undefined : await claimKey(request, db)
  if (request === undefined || kept === undefined) return undefined
  if (kept.answer === null) throw mismatch(request)
  return answerAgain(invocation, kept.answer, kept.job)
}

/**
 * Finds the answer that was given before and claims nothing: for a read-only call, which claims its key when it asks a
 * model.
 *
 * @throws Failure as `claimAnswer`
 */
export async function findAnswer(invocation: Invocation, db: Db): Promise<Answer | undefined> {
  const request = keyed(invocation)
  const kept = request === undefined ? undefined : await readKept(request.key, db)
  if (request === undefined || kept === undefined || isFree(kept)) return undefined
  const { answer, job } = ofSameRequest(kept, request)
  return answer === null ? undefined : answerAgain(invocation, answer, job)
}

/**
 * Claims the request's key for a call that is answered in a later transaction. A claim that was never answered, since its
 * process died, may be taken over when no call could still be running.
 *
 * @throws Failure as `claimAnswer`, and STATE_CONFLICT while the same request is being answered
 */
export async function claimUntilAnswered(invocation: Invocation, db: Db): Promise<Answer | undefined> {
  const request = keyed(invocation)
  const kept = request === undefined ? undefined : await claimKey(request, db)
  if (request === undefined || kept === undefined) return undefined
  if (kept.answer !== null) return answerAgain(invocation, kept.answer, kept.job)
  const seconds = invocation.request.function.scale.timeoutSeconds + GRACE_SECONDS
  const takenOver = await db`
    update idempotency_keys set created_at = now()
    where key = ${request.key} and answer is null and created_at < now() - make_interval(secs => ${seconds})
    returning key`
  if (takenOver.length > 0) return undefined
  throw new Failure(
    'STATE_CONFLICT',
    `Cannot repeat "${request.name}": that request is still being answered`,
    {
      suggestion: 'Ask again when Retry-After is over',
      retryAfterSeconds: 1,
    },
  )
}

/** Ends a claim that came to no answer, so that the request may be made again. */
export async function giveUpClaim(invocation: Invocation, db: Db): Promise<void> {
  await db`delete from idempotency_keys where key = ${keyed(invocation)?.key ?? ''} and answer is null`
}

/**
 * Claims a key in this transaction; undefined where it was free, else what it stands for.
 *
 * @throws Failure IDEMPOTENCY_MISMATCH when the key stands for another request
 */
export async function claimKey(request: KeyedRequest, db: Db): Promise<KeptRow | undefined> {
  const { tenant, key, endpoint, hash } = request
  for (;;) {
    const claimed = await db`
      insert into idempotency_keys (tenant_id, key, endpoint, request_hash)
      values (${tenant}, ${key}, ${endpoint}, ${hash}) on conflict do nothing returning key`
    if (claimed.length > 0) return undefined
    const kept = await readKept(key, db)
    if (kept !== undefined && !isFree(kept)) return ofSameRequest(kept, request)
    // Of two that find it free, one deletes it; the other waits at the primary key until the first has claimed it.
    await db`delete from idempotency_keys where key = ${key} and job_id = ${kept?.job?.id ?? null}`
  }
}

/** What a failed job leaves of a claim where the same call may go well later. */
function isFree({ job }: KeptRow): boolean {
  return job !== null && mayGoWellLater(job)
}

/** @throws Failure IDEMPOTENCY_MISMATCH */
function ofSameRequest(kept: KeptRow, request: KeyedRequest): KeptRow {
  if (kept.endpoint === request.endpoint && request.hash.equals(kept.request_hash)) return kept
  throw mismatch(request)
}

async function readKept(key: string, db: Db): Promise<KeptRow | undefined> {
  const [kept] = await db<KeptRow[]>`
    select k.endpoint, k.request_hash, k.answer, case when j.id is not null then json_build_object(
      'id', j.id, 'path', j.path, 'status', j.status, 'result', j.result, 'error', j.error, 'tokens', j.tokens,
      'finish_reason', j.finish_reason, 'server', j.server, 'cost_usd', j.cost_usd, 'charges', j.charges,
      'traceparent', j.call ->> 'traceparent', 'forgotten_at', j.forgotten_at) end as job
    from idempotency_keys k left join jobs j on j.id = k.job_id
    where k.key = ${key}`
  return kept
}

/** Stores the answer with the transaction that earned it; where the answer is a job, which one. */
export function keepAnswer(invocation: Invocation, db: Db, { status, body }: Answer, job?: string): void {
  const request = keyed(invocation)
  if (request === undefined) return
  const answer = { status, body, location: invocation.request.answerHeaders['Location'] }
  db.send(setAnswer(request, db, answer, job))
}

/** Stores that a key stands for a job. */
export function keepJob(request: KeyedRequest, db: Db, job: string): void {
  db.send(setAnswer(request, db, { status: 202, body: null }, job))
}

function setAnswer({ key }: KeyedRequest, db: Db, answer: KeptAnswer, job: string | undefined) {
  return db`
    update idempotency_keys set answer = ${JSON.stringify(answer)}::text::json, job_id = ${job ?? null}
    where key = ${key}`
}

function answerAgain({ request }: Invocation, kept: KeptAnswer, job: JobState | null): Answer {
  request.answerHeaders['Idempotency-Replayed'] = 'true'
  if (kept.forgotten === true) throw forgottenAnswer()
  const { status, body } = job === null ? kept : answerOfJob(job)
  if (status !== 200 && kept.location !== undefined) request.answerHeaders['Location'] = kept.location
  return { status, body }
}

function mismatch({ name }: KeyedRequest): Failure {
  return new Failure('IDEMPOTENCY_MISMATCH', `Cannot repeat "${name}": that key stands for another request`, {
    suggestion: 'Use a new Idempotency-Key for a new request',
  })
}
