/**
 * Recall: memories by their words, and by their meaning where that is embedded. It is read-only, so it does
 * not strengthen what it finds.
 */
import { z } from 'zod'
import type { Accepted, Call } from '../../../../shared/contract/call.ts'
import { requireAny } from '../../../../shared/contract/constraints.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { countEntries, type EntryCounts } from '../../../../shared/recall/entries.ts'
import { canEmbed, estimateTokens, keepIndexingFromLook } from '../../../../shared/recall/indexing.ts'
import { keepMeaning, meaningOf, type Meaning } from '../../../../shared/recall/questions.ts'
import { search, type ModelVector } from '../../../../shared/recall/search.ts'
import { Provenance, sourceOf } from './provenance.ts'
import { findMemory, Lifecycle, MEMORIES, readMemories, Tags, type MemoryRow } from './rows.ts'
import { ENGRAM } from './shapes.ts'
import { detailAt, inDetail, textOfResult } from './text.ts'
import { beginningOf } from '../../../../shared/beginning.ts'

const MAX_QUERY = 1000

const RecallInput = requireAny(
  z.strictObject({
    query: z.string().trim().min(1).max(MAX_QUERY).optional(),
    id: z.uuid().optional(),
    /** The result of the stage before, as a query. */
    input: z.unknown().optional(),
    limit: z.int().min(1).max(100).default(5),
    /** The least similarity, 0 to 1. Small models give 0.3 for what belongs together in other words. */
    threshold: z.number().min(0).max(1).default(0.2),
    tags: Tags.default([]),
    mode: z.enum(['hybrid', 'keyword']).default('hybrid'),
  }),
  ['query', 'id', 'input!'],
  'query or id is required',
)
type RecallInput = z.infer<typeof RecallInput>

const REASONS = ['requested', 'nothing_embedded', 'no_model', 'model_failed', 'unknown_script'] as const

const Recalled = z.strictObject({
  results: z.array(
    z.strictObject({
      id: z.uuid(),
      summary: z.string(),
      similarity: z.number().min(0).max(1),
      relevance: z.number().min(0).max(1),
      lifecycle: Lifecycle,
      tags: z.array(z.string()),
      captured_at: z.string(),
      /** What the question and the memory have in common. */
      by: z.array(z.enum(['words', 'meaning'])),
      source: Provenance,
    }),
  ),
  count: z.int().min(0),
  /** How it was looked for: by words and meaning, by words alone, or by its id. */
  mode: z.enum(['hybrid', 'keyword', 'id']),
  /** Why it was by words alone; `unknown_script`: the model cannot read the question, or any of the memories. */
  words_because: z.enum(REASONS).nullable(),
  /** Memories that cannot be found by meaning yet. */
  waiting: z.int().min(0),
  /** Memories in scripts that the model does not know: they are found by words alone. */
  words_only: z.int().min(0),
})

export const recall = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'Find memories by words and meaning, or one by its id',
  effects: ['reads:memory_crystals', 'calls:embedder', 'charges:tokens'],
  cost: () => ({ tokens: 50 }),
  needs: ['inference'],
  input: RecallInput,
  output: Recalled,
  examples: [
    { summary: 'In other words', input: { query: 'which server had no storage left' }, given: [ENGRAM] },
    { summary: 'By its words alone', input: { query: 'disk space', mode: 'keyword' }, given: [ENGRAM] },
  ],
  async handle(input, call) {
    if (input.id !== undefined) return recallById(input.id, call)
    const { db, identity } = call
    const counts = await countEntries(db, MEMORIES, identity.user)
    if (input.mode === 'keyword') return recallByText(input, call, { reason: 'requested' }, counts)
    if (counts.waiting > 0) await keepIndexingFromLook(call, MEMORIES)
    const known = meaningOf(identity.tenant, queryOf(input))
    if (known !== undefined) return recallByText(input, call, asMeaning(known), counts)
    if (counts.embedded === 0) return recallByText(input, call, nothingEmbedded(counts), counts)
    return (await askForMeaning(input, call)) ?? recallByText(input, call, { reason: 'no_model' }, counts)
  },
  async complete({ input, vectors: [vector], model }, call) {
    const meaning = vector === undefined ? {} : { vector: { model, vector } }
    keepMeaning(call.identity.tenant, queryOf(input), meaning)
    const counts = await countEntries(call.db, MEMORIES, call.identity.user)
    return recallByText(input, call, asMeaning(meaning), counts)
  },
  // Without what it means, there are still its words.
  async recover({ input }, call) {
    const counts = await countEntries(call.db, MEMORIES, call.identity.user)
    return recallByText(input, call, { reason: 'model_failed' }, counts)
  },
})

