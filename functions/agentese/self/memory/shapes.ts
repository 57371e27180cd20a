/** How callers name one memory, who may keep one, and what examples are about. */
import { z } from 'zod'
import { requireAny } from '../../../../shared/contract/constraints.ts'
import { KEEPERS, SCHOLARS, THINKERS, VISITORS } from '../../../../shared/agentese/archetypes.ts'

export const MEMORISERS = [...KEEPERS, ...SCHOLARS, ...THINKERS, ...VISITORS] as const

/** One memory, by its id or by the result of the stage before. */
export const OneMemory = {
  id: z.uuid().optional(),
  input: z.looseObject({ crystal_id: z.uuid().optional(), id: z.uuid().optional() }).optional(),
}

interface NamesMemory {
  id?: string | undefined
  input?: { crystal_id?: string | undefined; id?: string | undefined } | undefined
}

/** An input with the members of `OneMemory`, of which one must name the memory. */
export function naming<T extends z.ZodType>(type: T): T {
  return requireAny(type, ['id', 'input.crystal_id', 'input.id'], 'id is required')
}
export const idOf = ({ id, input }: NamesMemory) => id ?? input?.crystal_id ?? input?.id ?? ''

export const ENGRAM = {
  path: 'self.memory.engram',
  input: { content: 'The staging database ran out of disk space on Tuesday', tags: ['ops'] },
}
export const ITS_ID = { id: { $from: 'given.0.result.crystal_id' } }
