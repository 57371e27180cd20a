/**
 * Semaphores: questions that only a person can answer. The requester gets a token and goes on when it is resolved; all
 * of a tenant's wait in its purgatory. A pending one past its deadline is void, in every answer, and for good with the
 * next change.
 */
import { randomBytes } from 'node:crypto'
import type { PendingQuery, Row } from 'postgres'
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { NextCursor, orderBy, type Bounds } from '../../shared/contract/pages.ts'
import { oneAtATime } from '../../shared/database/one-at-a-time.ts'
import { Failure } from '../../shared/failures.ts'
import { beginningOf } from '../../shared/beginning.ts'

export const REASONS = [
  'approval_needed',
  'context_required',
  'sensitive_action',
  'ambiguous_choice',
  'resource_decision',
  'error_recovery',
] as const
export const SEVERITIES = ['info', 'warning', 'critical'] as const
export const STATUSES = ['pending', 'resolved', 'cancelled', 'voided'] as const
export type Severity = (typeof SEVERITIES)[number]
type Status = (typeof STATUSES)[number]

export const TokenId = z
  .string()
  .regex(/^sem-[0-9a-f]{8}$/)
  .meta({ description: 'Such as sem-0a1b2c3d' })

/** A token as callers name it: whatever it is, one that is not theirs is not found. */
export const AnyTokenId = z.string().min(1).max(64).meta({ description: 'Such as sem-0a1b2c3d' })

/** The entry of a semaphore in a list. */
const Summary = z.strictObject({
  token_id: TokenId,
  status: z.enum(STATUSES),
  reason: z.enum(REASONS),
  severity: z.enum(SEVERITIES),
  prompt: z.string(),
  deadline: z.string().nullable(),
  opened_at: z.string(),
})

/** All of a semaphore. */
export const Semaphore = Summary.extend({
  options: z.array(z.string()),
  escalation: z.string().nullable(),
  about: z.unknown(),
  asked_by: z.uuid(),
  human_input: z.string().nullable(),
  ended_by: z.uuid().nullable(),
  ended_at: z.string().nullable(),
})

export const NEWEST_FIRST = orderBy({ opened_at: 'timestamptz', id: 'text' }, 'desc')

/** Which semaphores are wanted; those of one person, or of the whole tenant. */
export interface Wanted extends Bounds {
  user?: string
  status?: Status | undefined
  severity?: Severity | undefined
}

export const Page = z.strictObject({
  semaphores: z.array(Summary),
  next_cursor: NextCursor,
})

interface SemaphoreRow {
  id: string
  user_id: string
  reason: (typeof REASONS)[number]
  prompt: string
  options: string[]
  severity: Severity
  deadline: Date | null
  escalation: string | null
  about: unknown
  status: Status
  human_input: string | null
  ended_by: string | null
  opened_at: Date
  ended_at: Date | null
}

export interface NewSemaphore {
  reason: SemaphoreRow['reason']
  prompt: string
  options: readonly string[]
  severity: Severity
  /** ISO 8601. */
  deadline?: string | undefined
  /** Whom to turn to when nobody answers. */
  escalation?: string | undefined
  about?: unknown
}

/** Semaphores of one person that may wait at once. */
const MAX_PENDING = 1000

/**
 * Opens a semaphore in the name of the caller.
 *
 * @throws Failure QUOTA_EXCEEDED where too many of the caller's wait already
 */
export async function openSemaphore(
  wanted: NewSemaphore,
  call: Pick<Call, 'db' | 'identity' | 'emit' | 'changed'>,
): Promise<{ id: string }> {
  await oneAtATime('semaphores', call)
  const { db, identity } = call
  const [pending] = await db<{ count: number }[]>`
    select count(*)::int as count from semaphores where ${isPending(db)} and user_id = ${identity.user}`
  if ((pending?.count ?? 0) >= MAX_PENDING) {
    throw new Failure('QUOTA_EXCEEDED', `Cannot ask: ${MAX_PENDING} of your questions wait already`, {
      suggestion: 'Have some resolved or cancelled, with world.purgatory',
    })
  }
  const id = await insert(wanted, call)
  const { reason, severity, prompt, deadline = null } = wanted
  call.emit('io.kgents.semaphore.opened', { token_id: id, reason, severity, prompt, deadline })
  await recordWaiting(call)
  return { id }
}

