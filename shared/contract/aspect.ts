/** One verb of a node: its contract and its handler. */
import { z } from 'zod'
import type { Archetypes } from '../agentese/archetypes.ts'
import { CATEGORIES, type AspectCategory } from '../agentese/category.ts'
import type { Permission } from '../identity/permissions.ts'
import type { Accepted, Call, Completed, Failed } from './call.ts'
import type { Example, ListHolons, Need, Scale } from './facts.ts'
import type { Trigger, Tick } from './function.ts'

/** The contract of one aspect and its handler. */
export interface Aspect<I, O> {
  category: AspectCategory
  /** Who has the verb; base verbs are everybody's. */
  archetypes: Archetypes
  summary: string
  /** `kind:resource`, such as `charges:entropy`. */
  effects: readonly string[]
  /** What it takes to call it, where that is more than the category's permission. */
  permission?: Permission
  input: z.ZodType<I>
  output: z.ZodType<O>
  examples: readonly Example[]
  /** What one call is expected to use up, by resource; needed where effects charge, earn or call. */
  cost?(input: I): Record<string, number>
  /** With a `forces` effect: the person whose consent it takes. */
  owner?(input: I, call: Call): Promise<string>
  /** Whether its input is a secret: it is only called directly, since calls that are made later are written down. */
  secret?: boolean
  /** Whether anybody may call without a credential; such a call sees no tenant. */
  guests?: boolean
  /**
   * Whether the handler runs in a transaction; absent is yes. Without it, it may wait for others, looks at rows by
   * `call.transact`, and what it leaves behind is written after it; it must then be safe to run again under the same
   * Idempotency-Key, since nobody can say how far a process came that died in the middle.
   */
  transaction?: boolean
  handle(input: I, call: Call): Promise<O | Accepted> | O | Accepted
  /** Present where the handler may ask a model: goes on with the answer. */
  complete?(completed: Completed<I>, call: Call): Promise<O> | O
  /** Goes on where the model failed for good; without it the job fails. */
  recover?(failed: Failed<I>, call: Call): Promise<O> | O
}

/** An aspect whose types are its own, among others in one table. */
export type AnyAspect = Aspect<never, unknown>

/** Lets TypeScript infer input and output of one aspect from its schemas. */
export function aspect<I, O>(contract: Aspect<I, O>): AnyAspect {
  // reason: one table holds aspects of many input types; the pipeline parses by `input` before it calls `handle`
  return contract as unknown as AnyAspect
}

/** What it takes to call it; nothing where guests may. */
export function permissionOf({ category, permission, guests }: AnyAspect): Permission | undefined {
  return guests === true ? undefined : (permission ?? CATEGORIES[category].permission)
}

/** Input of an aspect that takes none. */
export const NoInput = z.strictObject({})

export interface NodeContract {
  summary: string
  needs?: readonly Need[]
  secrets?: readonly string[]
  scale?: Partial<Scale>
  /** Lists the tenant's own holons; with a node such as `world.*`. */
  holons?: ListHolons
  aspects: Record<string, AnyAspect> & { manifest: AnyAspect }
  /** Events that it takes besides the answers of models. */
  triggers?: readonly Trigger[]
  tick?: Tick
}
