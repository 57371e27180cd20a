/**
 * What anybody may know of a function: all of its contract but the handlers. HTTP routes, discovery, Kong routes, Knative
 * Services and Triggers are read from it; nothing is said twice.
 */
import type { z } from 'zod'
import type { AspectCategory } from '../agentese/category.ts'
import type { Db } from '../database/database.ts'
import type { Permission } from '../identity/permissions.ts'
import type { Need } from './needs.ts'

/** How a function scales; the names are Knative's. Absent means Knative's default. */
export interface Scale {
  /** Requests one pod takes at once; 0 is no limit. */
  containerConcurrency: number
  /** Hard limit of one request, the wait for a pod included. */
  timeoutSeconds: number
  minScale?: number
  maxScale: number
  /** Concurrent requests per pod that the autoscaler aims at. */
  target: number
  /** "0" takes the activator out of the path as soon as a pod is up. */
  targetBurstCapacity: number
}

/**
 * Who may call: anybody; anybody, and who sends a credential is known by it; the holder of a token or an API key; of
 * an API key only; anybody, and who sends an API key is known by it; of the token of an invitation, who is nobody yet.
 */
export type Authentication = 'none' | 'optional' | 'required' | 'api-key' | 'optional-api-key' | 'invitation'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/**
 * What a body is that is no JSON object: events; one of these or a form; as it was signed, with its signature, `{ payload, signature }`; or
 * a message of JSON-RPC, with the headers that MCP repeats it in, `{ message, headers }`.
 */
export type BodyForm = 'cloudevents' | 'form' | 'signed' | 'json-rpc'

/**
 * How an answer is written; `text` is for Prometheus, `html`, `javascript` and `css` are for people, `ndjson` is a line of JSON for
 * each record, and of a `pdf` each character is a byte.
 */
export type Format = 'json' | 'text' | 'html' | 'javascript' | 'css' | 'ndjson' | 'pdf'

/** One thing that a function answers, by HTTP. `I` is the parsed input, `O` what is answered. */
export interface EndpointFacts<I = unknown, O = unknown> {
  /** `void.entropy.sip` for an aspect, `jobs.get` for an operation. */
  name: string
  summary: string
  method: Method
  /** URL path; `:name` is a segment that joins the input. */
  path: string
  auth: Authentication
  permission?: Permission
  /** What a credential must cover that was narrowed. */
  scopes: readonly string[]
  /** What the handler is given besides what every handler has. */
  needs: readonly Need[]
  input: z.ZodType<I>
  output: z.ZodType<O>
  examples: readonly Example[]
  /** Whether it is open to a tenant that is deleted, and not yet erased; absent is no. */
  afterDeletion?: boolean
  /** Whether state may change: such a call runs in a writing transaction and takes `Idempotency-Key`. */
  writes: boolean
  /** Whether the handler gets a transaction of its tenant. */
  transaction: boolean
  /** Whether the caller may stay on the line for the result: the gateway sends such requests to the stream hub. */
  streams: boolean
  /**
   * What the body is, of a call that has one; absent is a JSON object, and that is the input. `form` takes one of these or a form.
   */
  body?: BodyForm
  /**
   * How failures are written; absent is as problem details. `oauth` is for forms alone (RFC 6749, 5.2), and `mcp` are problem details
   * whose 401 names the metadata of the resource (RFC 9728, 5.1).
   */
  errors?: 'oauth' | 'scim' | 'mcp' | 'openai'
  /** Whether a request counts as a call of the plan, by its input; absent is by the address. */
  counts?(input: I): boolean
  /** Requests that one address may make in a minute, whoever makes them: by the gateway, and again by the function. */
  perAddress?: number
  /** `events` are server-sent, and no function has them. */
  format: Format | 'events'
  /** HTTP status of an answer, where it is not always 200. */
  status?: (output: O) => number
  /** All that `status` may come to; absent is 200 alone. */
  statuses?: readonly number[]
  /** How long anybody may keep the answer. Such a route answers the same to everybody, and 304 to who has it already. */
  maxAgeSeconds?: number
  /** Set on aspects of a node. */
  aspect?: AspectFacts
  /** Set where it is the second address of an aspect, which takes its input from path, query and body, and answers the result alone. */
  route?: RouteOfAspect
}

export interface RouteOfAspect {
  /** The address of what a call creates, such as `/v1/kgent/sessions/:id`, to be filled from the result; the answer is then 201. */
  creates?: string
}

