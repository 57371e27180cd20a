/** Data of the events about AGENTESE paths: `io.kgents.agentese.*`, with the path as their subject. */
import { z } from 'zod'
import { CATEGORIES, type AspectCategory } from '../agentese/category.ts'
import { TIERS } from '../plans/tiers.ts'

/** Each invocation publishes its outcome once: `invoked`, `failed` or `refused`; a job when it has ended. */
export const InvocationData = z.object({
  mark: z.uuid().describe('The record of this invocation; of a job, its id'),
  path: z.string(),
  category: z.enum(Object.keys(CATEGORIES) as AspectCategory[]),
  effects: z.array(z.string()).describe('What the path may do, as its contract declares it'),
  user: z.uuid().describe('Who called; what is called on `self` is delivered to this person alone'),
  tier: z.enum(TIERS).optional().describe('The plan that the tenant was on'),
  archetype: z.string().describe('As what the caller looked'),
  charges: z.record(z.string(), z.number()).describe('What it used up, by resource; negative was given back'),
  duration_ms: z.number(),
  code: z.string().optional().describe('The failure, where it failed or was refused'),
  job: z.uuid().optional(),
})
export type InvocationData = z.infer<typeof InvocationData>

/** What a target (`context.holon`) is from now on; the subject is the target and `state`. */
export const ChangeData = z.object({
  target: z.string(),
  path: z.string().describe('By which it was changed; empty where that was no path'),
  state: z.record(z.string(), z.unknown()).nullable().describe('All of it; null where it is gone'),
  at: z.iso.datetime(),
  user: z.uuid().describe('Who changed it; what is personal (`self`) is delivered to this person alone'),
})
export type ChangeData = z.infer<typeof ChangeData>

/** What a run of an agent has done; what was said is in `world.agent.steps`. */
export const AgentStepped = z.strictObject({
  run: z.uuid(),
  step: z.int().min(1),
  kind: z.enum(['memory', 'model', 'tool', 'human']),
  tool: z.string().nullable(),
  failed: z.boolean(),
  tokens: z.int().min(0),
  job: z.uuid().nullable(),
})
