/** Preferences and patterns as rows. Every query names the person: nobody reads or changes another's, admins included. */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { oneAtATime } from '../../../../shared/database/one-at-a-time.ts'
import type { Db } from '../../../../shared/database/database.ts'
import { Failure } from '../../../../shared/failures.ts'
import { newId } from '../../../../shared/new-id.ts'
import type { Person } from '../person.ts'
import {
  confidenceAt,
  contradicts,
  kindOf,
  keyOf,
  MAX_CONTENT,
  PATHS,
  SOURCES,
  standingAt,
  STATUSES,
  type Trait,
} from './traits.ts'

/** Traits of one person that are in use or proposed. */
const MAX_TRAITS = 500
/** Reverted ones that are kept, so that they are not proposed again; the oldest make room. */
const MAX_REVERTED = 500

export const Content = z.string().trim().min(1).max(MAX_CONTENT)

/** A trait as it is shown to its owner. */
export const TraitView = z.strictObject({
  id: z.uuid(),
  path: z.string(),
  content: z.string(),
  source: z.enum(SOURCES),
  /** As it is now, with what decayed. */
  confidence: z.number().min(0).max(1),
  standing: z.enum(['current', 'review', 'archived']),
  occurrences: z.int().min(1),
  status: z.enum(STATUSES),
  reason: z.string().nullable(),
  confirmed_at: z.string(),
})

export function viewOf(trait: Trait, at = new Date()): z.infer<typeof TraitView> {
  const { id, path, content, source, occurrences, status, reason, confirmed_at } = trait
  return {
    id,
    path,
    content,
    source,
    confidence: Math.round(confidenceAt(trait, at) * 1000) / 1000,
    standing: standingAt(trait, at),
    occurrences,
    status,
    reason,
    confirmed_at: confirmed_at.toISOString(),
  }
}

function columns(db: Db) {
  return db`id, aspect, path, content, source, confidence, confirmed_at, occurrences, status, reason, replaces,
    token_id, created_at`
}

/** What the person has set or accepted, the latest confirmed first. */
export function readCommitted({ db, identity }: Person): Promise<Trait[]> {
  return readInStatus('committed', { db, identity })
}

/** What is committed, or what is proposed. */
export async function readInStatus(
  status: 'committed' | 'pending',
  { db, identity }: Person,
): Promise<Trait[]> {
  return db<Trait[]>`
    select ${columns(db)} from persona_traits
    where user_id = ${identity.user} and status = ${status} order by confirmed_at desc, id desc limit ${MAX_TRAITS}`
}

/** Lets changes of one persona happen one after the other. */
export function lockPersona(call: Person): Promise<void> {
  return oneAtATime(`persona/${call.identity.user}`, call)
}

