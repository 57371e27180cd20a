/** What a person holds on to: memories that helped, and those that must stay. */
import { z } from 'zod'
import { KEEPERS, SCHOLARS } from '../../../../shared/agentese/archetypes.ts'
import { requireAny } from '../../../../shared/contract/constraints.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { Failure } from '../../../../shared/failures.ts'
import { findMemory, MemoryView, strengthen, viewOf } from './rows.ts'
import { ENGRAM, idOf, MEMORISERS, ITS_ID, naming, OneMemory } from './shapes.ts'

export const reinforce = aspect({
  category: 'M',
  archetypes: MEMORISERS,
  summary: 'Mark memories as useful: they become active, relevant and clear again',
  effects: ['writes:memory_crystals'],
  input: requireAny(
    z.strictObject({
      ids: z.array(z.uuid()).min(1).max(100).optional(),
      /** What `recall` found. */
      input: z.looseObject({ results: z.array(z.looseObject({ id: z.uuid() })).max(100) }).optional(),
    }),
    ['ids', 'input'],
    'ids is required',
  ),
  output: z.strictObject({ strengthened: z.int().min(0) }),
  examples: [{ summary: 'This one helped', input: { ids: [ITS_ID.id] }, given: [ENGRAM] }],
  async handle({ ids, input }, call) {
    const at = new Date().toISOString()
    const which = new Set(ids ?? input?.results.map(({ id }) => id))
    const strengthened = await strengthen(
      call,
      [...which].map((id) => ({ id, times: 1, at })),
    )
    if (strengthened === 0 && which.size > 0) {
      throw new Failure('NOT_FOUND', 'Cannot reinforce: you have no such memory that can be recalled', {
        suggestion: 'self.memory.recall finds some',
      })
    }
    return { strengthened }
  },
})

export const cherish = aspect({
  category: 'M',
  archetypes: [...KEEPERS, ...SCHOLARS],
  summary: 'Keep a memory from fading and from being forgotten, or let go of it',
  effects: ['writes:memory_crystals'],
  input: naming(z.strictObject({ ...OneMemory, uncherish: z.boolean().default(false) })),
  output: MemoryView,
  examples: [{ summary: 'Never forget this', input: ITS_ID, given: [ENGRAM] }],
  async handle({ uncherish, ...which }, call) {
    const { id, lifecycle } = await findMemory(call, idOf(which), true)
    if (lifecycle === 'composting' && !uncherish) {
      throw new Failure('STATE_CONFLICT', `Cannot cherish memory "${id}": it is on the compost`, {
        suggestion: 'First take it back with self.memory.restore',
      })
    }
    // What decayed until now stays decayed.
    await call.db`
      update memories m set cherished = ${!uncherish}, relevance = relevance_now(m), relevant_at = now()
      where id = ${id}`
    return viewOf(await findMemory(call, id))
  },
})
