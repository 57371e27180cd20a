/**
 * A person's memories as rows. Every query names the person: row-level security keeps tenants apart, and within one
 * nobody can read another's memories, admins included.
 */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { orderBy, type Bounds, type Page } from '../../../../shared/contract/pages.ts'
import type { Db } from '../../../../shared/database/database.ts'
import { Failure } from '../../../../shared/failures.ts'
import type { Corpus } from '../../../../shared/recall/entries.ts'
import type { Person } from '../person.ts'
import { detailAt, inDetail } from './text.ts'

export const MEMORIES: Corpus = { kind: 'memory', node: 'self.memory' }

/** Memories of one person, those that are composting among them. */
export const MAX_MEMORIES = 20_000
/** Days for which what was forgotten can be restored; then it is gone, as `is_gone` in the database says it. */
export const COMPOST_DAYS = 30
/** Tags of one memory. */
export const MAX_TAGS = 32
export const Tag = z.string().trim().min(1).max(64)
export const Tags = z.array(Tag).max(MAX_TAGS)

const LIFECYCLES = ['active', 'dormant', 'dreaming', 'composting'] as const
export const Lifecycle = z.enum(LIFECYCLES)

/** A memory that was merged into another one, as it was. */
const Source = z.strictObject({
  id: z.uuid(),
  content: z.string(),
  tags: z.array(z.string()),
  source_type: z.string(),
  source_ref: z.string().nullable(),
  metadata: z.record(z.string(), z.unknown()),
  causal_parent: z.uuid().nullable(),
  captured_at: z.string(),
})
export type Source = z.infer<typeof Source>

export interface MemoryRow {
  id: string
  content: string
  tags: string[]
  source_type: string
  source_ref: string | null
  metadata: Record<string, unknown>
  causal_parent: string | null
  lifecycle: (typeof LIFECYCLES)[number]
  resolution: number
  /** As it is now, with what decayed. */
  relevance: number
  cherished: boolean
  access_count: number
  last_accessed: Date | null
  captured_at: Date
  merged_into: string | null
  merged_from: Source[]
  /** The message of a conversation that it was taken from, and the model that said it. */
  session_id: string | null
  message_id: string | null
  model: string | null
}

/** A memory as it is shown to its owner: at a low resolution, a summary or a title is what is shown of it. */
export const MemoryView = z.strictObject({
  id: z.uuid(),
  content: z.string(),
  /** How much of its text is shown; nothing while it is composting. */
  detail: z.enum(['text', 'summary', 'title', 'nothing']),
  tags: z.array(z.string()),
  source_type: z.string(),
  source_ref: z.string().nullable(),
  metadata: z.record(z.string(), z.unknown()),
  causal_parent: z.uuid().nullable(),
  lifecycle: Lifecycle,
  resolution: z.number().min(0).max(1),
  relevance: z.number().min(0).max(1),
  cherished: z.boolean(),
  access_count: z.int().min(0),
  last_accessed: z.string().nullable(),
  captured_at: z.string(),
  /** The newer memory of the same text that it was merged into; `restore` separates them again. */
  merged_into: z.uuid().nullable(),
  /** Older memories of the same text that were merged into it, as they were. */
  merged_from: z.array(Source),
  /** The message of a conversation that it was taken from. */
  session_id: z.uuid().nullable(),
  message_id: z.uuid().nullable(),
  /** The model that said it; null where the person did. */
  model: z.string().nullable(),
})

/** What was forgotten says nothing: its id, tags and times are enough to find and restore it. */
const NOTHING = { content: '', detail: 'nothing' as const, source_ref: null, metadata: {}, merged_from: [] }

export function viewOf(row: MemoryRow): z.infer<typeof MemoryView> {
  const detail = detailAt(row.resolution)
  const shown = row.lifecycle === 'composting' ? NOTHING : { content: inDetail(row.content, detail), detail }
  return {
    ...row,
    ...shown,
    last_accessed: row.last_accessed?.toISOString() ?? null,
    captured_at: row.captured_at.toISOString(),
  }
}

