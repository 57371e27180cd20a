/** One verb of a node: its contract and its handler. */
import { z } from 'zod'
import type { Archetypes } from '../agentese/archetypes.ts'
import { CATEGORIES, type AspectCategory } from '../agentese/category.ts'
import type { Permission } from '../identity/permissions.ts'
import type { Accepted, Completed, Failed, Given } from './call.ts'
import type { Example, ListHolons, Method, Scale } from './facts.ts'
import type { Trigger, Tick } from './function.ts'
import type { Need } from './needs.ts'

/** What aspects of a category need in any case: the tenant's rows, and to change them, events that report it. */
export const CATEGORY_NEEDS = {
  P: ['postgres'],
  M: ['postgres', 'events'],
  C: ['postgres'],
  I: ['postgres'],
  G: ['postgres', 'events'],
  E: ['postgres'],
} as const satisfies Record<AspectCategory, readonly Need[]>

type NeedsOf<C extends AspectCategory, N extends Need, Guests extends boolean> =
  | N
  | (Guests extends true ? never : (typeof CATEGORY_NEEDS)[C][number])

type HowOf<C extends AspectCategory, Transaction extends boolean, Guests extends boolean> =
  | (Guests extends true ? never : 'caller')
  | (Transaction extends false ? never : 'transaction')
  | ((typeof CATEGORIES)[C]['writes'] extends true ? 'writes' : never)

/**
 * The contract of one aspect and its handler. What the handler is given follows from its category, its needs, and whether
 * there is a transaction and a caller.
 */
export interface Aspect<
  I,
  O,
  C extends AspectCategory = AspectCategory,
  N extends Need = Need,
  Transaction extends boolean = boolean,
  Guests extends boolean = boolean,
> {
  category: C
  /** Who has the verb; base verbs are everybody's. */
  archetypes: Archetypes
  summary: string
  /** `kind:resource`, such as `charges:entropy`. */
  effects: readonly string[]
  /** What the handler needs besides what its category gives it. */
  needs?: readonly N[]
  /** What it takes to call it, where that is more than the category's permission. */
  permission?: Permission
  input: z.ZodType<I>
  output: z.ZodType<O>
  examples: readonly Example[]
  /** What one call is expected to use up, by resource; needed where effects charge, earn or call. */
  cost?(input: I): Record<string, number>
  /** With a `forces` effect: the person whose consent it takes. */
  owner?(input: I, call: Given<NeedsOf<C, N, false>, 'caller' | 'transaction'>): Promise<string>
  /**
   * A second address, such as `GET /v1/kgent/sessions/:session`: the same call, whose input is what path, query or body give together,
   * and whose answer is the result itself.
   */
  route?: `${Method} /v1/${string}`
  /** Whether a call of the route creates something, by its `id` under the route; or the address of it, such as `/v1/kgent/sessions/:id`. */
  creates?: true | `/v1/${string}`
  /** Whether its input is a secret: it is only called directly, since calls that are made later are written down. */
  secret?: boolean
  /** Whether anybody may call without a credential; such a call sees no tenant. */
  guests?: Guests
  /**
   * Whether the handler runs in a transaction; absent is yes. Without it, it may wait for others, looks at rows by
   * `call.transact`, and what it leaves behind is written after it; it must then be safe to run again under the same
   * Idempotency-Key, since nobody can say how far a process came that died in the middle.
   */
  transaction?: Transaction
  handle(
    input: I,
    call: Given<NeedsOf<C, N, Guests>, HowOf<C, Transaction, Guests>>,
  ): Promise<O | Accepted> | O | Accepted
  /** Present where the handler may ask a model: goes on with the answer. */
  complete?(completed: Completed<I>, call: Given<NeedsOf<C, N, false>, HowOf<C, true, false>>): Promise<O> | O
  /** Goes on where the model failed for good; without it the job fails. */
  recover?(failed: Failed<I>, call: Given<NeedsOf<C, N, false>, HowOf<C, true, false>>): Promise<O> | O
}

/** An aspect whose types are its own, among others in one table. */
export type AnyAspect = Aspect<never, unknown>

/** Lets TypeScript infer from a contract what its handler is given. */
export function aspect<
  I,
  O,
  C extends AspectCategory,
  N extends Need = never,
  Transaction extends boolean = true,
  Guests extends boolean = false,
>(contract: Aspect<I, O, C, N, Transaction, Guests>): AnyAspect {
  // reason: one table holds aspects of many input types; the pipeline parses by `input` before it calls `handle`.
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
  scale?: Partial<Scale>
  /** Lists the tenant's own holons; with a node such as `world.*`. */
  holons?: ListHolons
  aspects: Record<string, AnyAspect> & { manifest: AnyAspect }
  /** Events that it takes besides the answers of models. */
  triggers?: readonly Trigger[]
  tick?: Tick
}
