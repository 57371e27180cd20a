/** Declares a control operation: what the platform does for a tenant besides AGENTESE paths. */
import type { z } from 'zod'
import type { Accepted, Given, How } from './call.ts'
import type { SetCookie } from './cookie.ts'
import { DEFAULT_SCALE, type Authentication, type Format, type Scale } from './facts.ts'
import type { DeadLetter } from '../events/dead-letter.ts'
import type { DeadLetters, Endpoint, FunctionDefinition, Trigger, Tick } from './function.ts'
import { distinctNeeds, type Need } from './needs.ts'
import { toEndpointFacts, type RouteFacts } from './route.ts'

type HowOf<Auth extends Authentication, Writes extends boolean, Transaction extends boolean> =
  | (Auth extends 'none' | 'optional' | 'optional-api-key' ? never : 'caller')
  | (Auth extends 'none' | 'optional' | 'optional-api-key'
      ? never
      : Transaction extends false
        ? never
        : 'transaction')
  | (Writes extends true ? 'writes' : never)

/**
 * The contract of one route and its handler. What the handler is given follows from its needs, whether it may change
 * anything, and whether there is a transaction and a caller.
 */
export interface Route<
  I,
  O,
  N extends Need = Need,
  Auth extends Authentication = Authentication,
  Writes extends boolean = boolean,
  Transaction extends boolean = boolean,
> extends RouteFacts<I, O> {
  auth?: Auth
  needs?: readonly N[]
  writes?: Writes
  transaction?: Transaction
  format?: Format
  /**
   * Makes the answer whole when it leaves: what the handler returns is written down for who repeats the request, and a
   * secret must not be. It is derived here, the same each time, from what is kept beside it.
   */
  reveal?(kept: O, call: Given<N, 'caller'>): O
  /** Cookies that the answer sets, read from the very object that the handler has returned; a repetition sets none. */
  cookies?(output: O): readonly SetCookie[]
  /** Where the answer sends a browser on to. */
  location?(output: O): string | undefined
  handle(input: I, call: Given<N, HowOf<Auth, Writes, Transaction>>): Promise<O | Accepted> | O | Accepted
}

export type AnyRoute = Route<never, unknown>

/** Lets TypeScript infer from a contract what its handler is given. */
export function route<
  I,
  O,
  N extends Need = never,
  Auth extends Authentication = 'required',
  Writes extends boolean = false,
  Transaction extends boolean = true,
>(contract: Route<I, O, N, Auth, Writes, Transaction>): AnyRoute {
  // reason: one table holds routes of many input types; the pipeline parses by `input` before it calls `handle`.
  return contract as unknown as AnyRoute
}

/** Takes events: those whose attributes all match. */
export function trigger<D, N extends Need = never, Transaction extends boolean = true>({
  needs = [],
  ...contract
}: {
  name: string
  attributes: Record<string, string>
  needs?: readonly N[]
  transaction?: Transaction
  data: z.ZodType<D>
  handle(data: D, call: Given<N, Transaction extends false ? 'caller' : How>): Promise<void>
}): Trigger {
  // reason: the pipeline gives each handler all that its needs give
  return { ...contract, needs } as unknown as Trigger
}

/** Wakes the function every minute, for the tenants that `tenants` lists. */
export function tick<N extends Need, Transaction extends boolean = true>(contract: {
  tenants: string
  needs: readonly N[]
  transaction?: Transaction
  handle(call: Given<N, Transaction extends false ? 'caller' : How>): Promise<void>
}): Tick {
  return contract as unknown as Tick // reason: as above
}

/** Takes the events that no attempt could deliver. */
export function deadLetters<N extends Need>(contract: {
  needs: readonly N[]
  handle(letter: DeadLetter, call: Given<N>): Promise<void>
}): DeadLetters {
  return contract as unknown as DeadLetters // reason: as above
}

export interface OperationContract {
  name: string
  summary: string
  scale?: Partial<Scale>
  /** `central` for what is about people, keys or money; default is the tenant's own database. */
  database?: 'central'
  routes: Record<string, AnyRoute>
  triggers?: readonly Trigger[]
  tick?: Tick
  deadLetters?: DeadLetters
}

/**
 * Defines the function `name` from its routes and the events that it takes.
 *
 * @throws TypeError where a route takes a credential and does not say which scopes it needs
 */
export function defineOperation(contract: OperationContract): FunctionDefinition {
  const endpoints = Object.entries(contract.routes).map(([name, each]) =>
    toEndpoint(`${contract.name}.${name}`, each),
  )
  const { triggers = [] } = contract
  return {
    name: contract.name,
    summary: contract.summary,
    needs: needsOf(endpoints, triggers, contract.tick, contract.deadLetters),
    scale: { ...DEFAULT_SCALE, ...contract.scale },
    ...(contract.database === undefined ? {} : { database: contract.database }),
    endpoints,
    triggers,
    ...(contract.tick === undefined ? {} : { tick: contract.tick }),
    ...(contract.deadLetters === undefined ? {} : { deadLetters: contract.deadLetters }),
  }
}

function toEndpoint(name: string, contract: AnyRoute): Endpoint {
  return {
    ...toEndpointFacts(name, contract),
    format: contract.format ?? 'json',
    ...(contract.reveal === undefined ? {} : { reveal: contract.reveal }),
    ...(contract.cookies === undefined ? {} : { cookies: contract.cookies }),
    ...(contract.location === undefined ? {} : { location: contract.location }),
    handle: contract.handle,
  }
}

/** What a function needs: what its handlers do, and what it takes to let callers, events and ticks in. */
export function needsOf(
  endpoints: readonly Endpoint[],
  triggers: readonly Trigger[],
  tick: Tick | undefined,
  letters?: DeadLetters,
): Need[] {
  return distinctNeeds([
    ...endpoints.flatMap(({ needs }) => needs),
    ...(endpoints.some(({ auth }) => auth !== 'none') ? (['postgres', 'redis'] as const) : []),
    // Calls of aspects are published as events.
    ...(endpoints.some(({ aspect }) => aspect !== undefined) ? (['events'] as const) : []),
    ...triggers.flatMap(({ needs }) => ['postgres', 'events', ...needs] as const),
    ...(tick === undefined ? [] : (['postgres', ...tick.needs] as const)),
    // The sender of webhooks signs some of the events, with a key of its own.
    ...(letters === undefined ? [] : (['postgres', 'events', 'webhook-secrets', ...letters.needs] as const)),
  ])
}