/** What is read of a memory. */
export function columns(db: Db) {
  return db`m.id, m.content, m.tags, m.source_type, m.source_ref, m.metadata, m.causal_parent, m.lifecycle,
    m.resolution, relevance_now(m) as relevance, m.cherished, m.access_count, m.last_accessed, m.captured_at,
    m.merged_into, m.merged_from, m.session_id, m.message_id, m.model`
}

/**
 * One memory of this person, locked where it is to be changed; what was forgotten is there until it is gone for good.
 *
 * @throws Failure NOT_FOUND where this person has no such memory
 */
export async function findMemory(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  id: string,
  lock = false,
): Promise<MemoryRow> {
  const [row] = await db<MemoryRow[]>`
    select ${columns(db)} from memories m where m.id = ${id} and m.user_id = ${identity.user} and not is_gone(m)
    ${lock ? db`for update` : db``}`
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find memory "${id}": you have none of that id`, {
    suggestion: 'self.memory.recent lists your memories',
  })
}

export const NEWEST_FIRST = orderBy({ captured_at: 'timestamptz', id: 'uuid' }, 'desc')

export interface Wanted extends Bounds {
  tag?: string | undefined
  lifecycle?: (typeof LIFECYCLES)[number] | undefined
}

/** Memories newest first; without a lifecycle, those that can be recalled. */
export async function listMemories(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  { tag, lifecycle, ...bounds }: Wanted,
): Promise<Page<MemoryRow>> {
  const memories = db<MemoryRow[]>`
    select ${columns(db)} from memories m
    where m.user_id = ${identity.user} and not is_gone(m)
      and ${lifecycle === undefined ? db`m.lifecycle in ('active', 'dormant')` : db`m.lifecycle = ${lifecycle}`}
      and ${tag === undefined ? db`true` : db`m.tag_keys @> name_keys(${db.json([tag])})`}`
  return NEWEST_FIRST.readPage(db, memories, bounds)
}

/** Memories by id, in the order of `ids`; those that cannot be read now are omitted. */
export async function readMemories({ db, identity }: Person, ids: readonly string[]): Promise<MemoryRow[]> {
  const rows = await db<MemoryRow[]>`
    select ${columns(db)} from memories m
    where m.user_id = ${identity.user} and m.lifecycle in ('active', 'dormant')
      and m.id in (select jsonb_array_elements_text(${db.json([...ids])})::uuid)`
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap((id) => byId.get(id) ?? [])
}

/** What recalling adds to a memory's relevance and resolution, each time. */
const REINFORCEMENT = 0.2

/** A memory that was recalled; how often and when last. */
export interface Recalled {
  id: string
  times: number
  at: string
}

/** Makes memories that were recalled active, more relevant and clearer again; answers how many. */
export async function strengthen(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  recalled: readonly Recalled[],
): Promise<number> {
  if (recalled.length === 0) return 0
  const rows = await db`
    update memories m set lifecycle = 'active', access_count = m.access_count + r.times,
      last_accessed = greatest(m.last_accessed, r.at), relevant_at = now(),
      relevance = least(1, relevance_now(m) + ${REINFORCEMENT}::real * r.times),
      resolution = least(1, m.resolution + ${REINFORCEMENT}::real * r.times)
    from jsonb_to_recordset(${db.json(recalled)}) as r(id uuid, times integer, at timestamptz)
    where m.id = r.id and m.user_id = ${identity.user} and m.lifecycle in ('active', 'dormant')`
  return rows.count
}

/** How many memories a tenant's people have, by lifecycle: what the past keeps of `self.memory`, and nothing of any. */
export async function countOfTenant(db: Db): Promise<Record<string, number>> {
  const rows = await db<{ lifecycle: string; count: number }[]>`
    select lifecycle, count(*)::int as count from memories group by lifecycle`
  const counts = Object.fromEntries(rows.map(({ lifecycle, count }) => [lifecycle, count]))
  return Object.fromEntries(LIFECYCLES.map((lifecycle) => [lifecycle, counts[lifecycle] ?? 0]))
}
