/** `Idempotency-Key`: the same key and request give the same answer, however often they come. */
import { createHash } from 'node:crypto'
import type { Db } from '../database/database.ts'
import { Failure } from '../failures.ts'
import { callerOf, type Answer, type Invocation } from './invocation.ts'

interface KeptRow {
  endpoint: string
  request_hash: Buffer
  answer: { status: number; body: unknown; location?: string } | null
}

/**
 * Claims the request's key in this transaction, or finds the answer that was given before. Two requests with one key
 * meet at the primary key: the second waits until the first has committed, or takes its place when it failed.
 *
 * @throws Failure IDEMPOTENCY_MISMATCH when the key stands for another request
 */
export async function claimAnswer(invocation: Invocation, db: Db): Promise<Answer | undefined> {
  const { idempotencyKey: key, endpoint } = invocation.request
  if (key === undefined) return undefined
  const hash = hashOf(invocation)
  const claimed = await db`
    insert into idempotency_keys (tenant_id, key, endpoint, request_hash)
    values (${callerOf(invocation).tenant}, ${key}, ${endpoint.name}, ${hash}) on conflict do nothing returning key`
  if (claimed.length > 0) return undefined
  const [kept] = await db<
    KeptRow[]
  >`select endpoint, request_hash, answer from idempotency_keys where key = ${key}`
  if (kept?.answer == null || kept.endpoint !== endpoint.name || !hash.equals(kept.request_hash)) {
    throw new Failure('IDEMPOTENCY_MISMATCH', `Cannot repeat "${key}": that key stands for another request`, {
      suggestion: 'Use a new Idempotency-Key for a new request',
    })
  }
  const { status, body, location } = kept.answer
  const { answerHeaders } = invocation.request
  answerHeaders['Idempotency-Replayed'] = 'true'
  if (location !== undefined) answerHeaders['Location'] = location
  return { status, body }
}

/** Stores the answer with the transaction that earned it. */
export async function keepAnswer(invocation: Invocation, db: Db, { status, body }: Answer): Promise<void> {
  const { idempotencyKey: key, answerHeaders } = invocation.request
  if (key === undefined) return
  const answer = { status, body, location: answerHeaders['Location'] }
  await db`update idempotency_keys set answer = ${JSON.stringify(answer)}::text::json where key = ${key}`
}

/** The path and the person are part of the request: one does not get another's answer. */
function hashOf({ request, input, observer }: Invocation): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([request.path, input, observer?.user, observer?.archetype]))
    .digest()
}