/** Tries ids until one is free: there are four thousand million of them for each tenant. */
async function insert(
  wanted: NewSemaphore,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<string> {
  const { reason, prompt, options, severity, deadline = null, escalation = null, about } = wanted
  for (;;) {
    const id = `sem-${randomBytes(4).toString('hex')}`
    const inserted = await db`
      insert into semaphores (tenant_id, id, user_id, reason, prompt, options, severity, deadline, escalation, about)
      values (${identity.tenant}, ${id}, ${identity.user}, ${reason}, ${prompt}, ${db.json(options)}, ${severity},
        ${deadline}, ${escalation}, ${about === undefined ? null : JSON.stringify(about)}::text::json)
      on conflict do nothing returning id`
    if (inserted.length > 0) return id
  }
}

/**
 * One semaphore of the tenant, or of `user` alone.
 *
 * @throws Failure NOT_FOUND where there is none
 */
export async function findSemaphore(
  id: string,
  { db }: Pick<Call, 'db'>,
  user?: string,
): Promise<SemaphoreRow> {
  const [row] = await db<SemaphoreRow[]>`
    select id, user_id, reason, prompt, options, severity, deadline, escalation, about, ${statusNow(db)} as status,
      human_input, ended_by, opened_at, ended_at
    from semaphores
    where id = ${id} and (${user ?? null}::uuid is null or user_id = ${user ?? null}::uuid)`
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find "${id}": there is no such semaphore`, {
    suggestion: 'world.purgatory.list shows what waits, self.semaphore.pending what you have asked',
  })
}

/** Semaphores, newest first. */
export async function listSemaphores(
  wanted: Wanted,
  { db }: Pick<Call, 'db'>,
): Promise<z.infer<typeof Page>> {
  const { user = null, status = null, severity = null, ...bounds } = wanted
  const semaphores = db<SemaphoreRow[]>`
    select id, reason, severity, prompt, deadline, opened_at, ${statusNow(db)} as status
    from semaphores
    where (${user}::uuid is null or user_id = ${user}::uuid)
      and (${status}::text is null or ${statusNow(db)} = ${status})
      and (${severity}::text is null or severity = ${severity})`
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, semaphores, bounds)
  return {
    semaphores: page.map(summaryOf),
    next_cursor,
  }
}

/** How many semaphores there are in each status, of the tenant or of `user` alone. */
export async function countSemaphores(
  { db }: Pick<Call, 'db'>,
  user?: string,
): Promise<Record<Status, number>> {
  const rows = await db<{ status: Status; n: number }[]>`
    select ${statusNow(db)} as status, count(*)::int as n from semaphores
    where ${user ?? null}::uuid is null or user_id = ${user ?? null}::uuid group by 1`
  const counts = { pending: 0, resolved: 0, cancelled: 0, voided: 0 }
  for (const { status, n } of rows) counts[status] = n
  return counts
}

/** How a semaphore ends by a person's word. */
export type Ending =
  | { status: 'resolved'; human_input: string }
  | { status: 'cancelled'; human_input: string | null }

/**
 * Ends a pending semaphore of the tenant.
 *
 * @throws Failure NOT_FOUND, STATE_CONFLICT where it is not pending, TYPE_MISMATCH where the answer is none of its options
 */
export async function endSemaphore(
  id: string,
  ending: Ending,
  call: Pick<Call, 'db' | 'identity' | 'emit' | 'changed'>,
): Promise<void> {
  await oneAtATime('semaphores', call)
  await voidExpired(call)
  const { status, options, deadline } = await findSemaphore(id, call)
  if (status !== 'pending') {
    throw new Failure('STATE_CONFLICT', `Cannot end "${id}": it is ${status}`, {
      suggestion: 'world.purgatory.inspect shows how it ended',
      details: { status, deadline: deadline?.toISOString() ?? null },
    })
  }
  if (ending.status === 'resolved') checkOption(ending.human_input, options)
  const { db, identity } = call
  await db`
    update semaphores set status = ${ending.status}, human_input = ${ending.human_input},
      ended_by = ${identity.user}, ended_at = clock_timestamp() where id = ${id}`
  const { human_input } = ending
  call.emit(`io.kgents.semaphore.${ending.status}`, { token_id: id, human_input, by: identity.user })
  await recordWaiting(call)
}

function checkOption(answer: string, options: readonly string[]): void {
  if (options.length === 0 || options.includes(answer)) return
  throw new Failure(
    'TYPE_MISMATCH',
    `Cannot answer "${beginningOf(answer, 100)}": it is none of the options`,
    {
      suggestion: 'Answer with one of the available options, word by word',
      available: options,
    },
  )
}

/** Semaphores that are made void at once; the rest follow with the next call. */
const MAX_VOIDED = 1000

/**
 * Writes down which pending semaphores are past their deadline.
 *
 * @returns their ids
 */
export async function voidExpired(call: Pick<Call, 'db' | 'emit'>): Promise<string[]> {
  const { db, emit } = call
  const rows = await db<{ id: string }[]>`
    update semaphores set status = 'voided', ended_at = deadline
    where id in (
      select id from semaphores where status = 'pending' and deadline <= now() order by deadline limit ${MAX_VOIDED}
    ) and status = 'pending'
    returning id`
  for (const { id } of rows) emit('io.kgents.semaphore.voided', { token_id: id })
  return rows.map(({ id }) => id).sort()
}

/** Semaphores that the record of what waits names; it counts the others. */
const MAX_RECORDED = 100

/** Records what waits from now on. Only with the tenant's semaphores locked is that sure to be all. */
export async function recordWaiting({ db, changed }: Pick<Call, 'db' | 'changed'>): Promise<void> {
  const rows = await db<(Pick<SemaphoreRow, 'id' | 'reason' | 'severity'> & { waiting: number })[]>`
    select id, reason, severity, (count(*) over ())::int as waiting from semaphores
    where ${isPending(db)} order by opened_at desc, id desc limit ${MAX_RECORDED}`
  const pending = rows.map(({ id, reason, severity }) => ({ token_id: id, reason, severity }))
  changed('world.purgatory', { pending_count: rows[0]?.waiting ?? 0, pending })
}

function summaryOf({ id, status, reason, severity, prompt, deadline, opened_at }: SemaphoreRow) {
  return {
    token_id: id,
    status,
    reason,
    severity,
    prompt,
    deadline: deadline?.toISOString() ?? null,
    opened_at: opened_at.toISOString(),
  }
}

export function tellSemaphore(row: SemaphoreRow): z.infer<typeof Semaphore> {
  const { options, escalation, about, user_id, human_input, ended_by, ended_at } = row
  return {
    ...summaryOf(row),
    options,
    escalation,
    about,
    asked_by: user_id,
    human_input,
    ended_by,
    ended_at: ended_at?.toISOString() ?? null,
  }
}

/** The status as it is now, whether or not the deadline's passing has been written down. */
function statusNow(db: Call['db']): PendingQuery<Row[]> {
  return db`(case when status = 'pending' and deadline <= now() then 'voided' else status end)`
}

/** In words that the index of what waits knows: what was answered long ago costs nothing. */
function isPending(db: Call['db']): PendingQuery<Row[]> {
  return db`(status = 'pending' and (deadline is null or deadline > now()))`
}
