/** Declares a control operation: what the platform does for a tenant besides AGENTESE paths. */
import type { z } from 'zod'
import type { Accepted, Call } from './call.ts'
import type { Platform } from './platform.ts'
import { DEFAULT_SCALE, type Format, type Need, type Scale } from './facts.ts'
import type { Endpoint, FunctionDefinition, Trigger, Tick } from './function.ts'
import { toEndpointFacts, type RouteFacts } from './route.ts'

/** The contract of one route and its handler. */
export interface Route<I, O> extends RouteFacts<I, O> {
  format?: Format
  /**
   * Makes the answer whole when it leaves: what the handler returns is written down for who repeats the request, and a
   * secret must not be. It is derived here, the same each time, from what is kept beside it.
   */
  reveal?(kept: O, platform: Platform): O
  handle(input: I, call: Call): Promise<O | Accepted> | O | Accepted
}

export type AnyRoute = Route<never, unknown>

/** Lets TypeScript infer input and output of one route from its schemas. */
export function route<I, O>(contract: Route<I, O>): AnyRoute {
  // reason: one table holds routes of many input types; the pipeline parses by `input` before it calls `handle`
  return contract as unknown as AnyRoute
}

/** Takes events: those whose attributes all match. */
export function trigger<D>(contract: {
  name: string
  attributes: Record<string, string>
  transaction?: boolean
  data: z.ZodType<D>
  handle(data: D, call: Call): Promise<void>
}): Trigger {
  return contract
}

export interface OperationContract {
  name: string
  summary: string
  needs?: readonly Need[]
  secrets?: readonly string[]
  scale?: Partial<Scale>
  routes: Record<string, AnyRoute>
  triggers?: readonly Trigger[]
  tick?: Tick
}

/**
 * Defines the function `name` from its routes and the events that it takes.
 *
 * @throws TypeError where a route takes a credential and does not say which scopes it needs
 */
export function defineOperation(contract: OperationContract): FunctionDefinition {
  return {
    name: contract.name,
    summary: contract.summary,
    needs: contract.needs ?? [],
    secrets: contract.secrets ?? [],
    scale: { ...DEFAULT_SCALE, ...contract.scale },
    endpoints: Object.entries(contract.routes).map(([name, each]) =>
      toEndpoint(`${contract.name}.${name}`, each),
    ),
    triggers: contract.triggers ?? [],
    ...(contract.tick === undefined ? {} : { tick: contract.tick }),
  }
}

function toEndpoint(name: string, contract: AnyRoute): Endpoint {
  return {
    ...toEndpointFacts(name, contract),
    format: contract.format ?? 'json',
    ...(contract.reveal === undefined ? {} : { reveal: contract.reveal }),
    handle: contract.handle,
  }
}