/** What makes an endpoint an aspect: AGENTESE's own facts about it. */
export interface AspectFacts {
  /** `context.holon.aspect`; `world.*.aspect` on a node of open holons. */
  path: string
  /** `context.holon`, or `world.*`. */
  node: string
  verb: string
  category: AspectCategory
  /** Such as `charges:entropy`; `kind:resource`. */
  effects: readonly string[]
  /** Archetypes that have it; `all` is everybody. */
  archetypes: 'all' | readonly string[]
  /** What one call is expected to use up, by resource; nothing where it is absent. */
  cost?: (input: unknown) => Record<string, number>
  /** Whether its input is a secret, so that no call of it may be written down. */
  secret?: boolean
}

/** Whether its input comes in a body; that of the others comes in the query. */
export function takesBody({ method }: Pick<EndpointFacts, 'method'>): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
}

/** Whether it is an aspect at its own address: what discovery lists, and what a path is found by. */
export function isAspect<E extends Pick<EndpointFacts, 'aspect' | 'route'>>(
  endpoint: E,
): endpoint is E & { aspect: AspectFacts } {
  return endpoint.aspect !== undefined && endpoint.route === undefined
}

/** Whether names in its URL are members of the input; under `/v1/agentese` they name the holon. */
export function takesParameters({ aspect, route }: Pick<EndpointFacts, 'aspect' | 'route'>): boolean {
  return aspect === undefined || route !== undefined
}

/** Whether it may answer 202; what only reads and streams reports the work of others. */
export function startsJobs({ streams, method }: Pick<EndpointFacts, 'streams' | 'method'>): boolean {
  return streams && method === 'POST'
}

/** Whether it is a path, or passes the call on to one. */
export function acts(endpoint: Pick<EndpointFacts, 'aspect' | 'streams' | 'method'>): boolean {
  return endpoint.aspect !== undefined || startsJobs(endpoint)
}

export interface Example {
  summary: string
  input: Record<string, unknown>
  /** The holon that it is about, on a node of open holons. */
  holon?: string
  /** Whether it works only where something outside the platform answers. */
  outside?: boolean
  /** Calls that must come first; inputs name their answers, see `examples.ts`. */
  given?: readonly { path: string; input: Record<string, unknown> }[]
  /** The input with names of earlier answers in it, where there are any; `input` then shows something like it. */
  template?: Record<string, unknown>
}

/** Events that a Trigger delivers to the function: those whose attributes all match exactly. */
export interface TriggerFacts {
  name: string
  attributes: Record<string, string>
  /** Shape of the event's data; an event that does not fit is refused for good. */
  data: z.ZodType
  needs: readonly Need[]
}

export interface FunctionFacts {
  /** The name of file, FUNCTION value, Knative Service and host. */
  name: string
  summary: string
  /** What its handlers need, and answering for them; its secrets and its network policy follow from it. */
  needs: readonly Need[]
  scale: Scale
  /** `central`: it is about people, keys or money, which stay in the pool also where a tenant has a database of its own. */
  database?: 'central'
  /** `context.holon` of a node; `world.*` where it serves the tenant's own holons. */
  node?: string
  /** The tenant's own holons under a `*` node, for queries. */
  holons?: ListHolons
  endpoints: readonly EndpointFacts[]
  triggers: readonly TriggerFacts[]
  tick?: TickFacts
  deadLetters?: DeadLettersFacts
}

/** That a function is woken where something is due, which the relay asks every minute; `due_functions()` names it. */
export interface TickFacts {
  /** A SQL function without arguments that answers the tenants for which there is something to do. */
  tenants: string
  needs: readonly Need[]
}

/** That a function takes the events which no attempt could deliver to another; one of the catalog does. */
export interface DeadLettersFacts {
  needs: readonly Need[]
}

/**
 * Lists holons whose name is like `like` (SQL), by name.
 *
 * @returns the page, and how many there are in all
 */
export type ListHolons = (
  db: Db,
  page: { like: string; limit: number; offset: number },
) => Promise<{ names: string[]; total: number }>

/** The name of the function that serves `node`: `void-entropy` for `void.entropy`, `world` for `world.*`. */
export function nameOfNode(node: string): string {
  return node.replace('.*', '').replace('.', '-')
}

export const DEFAULT_SCALE: Scale = {
  containerConcurrency: 0,
  timeoutSeconds: 30,
  maxScale: 10,
  target: 100,
  targetBurstCapacity: 0,
}
