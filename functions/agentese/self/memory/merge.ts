/**
 * Memories that say the same become one: equal texts, whatever their spaces and their case are, and no others. However
 * alike two other texts are, one of them may deny the other: a "not", a digit or a name makes all the difference.
 *
 * The newest stays. Those that were merged into it compost, can be restored like anything on the compost, and stay on
 * record in `merged_from` of the one that has taken them in.
 */
import { createHash } from 'node:crypto'
import type { Call } from '../../../../shared/contract/call.ts'
import type { Db } from '../../../../shared/database/database.ts'
import { findSame, readEmbedded } from '../../../../shared/recall/alike.ts'
import { hideEntries, tagEntry } from '../../../../shared/recall/entries.ts'
import { columns, MAX_TAGS, MEMORIES, type MemoryRow, type Source } from './rows.ts'

/** Bytes of the JSON of all that is merged into one memory. Equal memories beyond that stay, or merge into another. */
const MAX_SOURCES = 65_536
/** Memories that are read at once, and the most of one text in one consolidation. */
const PAGE = 500

type MergeRow = MemoryRow & { own_tags: string[] | null; statement: string }

/** A memory and those that are to be merged into it; `sources` is what it will have taken in. */
interface Merge {
  kept: MergeRow
  gone: MergeRow[]
  sources: Source[]
  bytes: number
}

/**
 * Merges equal memories of this person, except for cherished ones, which are never merged into another, and for those
 * that were restored from an earlier merge.
 *
 * @returns how many were merged into others
 */
export async function mergeEqual(call: Pick<Call, 'db' | 'identity'>): Promise<number> {
  await keepStatements(call)
  let merged = 0
  for (const statements of await repeatedStatements(call)) {
    const rows = await readStatements(call, statements)
    const groups = Map.groupBy(rows, ({ statement }) => statement)
    const merges = [...groups.values()].flatMap((group) => planMerges(group.slice(0, PAGE)))
    for (const merge of merges) merged += await mergeInto(call, merge)
  }
  return merged
}

/** What a text says, whatever its spaces and its case are, as bytes to compare. */
function statementOf(content: string): Buffer {
  // NFC and simple lower case: NFKC would make 10² the same as 102, and full case folding "Maße" the same as "Masse".
  const same = content.normalize('NFC').toLowerCase().replaceAll(/\s+/g, ' ').trim()
  return createHash('sha256').update(same).digest()
}

