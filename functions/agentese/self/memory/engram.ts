/** Remembering something. */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { requireAny } from '../../../../shared/contract/constraints.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { jsonObject } from '../../../../shared/contract/json-object.ts'
import { Failure } from '../../../../shared/failures.ts'
import { newId } from '../../../../shared/new-id.ts'
import { putEntry } from '../../../../shared/recall/entries.ts'
import { keepIndexing } from '../../../../shared/recall/indexing.ts'
import { findSourceMessage } from './provenance.ts'
import { COMPOST_DAYS, findMemory, MEMORIES, MAX_MEMORIES, Tags } from './rows.ts'
import { summaryOf, textOfResult } from './text.ts'
import { ENGRAM, MEMORISERS } from './shapes.ts'
import { beginningOf } from '../../../../shared/beginning.ts'

const MAX_CONTENT = 20_000
/** Bytes of JSON. */
const MAX_METADATA = 8192

const Metadata = jsonObject(MAX_METADATA)

export const engram = aspect({
  category: 'M',
  archetypes: MEMORISERS,
  summary: 'Remember something; it is embedded in the background',
  effects: ['writes:memory_crystals', 'calls:embedder', 'charges:tokens'],
  cost: () => ({ tokens: 50 }),
  needs: ['inference'],
  input: requireAny(
    z.strictObject({
      content: z.string().trim().min(1).max(MAX_CONTENT).optional(),
      /** The result of the stage before, where no content is given. */
      input: z.unknown().optional(),
      tags: Tags.default([]),
      source_type: z.string().trim().min(1).max(64).default('experience'),
      source_ref: z.string().max(500).optional(),
      metadata: Metadata.default({}),
      /** The memory that this one comes from. */
      causal_parent: z.uuid().optional(),
      /** The message of a conversation of yours that says it; without content, its text. */
      message: z.uuid().optional(),
    }),
    ['content', 'input!', 'message'],
    'content is required',
  ),
  output: z.strictObject({
    crystal_id: z.uuid(),
    summary: z.string(),
    /** Whether it can be found by its meaning already. */
    has_embedding: z.boolean(),
    captured_at: z.string(),
  }),
  examples: [{ summary: 'Something that happened', input: ENGRAM.input }],
  async handle({ content: given, input, causal_parent, source_ref, message, ...rest }, call) {
    const { db, identity } = call
    const said = message === undefined ? undefined : await findSourceMessage(message, call)
    const content = contentOf(given ?? said?.content, input)
    await checkRoom(call)
    if (causal_parent !== undefined) await findMemory(call, causal_parent)
    const id = newId()
    const tags = [...new Set(rest.tags)]
    const [row] = await db<{ captured_at: Date }[]>`
      insert into memories (id, tenant_id, user_id, content, tags, source_type, source_ref, metadata, causal_parent,
        session_id, message_id, model)
      values (${id}, ${identity.tenant}, ${identity.user}, ${content}, ${db.json(tags)}, ${rest.source_type},
              ${source_ref ?? null}, ${db.json(rest.metadata)}, ${causal_parent ?? null},
              ${said?.session_id ?? null}, ${said?.id ?? null}, ${said?.model ?? null})
      returning captured_at`
    await putEntry(call, MEMORIES, { owner: identity.user, subject: id, text: content, tags })
    await keepIndexing(call, MEMORIES)
    return {
      crystal_id: id,
      summary: summaryOf(content),
      has_embedding: false,
      captured_at: (row?.captured_at ?? new Date()).toISOString(),
    }
  },
})

function contentOf(content: string | undefined, input: unknown): string {
  if (content !== undefined) return content
  return input === undefined ? '' : beginningOf(textOfResult(input), MAX_CONTENT).trim()
}

/** @throws Failure QUOTA_EXCEEDED where this person has no room for one more */
async function checkRoom({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<void> {
  const [row] = await db<{ count: number }[]>`
    select count(*)::int as count from memories where user_id = ${identity.user}`
  if ((row?.count ?? 0) < MAX_MEMORIES) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot remember one more: you have ${MAX_MEMORIES} memories`, {
    suggestion: `Forget some with self.memory.forget; they are gone ${COMPOST_DAYS} days after`,
    details: { resource: 'memories', limit: MAX_MEMORIES },
  })
}
