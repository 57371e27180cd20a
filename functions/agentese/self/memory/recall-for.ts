/** Memories for a prompt: what a person's words call to mind, with where each comes from. Read-only. */
import type { Call } from '../../../../shared/contract/call.ts'
import { beginningOf } from '../../../../shared/beginning.ts'
import { meaningOf } from '../../../../shared/recall/questions.ts'
import { search } from '../../../../shared/recall/search.ts'
import { MEMORIES, readMemories } from './rows.ts'
import { detailAt, inDetail } from './text.ts'

/** Where a memory comes from. */
export interface Provenance {
  /** `experience`, or what else it was kept as; `session` for what was said in a conversation. */
  kind: string
  /** What whoever kept it names as its source. */
  ref: string | null
  session: string | null
  message: string | null
  /** Who said it: the person, or a model. */
  who: 'user' | 'assistant'
  model: string | null
  /** ISO 8601. */
  at: string
}

export interface RecalledMemory {
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
  limit?: number
}

/** Memories of one prompt. */
export const MAX_RECALLED = 5
/** As many characters of a text are looked for. */
const MAX_QUERY = 1000
/** The least similarity, 0 to 1. */
const THRESHOLD = 0.2

/**
 * What this person remembers about `text`, best first; empty where nothing fits.
 *
 * By words, and by meaning where the meaning of the text is known in this process.
 */
export async function recallFor(
  call: Pick<Call, 'db' | 'identity'>,
  { text, limit = MAX_RECALLED }: RecallFor,
): Promise<RecalledMemory[]> {
  const { db, identity } = call
  const question = beginningOf(text.trim(), MAX_QUERY)
  const most = Math.min(limit, MAX_RECALLED)
  if (question === '' || most < 1) return []
  const meaning = meaningOf(identity.tenant, question)?.vector
  const hits = await search(db, MEMORIES, {
    owner: identity.user,
    text: question,
    meaning,
    limit: most,
    threshold: THRESHOLD,
  })
  const found = new Map(hits.map((hit) => [hit.subject, hit]))
  const rows = await readMemories(call, [...found.keys()])
  return rows.map(({ id, content, resolution, source_type, source_ref, captured_at }) => ({
    id,
    text: inDetail(content, detailAt(Math.min(resolution, 0.49))),
    similarity: found.get(id)?.similarity ?? 0,
    by: found.get(id)?.by ?? [],
    source: {
      kind: source_type,
      ref: source_ref,
      session: null,
      message: null,
      who: 'user',
      model: null,
      at: captured_at.toISOString(),
    },
  }))
}