/** The vector of a question, or why there is none. */
type Understood = { vector: ModelVector } | { reason: (typeof REASONS)[number] }

function asMeaning({ vector }: Meaning): Understood {
  return vector === undefined ? { reason: 'unknown_script' } : { vector }
}

function nothingEmbedded({ waiting, words_only }: EntryCounts): Understood {
  return { reason: waiting === 0 && words_only > 0 ? 'unknown_script' : 'nothing_embedded' }
}

function queryOf({ query, input }: { query?: string | undefined; input?: unknown }): string {
  if (query !== undefined) return query
  return input === undefined ? '' : beginningOf(textOfResult(input), MAX_QUERY).trim()
}

async function recallById(
  id: string,
  call: Pick<Call, 'db' | 'identity'>,
): Promise<z.infer<typeof Recalled>> {
  await findMemory(call, id)
  const results = await showHits([{ subject: id, similarity: 1, by: [] }], call)
  return { results, count: results.length, mode: 'id', words_because: null, waiting: 0, words_only: 0 }
}

async function recallByText(
  input: RecallInput,
  call: Pick<Call, 'db' | 'identity'>,
  understood: Understood,
  { waiting, words_only }: EntryCounts,
): Promise<z.infer<typeof Recalled>> {
  const { tags, limit, threshold } = input
  const owner = call.identity.user
  const meaning = 'vector' in understood ? understood.vector : undefined
  const hits = await search(call.db, MEMORIES, {
    owner,
    text: queryOf(input),
    meaning,
    tags,
    limit,
    threshold,
  })
  const results = await showHits(hits, call)
  const count = results.length
  return 'vector' in understood
    ? { results, count, mode: 'hybrid', words_because: null, waiting, words_only }
    : { results, count, mode: 'keyword', words_because: understood.reason, waiting, words_only }
}

async function showHits(
  hits: readonly { subject: string; similarity: number; by: ('words' | 'meaning')[] }[],
  call: Pick<Call, 'db' | 'identity'>,
) {
  const rows = await readMemories(
    call,
    hits.map(({ subject }) => subject),
  )
  const bySubject = new Map(hits.map((hit) => [hit.subject, hit]))
  return rows.map((memory) => showHit(memory, bySubject.get(memory.id)))
}

function showHit(memory: MemoryRow, hit: { similarity: number; by: ('words' | 'meaning')[] } | undefined) {
  const { id, content, resolution, relevance, lifecycle, tags, captured_at } = memory
  return {
    id,
    summary: inDetail(content, detailAt(Math.min(resolution, 0.49))),
    similarity: hit?.similarity ?? 0,
    relevance,
    lifecycle,
    tags,
    captured_at: captured_at.toISOString(),
    by: hit?.by ?? [],
    source: sourceOf(memory),
  }
}

/** Requests the vector of the query; undefined where no model can be had, or where the plan has no tokens left. */
async function askForMeaning(
  input: RecallInput,
  call: Pick<Call, 'db' | 'identity' | 'infer' | 'hasModel'>,
): Promise<Accepted | undefined> {
  const text = queryOf(input)
  if (!(await canEmbed(call, [{ text }]))) return undefined
  return call.infer({ texts: [text], estimateTokens: estimateTokens([{ text }]) })
}
