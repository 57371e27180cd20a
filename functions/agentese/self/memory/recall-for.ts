/**
 * Memories for a prompt: what a person's words call to mind among what it keeps and what was said in its conversations,
 * each with where it comes from. Read-only, and without a model.
 */
import { beginningOf } from '../../../../shared/beginning.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import type { Corpus } from '../../../../shared/recall/entries.ts'
import { meaningOf } from '../../../../shared/recall/questions.ts'
import { search, vectorOf, type Hit, type ModelVector } from '../../../../shared/recall/search.ts'
import { provenanceOf, readSourceMessages, sourceOf, type Provenance } from './provenance.ts'
import { MEMORIES, readMemories } from './rows.ts'
import { SESSIONS } from './sessions.ts'
import { detailAt, inDetail, summaryOf } from './text.ts'

export interface RecalledMemory {
  /** Of a memory, or of a message of a conversation. */
  id: string
  text: string
  /** 0 to 1. */
  similarity: number
  by: ('words' | 'meaning')[]
  source: Provenance
}

export interface RecallFor {
  text: string
  /** At most 5. */
  limit?: number | undefined
  /** A conversation whose messages are not recalled, since the model is shown them anyway. */
  without?: string | undefined
  /** A conversation whose messages alone are looked through. */
  within?: string | undefined
}

/** Memories of one prompt. */
export const MAX_RECALLED = 5
/** As many characters of a text are looked for. */
const MAX_QUERY = 1000
/** The least similarity, 0 to 1. */
const THRESHOLD = 0.2
/** Hits of each kind that are looked at. */
const CANDIDATES = 20
/** How much of a question's words the memory has whose meaning stands in for the question's. */
const STANDS_IN = 0.5

/**
 * What this person remembers about `text`, best first; empty where nothing fits.
 *
 * By words, and by meaning: that of the text, where this process knows it from an earlier question, else that of the
 * memory that has most of its words (pseudo-relevance feedback, Rocchio 1971).
 */
export async function recallFor(
  call: Pick<Call, 'db' | 'identity'>,
  { text, limit = MAX_RECALLED, without, within }: RecallFor,
): Promise<RecalledMemory[]> {
  const question = beginningOf(text.trim(), MAX_QUERY)
  const most = Math.min(limit, MAX_RECALLED)
  if (question === '' || most < 1) return []
  const tags = within === undefined ? [] : [within]
  const [kept, said] = await Promise.all([
    within === undefined ? find(MEMORIES, question, tags, call) : [],
    find(SESSIONS, question, tags, call),
  ])
  const [memories, messages] = await Promise.all([showMemories(kept, call), showMessages(said, call)])
  return [...memories, ...messages.filter(({ source }) => source.session !== without)]
    .toSorted((a, b) => b.score - a.score || b.similarity - a.similarity)
    .slice(0, most)
    .map(({ id, text: words, similarity, by, source }) => ({ id, text: words, similarity, by, source }))
}

async function find(
  corpus: Corpus,
  text: string,
  tags: readonly string[],
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<Hit[]> {
  const question = { owner: identity.user, text, tags, limit: CANDIDATES, threshold: THRESHOLD }
  const known = meaningOf(identity.tenant, text)?.vector
  if (known !== undefined) return search(db, corpus, { ...question, meaning: known })
  const hits = await search(db, corpus, question)
  const meaning = await standIn(corpus, hits, { db, identity })
  return meaning === undefined ? hits : search(db, corpus, { ...question, meaning })
}

async function standIn(
  corpus: Corpus,
  [best]: readonly Hit[],
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<ModelVector | undefined> {
  if (best === undefined || best.similarity < STANDS_IN) return undefined
  return vectorOf(db, corpus, identity.user, best.subject)
}

type Scored = RecalledMemory & { score: number }

/** The earlier in its list, and the more like the question, the better. */
function scored<T extends { id: string }>(
  hits: readonly Hit[],
  rows: readonly T[],
): (T & Pick<Scored, 'score' | 'similarity' | 'by'>)[] {
  const places = new Map(hits.map((hit, at) => [hit.subject, { hit, at }]))
  return rows.flatMap((row) => {
    const place = places.get(row.id)
    if (place === undefined) return []
    const { similarity, by } = place.hit
    return [{ ...row, similarity, by, score: similarity / (place.at + 10) }]
  })
}

async function showMemories(hits: readonly Hit[], call: Pick<Call, 'db' | 'identity'>): Promise<Scored[]> {
  if (hits.length === 0) return []
  const rows = await readMemories(
    call,
    hits.map(({ subject }) => subject),
  )
  return scored(hits, rows).map(({ similarity, by, score, ...memory }) => ({
    id: memory.id,
    text: inDetail(memory.content, detailAt(Math.min(memory.resolution, 0.49))),
    similarity,
    by,
    score,
    source: sourceOf(memory),
  }))
}

async function showMessages(hits: readonly Hit[], call: Pick<Call, 'db' | 'identity'>): Promise<Scored[]> {
  if (hits.length === 0) return []
  const messages = await readSourceMessages(
    hits.map(({ subject }) => subject),
    call,
  )
  return scored(hits, [...messages.values()]).map(({ similarity, by, score, ...message }) => ({
    id: message.id,
    text: summaryOf(message.content),
    similarity,
    by,
    score,
    source: provenanceOf(message),
  }))
}
