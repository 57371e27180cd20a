/** Data of the events about AGENTESE paths: `io.kgents.agentese.*`, with the path as their subject. */
import { z } from 'zod'
import { CATEGORIES, type AspectCategory } from '../agentese/category.ts'

/** Each invocation tells once how it came out: `invoked`, `failed` or `refused`; a job tells when it has ended. */
export const InvocationData = z.object({
  mark: z.uuid().describe('The record of this invocation; of a job, its id'),
  path: z.string(),
  category: z.enum(Object.keys(CATEGORIES) as AspectCategory[]),
  effects: z.array(z.string()).describe('What the path may do, as its contract declares it'),
  archetype: z.string().describe('As what the caller looked'),
  charges: z.record(z.string(), z.number()).describe('What it used up, by resource; negative was given back'),
  duration_ms: z.number(),
  code: z.string().optional().describe('The failure, where it failed or was refused'),
  job: z.uuid().optional(),
})
export type InvocationData = z.infer<typeof InvocationData>

/** Something behind the path is not as it was. */
export const ChangeData = z.looseObject({ path: z.string() })