async function keepStatements({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<void> {
  for (;;) {
    const rows = await db<{ id: string; content: string }[]>`
      select id, content from memories
      where user_id = ${identity.user} and statement is null and lifecycle <> 'composting' limit ${PAGE}`
    if (rows.length === 0) return
    const statements = rows.map(({ id, content }) => ({
      id,
      statement: statementOf(content).toString('base64'),
    }))
    await db`
      update memories m set statement = decode(s.statement, 'base64')
      from jsonb_to_recordset(${db.json(statements)}) as s(id uuid, statement text) where m.id = s.id`
  }
}

/** Statements of several memories, in lists that make a page of memories each. */
async function repeatedStatements({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<string[][]> {
  const rows = await db<{ statement: string; count: number }[]>`
    select encode(statement, 'base64') as statement, count(*)::int as count from memories m
    where ${mergeable(db, identity.user)} group by m.statement having count(*) > 1`
  const lists: string[][] = []
  let room = 0
  for (const { statement, count } of rows) {
    if (count > room) {
      lists.push([])
      room = PAGE
    }
    lists.at(-1)?.push(statement)
    room -= count
  }
  return lists
}

/** Memories of these statements, newest first. */
function readStatements(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  statements: readonly string[],
): Promise<MergeRow[]> {
  return db<MergeRow[]>`
    select ${columns(db)}, m.own_tags, encode(m.statement, 'base64') as statement from memories m
    where ${mergeable(db, identity.user)}
      and m.statement in (select decode(jsonb_array_elements_text(${db.json([...statements])}), 'base64'))
    order by m.captured_at desc, m.id desc limit ${2 * PAGE} for update`
}

function mergeable(db: Db, user: string) {
  return db`m.user_id = ${user} and m.lifecycle <> 'composting' and not m.separate`
}

/** Of equal memories, newest first, each takes in those after it, up to one that is cherished or finds no room. */
function planMerges(group: readonly MergeRow[]): Merge[] {
  const merges: Merge[] = []
  for (const row of group) {
    const merge = merges.at(-1)
    const sources = sourcesOf(row)
    const bytes = bytesOf(sources)
    if (merge === undefined || row.cherished || merge.bytes + bytes > MAX_SOURCES) {
      merges.push({ kept: row, gone: [], sources: [...row.merged_from], bytes: bytesOf(row.merged_from) })
      continue
    }
    merge.gone.push(row)
    merge.sources.push(...sources)
    merge.bytes += bytes
  }
  return merges.filter(({ gone }) => gone.length > 0)
}

/** A memory as a source of another one, followed by its own sources. */
function sourcesOf(row: MergeRow): Source[] {
  const { id, content, source_type, source_ref, metadata, causal_parent, captured_at, merged_from } = row
  const own = { source_type, source_ref, metadata, causal_parent, captured_at: captured_at.toISOString() }
  return [{ id, content, tags: row.own_tags ?? row.tags, ...own }, ...merged_from]
}

function bytesOf(sources: readonly Source[]): number {
  return Buffer.byteLength(JSON.stringify(sources))
}

async function mergeInto(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  { kept, gone, sources }: Merge,
): Promise<number> {
  const all = [kept, ...gone]
  const tags = joinTags(all)
  const most = (of: (row: MemoryRow) => number) => Math.max(...all.map(of))
  await db`
    update memories set tags = ${db.json(tags)}, own_tags = ${db.json(kept.own_tags ?? kept.tags)},
      merged_from = ${db.json(sources)}, access_count = ${all.reduce((sum, each) => sum + each.access_count, 0)},
      relevance = ${most((each) => each.relevance)}, relevant_at = now(), resolution = ${most((each) => each.resolution)},
      lifecycle = ${all.some(({ lifecycle }) => lifecycle === 'active') ? 'active' : kept.lifecycle}
    where id = ${kept.id}`
  const ids = gone.map(({ id }) => id)
  await db`
    update memories set lifecycle = 'composting', forgotten_at = now(), merged_into = ${kept.id}
    where id in (select jsonb_array_elements_text(${db.json(ids)})::uuid)`
  await hideEntries(db, MEMORIES, identity.user, ids, true)
  await tagEntry(db, MEMORIES, identity.user, kept.id, tags)
  return gone.length
}

function joinTags(all: readonly { tags: readonly string[] }[]): string[] {
  return [...new Set(all.flatMap(({ tags }) => tags))].slice(0, MAX_TAGS)
}

/** Cosine from which two memories may say the same in other words, or the opposite in the same ones. */
const ALIKE = 0.95
/** Suggestions of one consolidation, and memories in each of them. */
const MAX_SUGGESTIONS = 20
const MAX_ALIKE = 10

/** Memories that mean much the same, for a person to decide about: in lists of two and more, of those embedded since then. */
export async function suggestMerges(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  since: Date,
): Promise<string[][]> {
  const entries = await readEmbedded(db, MEMORIES, identity.user, since)
  const alike = await findSame(entries, ALIKE)
  return [...alike].slice(0, MAX_SUGGESTIONS).map(([id, others]) => [id, ...others].slice(0, MAX_ALIKE))
}

/**
 * Takes a memory that is restored or forgotten out of what it was merged into, with what had been merged into it: that
 * loses the tags which it had from them alone. What was taken out is never merged again.
 */
export async function separate({ db, identity }: Pick<Call, 'db' | 'identity'>, id: string): Promise<void> {
  const [taken] = await db<Pick<MemoryRow, 'merged_from' | 'access_count'>[]>`
    update memories set merged_into = null, separate = true where id = ${id} and merged_into is not null
    returning merged_from, access_count`
  if (taken === undefined) return
  const out = new Set([id, ...taken.merged_from.map((source) => source.id)])
  const holders = await db<Pick<MergeRow, 'id' | 'tags' | 'own_tags' | 'merged_from'>[]>`
    select id, tags, own_tags, merged_from from memories
    where user_id = ${identity.user} and merged_from @> ${db.json([{ id }])} for update`
  for (const { id: holder, merged_from, ...holds } of holders) {
    const sources = merged_from.filter((source) => !out.has(source.id))
    const own_tags = holds.own_tags ?? holds.tags
    const tags = joinTags([{ tags: own_tags }, ...sources])
    await db`
      update memories set tags = ${db.json(tags)}, merged_from = ${db.json(sources)},
        own_tags = ${sources.length === 0 ? null : db.json(own_tags)},
        access_count = greatest(0, access_count - ${taken.access_count}::integer)
      where id = ${holder}`
    await tagEntry(db, MEMORIES, identity.user, holder, tags)
  }
}
