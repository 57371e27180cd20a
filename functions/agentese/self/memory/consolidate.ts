/** Dreaming, and noting how much is remembered before it. */
import { z } from 'zod'
import { KEEPERS } from '../../../../shared/agentese/archetypes.ts'
import { aspect, NoInput } from '../../../../shared/contract/define-node.ts'
import { newId } from '../../../../shared/new-id.ts'
import { keepIndexing } from '../../../../shared/recall/indexing.ts'
import { dream } from './dream.ts'
import { countOfTenant, MEMORIES } from './rows.ts'
import { ENGRAM } from './shapes.ts'

/** Checkpoints that are kept; the oldest make room. */
const MAX_CHECKPOINTS = 100

export const checkpoint = aspect({
  category: 'G',
  archetypes: KEEPERS,
  summary: 'Note how much you remember now, under a label',
  effects: ['writes:memory_checkpoints'],
  input: z.strictObject({ label: z.string().trim().min(1).max(100) }),
  output: z.strictObject({
    label: z.string(),
    memory_count: z.int().min(0),
    timestamp: z.string(),
  }),
  examples: [{ summary: 'Before a release', input: { label: 'before 1.0' } }],
  async handle({ label }, call) {
    const { db, identity } = call
    const [row] = await db<{ memory_count: number; at: Date }[]>`
      insert into memory_checkpoints (id, tenant_id, user_id, label, memory_count)
      select ${newId()}, ${identity.tenant}, ${identity.user}, ${label}, count(*)::int
      from memories where user_id = ${identity.user} and lifecycle <> 'composting'
      returning memory_count, at`
    await db`
      delete from memory_checkpoints where user_id = ${identity.user} and id not in
        (select id from memory_checkpoints where user_id = ${identity.user} order by at desc, id desc limit ${MAX_CHECKPOINTS})`
    call.changed('self.memory', await countOfTenant(db))
    const { memory_count, at } = row ?? { memory_count: 0, at: new Date() }
    return { label, memory_count, timestamp: at.toISOString() }
  },
})

export const consolidate = aspect({
  category: 'M',
  archetypes: KEEPERS,
  summary: 'Strengthen what was recalled, merge what says the same, demote what has faded',
  effects: ['writes:memory_crystals', 'deletes:memory_crystals'],
  needs: ['inference'],
  input: NoInput,
  output: z.strictObject({
    dreaming_count: z.int().min(0),
    demoted_count: z.int().min(0),
    merged_count: z.int().min(0),
    strengthened_count: z.int().min(0),
    /** New ones among memories that mean much the same, or the opposite: nobody merges these but you. */
    alike: z.array(z.array(z.uuid())),
    duration_ms: z.number().min(0),
  }),
  examples: [{ summary: 'Sleep on it', input: {}, given: [ENGRAM] }],
  async handle(_input, call) {
    const started = performance.now()
    const result = await dream(call)
    call.changed('self.memory', await countOfTenant(call.db))
    await keepIndexing(call, MEMORIES)
    return { ...result, duration_ms: Math.round(performance.now() - started) }
  },
})
