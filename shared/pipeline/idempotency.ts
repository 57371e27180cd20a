/** `Idempotency-Key`: the same key and request give the same answer, however often they come. */
import { createHash } from 'node:crypto'
import type { Db } from '../database/database.ts'
import { Failure } from '../failures.ts'
import { callerOf, type Answer, type Invocation } from './invocation.ts'

interface KeptAnswer {
  status: number
  body: unknown
  location?: string
}

interface KeptRow {
  endpoint: string
  request_hash: Buffer
  answer: KeptAnswer | null
}

/** A claim outlives the longest call by this much before somebody else may take it over. */
const GRACE_SECONDS = 10

/**
 * Claims the request's key in this transaction, or finds the answer that was given before. Two requests with one key
 * meet at the primary key: the second waits until the first has committed, or replaces it when it failed.
 *
 * @throws Failure IDEMPOTENCY_MISMATCH when the key stands for another request
 */
export async function claimAnswer(invocation: Invocation, db: Db): Promise<Answer | undefined> {
  const key = keyOf(invocation)
  if (key === undefined || (await claim(invocation, key, db))) return undefined
  const { answer } = await sameRequest(invocation, key, db)
  if (answer === null) throw mismatch(invocation)
  return answerAgain(invocation, answer)
}

/**
 * Claims the request's key for a call that is answered in a later transaction. A claim that was never answered, since its
 * process died, may be taken over when no call could still be running.
 *
 * @throws Failure IDEMPOTENCY_MISMATCH when the key stands for another request, STATE_CONFLICT while the same request is
 *   being answered
 */
export async function claimUntilAnswered(invocation: Invocation, db: Db): Promise<Answer | undefined> {
  const key = keyOf(invocation)
  if (key === undefined || (await claim(invocation, key, db))) return undefined
  const { answer } = await sameRequest(invocation, key, db)
  if (answer !== null) return answerAgain(invocation, answer)
  const { function: definition, idempotencyKey } = invocation.request
  const seconds = definition.scale.timeoutSeconds + GRACE_SECONDS
  const takenOver = await db`
    update idempotency_keys set created_at = now()
    where key = ${key} and answer is null and created_at < now() - make_interval(secs => ${seconds})
    returning key`
  if (takenOver.length > 0) return undefined
  throw new Failure(
    'STATE_CONFLICT',
    `Cannot repeat "${idempotencyKey}": that request is still being answered`,
    {
      suggestion: 'Ask again when Retry-After is over',
      retryAfterSeconds: 1,
    },
  )
}

/** Ends a claim that came to no answer, so that the request may be made again. */
export async function giveUpClaim(invocation: Invocation, db: Db): Promise<void> {
  await db`delete from idempotency_keys where key = ${keyOf(invocation) ?? ''} and answer is null`
}

/** A key is its person's own: nobody comes in a colleague's way by taking the same one. */
function keyOf(invocation: Invocation): string | undefined {
  const { idempotencyKey } = invocation.request
  return idempotencyKey === undefined ? undefined : `${callerOf(invocation).user}:${idempotencyKey}`
}

async function claim(invocation: Invocation, key: string, db: Db): Promise<boolean> {
  const { tenant } = callerOf(invocation)
  const claimed = await db`
    insert into idempotency_keys (tenant_id, key, endpoint, request_hash)
    values (${tenant}, ${key}, ${invocation.request.endpoint.name}, ${hashOf(invocation)})
    on conflict do nothing returning key`
  return claimed.length > 0
}

/** What is kept under the key, which must stand for this very request. */
async function sameRequest(invocation: Invocation, key: string, db: Db): Promise<KeptRow> {
  const [kept] = await db<
    KeptRow[]
  >`select endpoint, request_hash, answer from idempotency_keys where key = ${key}`
  const { name } = invocation.request.endpoint
  if (kept?.endpoint === name && hashOf(invocation).equals(kept.request_hash)) return kept
  throw mismatch(invocation)
}

function mismatch({ request: { idempotencyKey } }: Invocation): Failure {
  return new Failure(
    'IDEMPOTENCY_MISMATCH',
    `Cannot repeat "${idempotencyKey}": that key stands for another request`,
    { suggestion: 'Use a new Idempotency-Key for a new request' },
  )
}

function answerAgain({ request }: Invocation, { status, body, location }: KeptAnswer): Answer {
  request.answerHeaders['Idempotency-Replayed'] = 'true'
  if (location !== undefined) request.answerHeaders['Location'] = location
  return { status, body }
}

/** Stores the answer with the transaction that earned it. */
export function keepAnswer(invocation: Invocation, db: Db, { status, body }: Answer): void {
  const key = keyOf(invocation)
  if (key === undefined) return
  const answer = { status, body, location: invocation.request.answerHeaders['Location'] }
  db.send(db`update idempotency_keys set answer = ${JSON.stringify(answer)}::text::json where key = ${key}`)
}

/** The path and the person are part of the request: one does not get another's answer. */
function hashOf({ request, input, observer }: Invocation): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([request.path, input, observer?.user, observer?.archetype]))
    .digest()
}