/** @throws Failure NOT_FOUND where this person has no such trait */
export async function findTrait(id: string, { db, identity }: Person): Promise<Trait> {
  const [row] = await db<Trait[]>`
    select ${columns(db)} from persona_traits where id = ${id} and user_id = ${identity.user}`
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find proposal "${id}": you have none of that id`, {
    suggestion: 'self.soul.proposals lists what waits for your consent',
  })
}

/** The trait of this content, whatever became of it; the latest one. */
export async function findSame(
  { aspect, path, content }: Pick<Trait, 'aspect' | 'path' | 'content'>,
  { db, identity }: Person,
): Promise<Trait | undefined> {
  const [row] = await db<Trait[]>`
    select ${columns(db)} from persona_traits
    where user_id = ${identity.user} and aspect = ${aspect} and path = ${path} and key = ${keyOf(content)}
    order by (status <> 'reverted') desc, id desc limit 1`
  return row
}

/** What is in use and cannot hold together with `trait`. */
export async function findContradictions(
  trait: Pick<Trait, 'aspect' | 'path' | 'content'>,
  call: Person,
  at = new Date(),
): Promise<Trait[]> {
  const committed = await readCommitted(call)
  return committed.filter((each) => standingAt(each, at) !== 'archived' && contradicts(each, trait))
}

export type NewTrait = Pick<Trait, 'aspect' | 'path' | 'content' | 'source' | 'confidence' | 'status'> &
  Partial<Pick<Trait, 'reason' | 'replaces'>> & {
    evidence?: readonly { session?: string | undefined; message: string }[]
  }

/** @throws Failure QUOTA_EXCEEDED where the persona is full */
export async function insertTrait(trait: NewTrait, { db, identity }: Person): Promise<Trait> {
  const { aspect, path, content, source, confidence, status, reason = null, replaces = null } = trait
  await checkRoom({ db, identity })
  const [row] = await db<Trait[]>`
    insert into persona_traits (id, tenant_id, user_id, aspect, path, content, key, source, confidence, status, reason,
      replaces, evidence)
    values (${newId()}, ${identity.tenant}, ${identity.user}, ${aspect}, ${path}, ${content}, ${keyOf(content)},
      ${source}, ${confidence}, ${status}, ${reason}, ${replaces}, ${db.json((trait.evidence ?? []).map((each) => ({ ...each })))})
    returning ${columns(db)}`
  if (row === undefined) throw new TypeError('Cannot keep a trait: nothing was inserted')
  return row
}

/** What changes of a trait; `confirmed` says that it holds now. */
export type Change = Partial<
  Pick<Trait, 'source' | 'confidence' | 'status' | 'reason' | 'replaces' | 'token_id' | 'occurrences'>
> & { confirmed?: boolean }

export async function changeTrait(trait: Trait, change: Change, { db }: Pick<Call, 'db'>): Promise<Trait> {
  const { confirmed = false, ...rest } = change
  const { source, confidence, status, reason, replaces, token_id, occurrences } = { ...trait, ...rest }
  const [row] = await db<Trait[]>`
    update persona_traits set source = ${source}, confidence = ${confidence}, status = ${status}, reason = ${reason},
      replaces = ${replaces}, token_id = ${token_id}, occurrences = ${occurrences},
      confirmed_at = ${confirmed ? db`now()` : db`confirmed_at`},
      decided_at = ${rest.status === undefined ? db`decided_at` : db`now()`}
    where id = ${trait.id} returning ${columns(db)}`
  return row ?? trait
}

/** @throws Failure TYPE_MISMATCH where an aspect has no such path */
export function checkPath(aspect: Trait['aspect'], path: string): 'one' | 'many' {
  const kind = kindOf({ aspect, path })
  if (kind !== undefined) return kind
  throw new Failure('TYPE_MISMATCH', `Cannot keep a ${aspect} at "${path}": there is no such path`, {
    suggestion: 'Use one of the available paths',
    available: Object.keys(PATHS[aspect]),
  })
}

/** @throws Failure QUOTA_EXCEEDED */
async function checkRoom({ db, identity }: Person): Promise<void> {
  const [row] = await db<{ live: number; reverted: number }[]>`
    select (count(*) filter (where status <> 'reverted'))::int as live,
      (count(*) filter (where status = 'reverted'))::int as reverted
    from persona_traits where user_id = ${identity.user}`
  if ((row?.reverted ?? 0) > MAX_REVERTED) {
    await db`
      delete from persona_traits where id in (
        select id from persona_traits where user_id = ${identity.user} and status = 'reverted'
        order by decided_at desc, id desc offset ${MAX_REVERTED})`
  }
  if ((row?.live ?? 0) < MAX_TRAITS) return
  throw new Failure(
    'QUOTA_EXCEEDED',
    `Cannot keep one more: your persona has ${MAX_TRAITS} preferences and patterns`,
    {
      suggestion: 'Remove some with self.soul.update, or reject proposals with self.soul.reject',
      details: { resource: 'persona_traits', limit: MAX_TRAITS },
    },
  )
}
