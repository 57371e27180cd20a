/** The contract of one route, without what answers it: a function's own handler, or a part that always runs. */
import type { z } from 'zod'
import type { Permission } from '../identity/permissions.ts'
import { isScope } from '../identity/scopes.ts'
import type { Authentication, BodyForm, EndpointFacts, Example, Format, Method } from './facts.ts'
import type { Need } from './needs.ts'

export interface RouteFacts<I, O> {
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
  /** What the handler is given besides what every handler has. */
  needs?: readonly Need[]
  input: z.ZodType<I>
  output: z.ZodType<O>
  examples?: readonly Example[]
  /** Whether it is open to a tenant that is deleted, and not yet erased; absent is no. */
  afterDeletion?: boolean
  /** Whether state may change; absent is no. */
  writes?: boolean
  /** Whether the handler runs in a transaction; absent is yes, where it needs rows of a caller's tenant. */
  transaction?: boolean
  streams?: boolean
  format?: Format | 'events'
  /**
   * `cloudevents` takes events in each of their three forms; the input is then `{ events }`, a list of what was sent. `form` takes a
   * form as well as JSON. `signed` takes the body as it was signed, `json-rpc` a message.
   */
  body?: BodyForm
  /** How failures are written; absent is as problem details. */
  errors?: 'oauth' | 'scim' | 'mcp' | 'openai'
  /** Whether a request counts as a call of the plan; absent is by the address. */
  counts?(input: I): boolean
  /** Requests that one address may make in a minute, for what anybody may call and what costs much. */
  perAddress?: number
  status?: (output: O) => number
  statuses?: readonly number[]
  maxAgeSeconds?: number
}

/**
 * The endpoint `name` of a route.
 *
 * @throws TypeError where a route takes a credential and does not say which scopes it needs
 */
export function toEndpointFacts(name: string, contract: RouteFacts<unknown, unknown>): EndpointFacts {
  const [method, path] = contract.route.split(' ') as [Method, string]
  const { auth = 'required', needs = [], transaction = true } = contract
  const hasTenant = !['none', 'optional', 'optional-api-key'].includes(auth)
  return {
    name,
    summary: contract.summary,
    method,
    path,
    auth,
    ...(contract.permission === undefined ? {} : { permission: contract.permission }),
    scopes: scopesOf(name, auth, contract.scopes),
    needs,
    input: contract.input,
    output: contract.output,
    examples: contract.examples ?? [],
    ...(contract.afterDeletion === undefined ? {} : { afterDeletion: contract.afterDeletion }),
    writes: contract.writes ?? false,
    transaction: transaction && hasTenant && needs.includes('postgres'),
    streams: contract.streams ?? false,
    format: contract.format ?? 'json',
    ...(contract.body === undefined ? {} : { body: contract.body }),
    ...(contract.errors === undefined ? {} : { errors: contract.errors }),
    ...(contract.counts === undefined ? {} : { counts: contract.counts }),
    ...(contract.perAddress === undefined ? {} : { perAddress: contract.perAddress }),
    ...(contract.status === undefined ? {} : { status: contract.status }),
    ...(contract.statuses === undefined ? {} : { statuses: contract.statuses }),
    ...(contract.maxAgeSeconds === undefined ? {} : { maxAgeSeconds: contract.maxAgeSeconds }),
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
