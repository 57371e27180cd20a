/**
 * Memories for a prompt: what a person's words call to mind among what it keeps and what was said in its conversations,
 * each with where it comes from. Read-only, and without a model.
 */
import { beginningOf } from '../../../../shared/beginning.ts'
import { meaningOf } from '../../../../shared/recall/questions.ts'
import { search, type Hit, type ModelVector } from '../../../../shared/recall/search.ts'
import type { Person } from '../person.ts'
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
  /** The vector of the text, from whoever had it embedded. */
  meaning?: ModelVector | undefined
}

/** Memories of one prompt. */
export const MAX_RECALLED = 5
/** As many characters of a text are looked for. */
const MAX_QUERY = 1000
/** The least similarity, 0 to 1. */
const THRESHOLD = 0.2
/** Hits of each kind that are looked at. */
const CANDIDATES = 20

/**
 * What this person remembers about `text`, best first; empty where nothing fits.
 *
 * By words, and by meaning where the text's vector is given, or known in this process from an earlier question.
 */
export async function recallFor(
  call: Person,
  { text, limit = MAX_RECALLED, without, within, meaning }: RecallFor,
): Promise<RecalledMemory[]> {
  const question = beginningOf(text.trim(), MAX_QUERY)
  const most = Math.min(limit, MAX_RECALLED)
  if (question === '' || most < 1) return []
  const asked = {
    owner: call.identity.user,
    text: question,
    tags: within === undefined ? [] : [within],
    meaning: meaning ?? meaningOf(call.identity.tenant, question)?.vector,
    limit: CANDIDATES,
    threshold: THRESHOLD,
  }
  const [kept, said] = await Promise.all([
    within === undefined ? search(call.db, MEMORIES, asked) : [],
    search(call.db, SESSIONS, asked),
  ])
  const [memories, messages] = await Promise.all([showMemories(kept, call), showMessages(said, call)])
  return [...memories, ...messages.filter(({ source }) => source.session !== without)]
    .toSorted((a, b) => b.score - a.score || b.similarity - a.similarity)
    .slice(0, most)
    .map(({ id, text: words, similarity, by, source }) => ({ id, text: words, similarity, by, source }))
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

async function showMemories(hits: readonly Hit[], call: Person): Promise<Scored[]> {
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

async function showMessages(hits: readonly Hit[], call: Person): Promise<Scored[]> {
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
