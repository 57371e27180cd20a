/** What a person's memory has on what an agent is asked. */
import type { Call } from '../../../../shared/contract/call.ts'
import { beginningOf } from '../../../../shared/beginning.ts'
import { search } from '../../../../shared/recall/search.ts'
import { MEMORIES, readMemories } from '../../self/memory/rows.ts'
import { detailAt, inDetail } from '../../self/memory/text.ts'

/** As many characters of a text are looked for. */
const MAX_QUERY = 1000
const MAX_MEMORIES = 5

/** Memories about `text`, the best first; none where nothing fits. */
export async function memoriesFor(
  call: Pick<Call, 'db' | 'identity'>,
  text: string,
): Promise<{ id: string; text: string }[]> {
  const { db, identity } = call
  const question = beginningOf(text.trim(), MAX_QUERY)
  const hits = await search(db, MEMORIES, {
    owner: identity.user,
    text: question,
    limit: MAX_MEMORIES,
    threshold: 0.2,
  })
  const rows = await readMemories(
    call,
    hits.map(({ subject }) => subject),
  )
  return rows.map(({ id, content, resolution }) => ({ id, text: inDetail(content, detailAt(resolution)) }))
}
