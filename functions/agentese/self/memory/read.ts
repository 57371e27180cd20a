/** A person's memories, one or page by page. */
import { z } from 'zod'
import { KEEPERS, SCHOLARS, THINKERS } from '../../../../shared/agentese/archetypes.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { NextCursor } from '../../../../shared/contract/pages.ts'
import { findMemory, Lifecycle, listMemories, MemoryView, NEWEST_FIRST, Tag, viewOf } from './rows.ts'
import { ENGRAM, idOf, ITS_ID, naming, OneMemory } from './shapes.ts'

const Page = { limit: z.int().min(1).max(100).default(10), cursor: NEWEST_FIRST.Cursor.optional() }
const Listed = z.strictObject({ memories: z.array(MemoryView), next_cursor: NextCursor })

export const get = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'One memory, in as much detail as is left of it',
  effects: ['reads:memory_crystals'],
  input: naming(z.strictObject(OneMemory)),
  output: MemoryView,
  examples: [{ summary: 'Read it', input: ITS_ID, given: [ENGRAM] }],
  handle: async (which, call) => viewOf(await findMemory(call, idOf(which))),
})

export const recent = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'Your memories, newest first',
  effects: ['reads:memory_crystals'],
  input: z.strictObject({
    ...Page,
    /** Only those; without it, all that can be recalled. */
    lifecycle: Lifecycle.exclude(['dreaming']).optional(),
  }),
  output: Listed,
  examples: [{ summary: 'The last three', input: { limit: 3 }, given: [ENGRAM] }],
  handle: listPage,
})

export const bytag = aspect({
  category: 'P',
  archetypes: [...KEEPERS, ...SCHOLARS, ...THINKERS],
  summary: 'Your memories with a tag, newest first',
  effects: ['reads:memory_crystals'],
  input: z.strictObject({ ...Page, tag: Tag }),
  output: Listed,
  examples: [{ summary: 'Everything about operations', input: { tag: 'ops' }, given: [ENGRAM] }],
  handle: listPage,
})

async function listPage(
  bounds: Parameters<typeof listMemories>[1],
  call: Pick<Call, 'db' | 'identity'>,
): Promise<z.infer<typeof Listed>> {
  const { page, next_cursor } = await listMemories(call, bounds)
  return { memories: page.map(viewOf), next_cursor }
}
