/**
 * Dead letters as they are stored and shown: by their attributes, without their data, which may be a person's own, and
 * without their signature.
 */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import type { DeadLetter, DeadLetterError } from '../../../shared/events/dead-letter.ts'
import { messageIdOf } from '../../../shared/events/event.ts'
import { parseKept } from '../../../shared/exact-json.ts'
import { Failure } from '../../../shared/failures.ts'
import { newId } from '../../../shared/new-id.ts'

export const LetterError = z.strictObject({
  status: z.int().optional().describe('HTTP status of the last answer; absent where there was none'),
  message: z.string().describe('The beginning of that answer, or why there was none'),
})

export const Letter = z.strictObject({
  id: z.uuid(),
  function: z.string().describe('The function that did not take it'),
  event: z.record(z.string(), z.unknown()).describe('Attributes of the event'),
  error: LetterError,
  replays: z.int().describe('How often it was delivered again, in vain'),
  at: z.string(),
})

export interface LetterRow {
  id: string
  function: string
  event: string
  error: DeadLetterError
  replays: number
  kept_at: Date
}

/** UUIDs of version 7 sort by time. */
export const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')

/** Keeps `letter` once, however often it comes, unless it quotes what was forgotten meanwhile. */
export async function keepLetter(
  { event, function: name, error }: DeadLetter,
  { db }: Pick<Call, 'db'>,
): Promise<void> {
  const text = JSON.stringify(event)
  await db`
    insert into dead_letters (id, tenant_id, message_id, function, type, event, error)
    select ${newId()}, ${event.tenantid}, ${messageIdOf(event)}, ${name}, ${event.type}, ${text}, ${db.json({ ...error })}
    where not exists (select from memories where forgotten_at is not null and id = any (mentioned_ids(${text})))
      and not exists (select from jobs where forgotten_at is not null and id = any (mentioned_ids(${text})))
    on conflict do nothing`
}

interface Wanted extends Bounds {
  function?: string | undefined
  type?: string | undefined
}

export async function listLetters({ function: name, type, ...bounds }: Wanted, { db }: Pick<Call, 'db'>) {
  const letters = db<LetterRow[]>`
    select id, function, event, error, replays, kept_at from dead_letters
    where function = coalesce(${name ?? null}, function) and type = coalesce(${type ?? null}, type)`
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, letters, bounds)
  return { dead_letters: page.map(describe), next_cursor }
}

/** @throws Failure NOT_FOUND */
export async function find(id: string, { db }: Pick<Call, 'db'>): Promise<LetterRow> {
  const [row] = await db<LetterRow[]>`
    select id, function, event, error, replays, kept_at from dead_letters where id = ${id}`
  return present(row, id)
}

/** @throws Failure NOT_FOUND */
export async function removeLetter(id: string, { db }: Pick<Call, 'db'>): Promise<LetterRow> {
  const [row] = await db<LetterRow[]>`
    delete from dead_letters where id = ${id} returning id, function, event, error, replays, kept_at`
  return present(row, id)
}

function present(row: LetterRow | undefined, id: string): LetterRow {
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find dead letter "${id}"`, {
    suggestion: 'GET /v1/dead-letters lists them',
  })
}

export function describe({
  id,
  function: name,
  event,
  error,
  replays,
  kept_at,
}: LetterRow): z.infer<typeof Letter> {
  const {
    data: _data,
    data_base64: _base64,
    signature: _signature,
    ...attributes
  } = parseKept(event) as Record<string, unknown>
  return { id, function: name, event: attributes, error, replays, at: kept_at.toISOString() }
}
