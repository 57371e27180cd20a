/** Dead letters as operators see them. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import type { DeadLetterError } from '../../../shared/events/dead-letter.ts'
import { LetterError } from '../dead-letters/rows.ts'
import { operate } from '../tenants/operate.ts'
import { filterOf, type Filter } from './filter.ts'

export const OperatorLetter = z.strictObject({
  id: z.uuid(),
  tenant: z.strictObject({ id: z.uuid(), slug: z.string() }),
  function: z.string(),
  type: z.string(),
  message_id: z.string().describe('Of the event'),
  error: LetterError,
  replays: z.int().describe('How often it was delivered again, in vain'),
  at: z.string(),
})

interface LetterRow {
  id: string
  tenant_id: string
  slug: string
  function: string
  type: string
  message_id: string
  error: DeadLetterError
  replays: number
  kept_at: Date
}

/** UUIDs of version 7 sort by time. */
export const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')

export async function listLetters(
  { limit, cursor, ...filter }: Filter & Bounds,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
) {
  const [before = null] = NEWEST_FIRST.placeOf(cursor) ?? []
  const letters = db<LetterRow[]>`
    select * from page_of_dead_letters(${identity.user}, ${db.json(filterOf(filter))}, ${before}, ${limit + 1})`
  const { page, next_cursor } = await operate(NEWEST_FIRST.readPage(db, letters, { limit, cursor }))
  return { dead_letters: page.map(describe), next_cursor }
}

function describe({ tenant_id, slug, kept_at, ...letter }: LetterRow): z.infer<typeof OperatorLetter> {
  return { ...letter, tenant: { id: tenant_id, slug }, at: kept_at.toISOString() }
}
