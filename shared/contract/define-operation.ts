/** Declares a control operation: what the platform does for a tenant besides AGENTESE paths. */
import type { z } from 'zod'
import type { Permission } from '../identity/permissions.ts'
import { isScope } from '../identity/scopes.ts'
import type { Accepted, Call } from './call.ts'
import type { Platform } from './platform.ts'
import {
  type Authentication,
  DEFAULT_SCALE,
  type Example,
  type Format,
  type Method,
  type Need,
  type Scale,
} from './facts.ts'
import type { Endpoint, FunctionDefinition, Subscription, Tick } from './function.ts'

/** The contract of one route and its handler. */
export interface Route<I, O> {
  /** Method and path, such as `GET /v1/jobs/:id`. */
  route: `${Method} /${string}`
  summary: string
  auth?: Authentication
  permission?: Permission
  /**
   * What a credential must cover that was narrowed to scopes; the effects of an aspect say it themselves. A route that
   * takes a credential must say it: none, `[]`, is for one that does nothing but pass the call on to what checks it.
   */
  scopes?: readonly string[]
  input: z.ZodType<I>
  output: z.ZodType<O>
  examples?: readonly Example[]
  /** Whether state may change; absent is no. */
  writes?: boolean
  /** Whether the handler gets a transaction; absent is yes. */
  transaction?: boolean
  streams?: boolean
  format?: Format
  /** `cloudevents` takes events in each of their three forms; the input is then `{ events }`, a list of what was sent. */
  body?: 'cloudevents'
  status?: (output: O) => number
  statuses?: readonly number[]
  maxAgeSeconds?: number
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
  // One table holds routes of many input types; the pipeline parses by `input` before it calls `handle`.
  return contract as unknown as AnyRoute
}

/** Takes events: those whose attributes all match. */
export function subscription<D>(contract: {
  name: string
  attributes: Record<string, string>
  transaction?: boolean
  data: z.ZodType<D>
  handle(data: D, call: Call): Promise<void>
}): Subscription {
  return contract
}

export interface OperationContract {
  name: string
  summary: string
  needs?: readonly Need[]
  secrets?: readonly string[]
  scale?: Partial<Scale>
  routes: Record<string, AnyRoute>
  subscriptions?: readonly Subscription[]
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
    subscriptions: contract.subscriptions ?? [],
    ...(contract.tick === undefined ? {} : { tick: contract.tick }),
  }
}

/** The endpoint `name` of a route. */
export function toEndpoint(name: string, contract: AnyRoute): Endpoint {
  const [method, path] = contract.route.split(' ') as [Method, string]
  const auth = contract.auth ?? 'required'
  return {
    name,
    summary: contract.summary,
    method,
    path,
    auth,
    ...(contract.permission === undefined ? {} : { permission: contract.permission }),
    scopes: scopesOf(name, auth, contract.scopes),
    input: contract.input,
    output: contract.output,
    examples: contract.examples ?? [],
    writes: contract.writes ?? false,
    transaction: contract.transaction ?? true,
    streams: contract.streams ?? false,
    format: contract.format ?? 'json',
    ...(contract.body === undefined ? {} : { body: contract.body }),
    ...(contract.status === undefined ? {} : { status: contract.status }),
    ...(contract.statuses === undefined ? {} : { statuses: contract.statuses }),
    ...(contract.maxAgeSeconds === undefined ? {} : { maxAgeSeconds: contract.maxAgeSeconds }),
    ...(contract.reveal === undefined ? {} : { reveal: contract.reveal }),
    handle: contract.handle,
  }
}

/** A narrowed credential could do whatever a route does that was never asked for its scopes. */
function scopesOf(
  name: string,
  auth: Authentication,
  scopes: readonly string[] | undefined,
): readonly string[] {
  if (scopes === undefined && auth === 'required')
    throw new TypeError(`Cannot define "${name}": what takes a credential must name its scopes`)
  const bad = scopes?.find((scope) => !isScope(scope))
  if (bad !== undefined) throw new TypeError(`Cannot define "${name}": scope "${bad}" is not resource:action`)
  return scopes ?? []
}
