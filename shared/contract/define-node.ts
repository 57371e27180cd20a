/** Declares a path handler: the aspects of one node, each with its contract. */
import { z } from 'zod'
import { CATEGORIES, type AspectCategory } from '../agentese/category.ts'
import { checkEffects } from '../agentese/effects.ts'
import { hasAffordance } from '../agentese/observer.ts'
import { parsePath } from '../agentese/path.ts'
import { Completion, InferenceFailure } from '../inference/messages.ts'
import type { Accepted, Call, Completed } from './call.ts'
import { subscription } from './define-operation.ts'
import {
  DEFAULT_SCALE,
  type Endpoint,
  type Example,
  type FunctionDefinition,
  type Need,
  type Scale,
  type Subscription,
} from './function.ts'

/** The contract of one aspect and its handler. */
export interface Aspect<I, O> {
  category: AspectCategory
  summary: string
  /** `kind:resource`, such as `charges:entropy`. */
  effects: readonly string[]
  /** Archetypes that have it; absent is everybody. */
  archetypes?: readonly string[]
  input: z.ZodType<I>
  output: z.ZodType<O>
  examples: readonly Example[]
  handle(input: I, call: Call): Promise<O | Accepted> | O | Accepted
  /** Present where the handler may ask a model: goes on with the answer. */
  complete?(completed: Completed<I>, call: Call): Promise<O> | O
}

/** An aspect whose types are its own, among others in one table. */
export type AnyAspect = Aspect<never, unknown>

/** Lets TypeScript infer input and output of one aspect from its schemas. */
export function aspect<I, O>(contract: Aspect<I, O>): AnyAspect {
  // One table holds aspects of many input types; the pipeline parses by `input` before it calls `handle`.
  return contract as unknown as AnyAspect
}

/** Input of an aspect that takes none. */
export const NoInput = z.strictObject({})

export interface NodeContract {
  summary: string
  needs?: readonly Need[]
  secrets?: readonly string[]
  scale?: Partial<Scale>
  aspects: Record<string, AnyAspect>
}

/**
 * Defines the function that serves `node` (`context.holon`). Its name is `context-holon`. Every node gets an
 * `affordances` aspect, which answers from the contract.
 *
 * @throws TypeError when the contract contradicts itself: a bad name, or an effect that the category forbids
 */
export function defineNode(node: string, contract: NodeContract): FunctionDefinition {
  const name = node.replace('.', '-')
  const aspects = { ...contract.aspects, affordances: affordancesOf(contract.aspects) }
  return {
    name,
    summary: contract.summary,
    needs: contract.needs ?? ['postgres', 'redis'],
    secrets: ['DATABASE_URL', 'EVENT_SIGNING_KEY', ...(contract.secrets ?? [])],
    scale: { ...DEFAULT_SCALE, ...contract.scale },
    node,
    endpoints: Object.entries(aspects).map(([verb, each]) => toEndpoint(`${node}.${verb}`, each)),
    subscriptions: Object.values(aspects).some(({ complete }) => complete !== undefined)
      ? resultsFor(name)
      : [],
  }
}

function toEndpoint(path: string, contract: AnyAspect): Endpoint {
  parsePath(path)
  checkEffects(path, contract.category, contract.effects)
  const { writes, permission } = CATEGORIES[contract.category]
  return {
    name: path,
    summary: contract.summary,
    method: 'POST',
    path: `/v1/agentese/${path.replaceAll('.', '/')}`,
    auth: 'required',
    permission,
    input: contract.input,
    output: contract.output,
    examples: contract.examples,
    writes,
    transaction: true,
    streams: contract.complete !== undefined,
    format: 'json',
    aspect: {
      path,
      category: contract.category,
      effects: contract.effects,
      archetypes: contract.archetypes ?? 'all',
    },
    handle: contract.handle,
    ...(contract.complete === undefined ? {} : { complete: contract.complete }),
  }
}

/** The events by which a node that asks models gets their answers. */
function resultsFor(name: string): Subscription[] {
  return [
    subscription({
      name: 'completed',
      attributes: { type: 'io.kgents.inference.completed', function: name },
      data: Completion,
      async handle(completion, call) {
        await call.platform.endJob({ job: completion.job, how: 'completed', completion }, call)
      },
    }),
    subscription({
      name: 'failed',
      attributes: { type: 'io.kgents.inference.failed', function: name },
      data: InferenceFailure,
      async handle({ job, reason }, call) {
        await call.platform.endJob({ job, how: 'failed', reason }, call)
      },
    }),
  ]
}

const Affordances = z.strictObject({
  archetype: z.string(),
  affordances: z.array(z.strictObject({ aspect: z.string(), category: z.string(), summary: z.string() })),
})

function affordancesOf(aspects: Record<string, AnyAspect>): AnyAspect {
  const rows = Object.entries(aspects)
  return aspect({
    category: 'I',
    summary: 'The verbs that this observer has here',
    effects: [],
    input: NoInput,
    output: Affordances,
    examples: [{ summary: 'What can I do here?', input: {} }],
    handle(_input, { observer }) {
      const visible = rows.filter(([verb, each]) =>
        hasAffordance(observer.archetype, verb, each.archetypes ?? 'all'),
      )
      return {
        archetype: observer.archetype,
        affordances: visible.map(([verb, each]) => ({
          aspect: verb,
          category: each.category,
          summary: each.summary,
        })),
      }
    },
  })
}
