/** One request on its way through the pipeline: what came in, and what the steps have found out so far. */
import type { Observer } from '../agentese/observer.ts'
import type { AspectFacts } from '../contract/facts.ts'
import type { Browser } from '../contract/call.ts'
import type { SetCookie } from '../contract/cookie.ts'
import type { Endpoint, FunctionDefinition } from '../contract/function.ts'
import { Failure } from '../failures.ts'
import type { Identity } from '../identity/identity.ts'
import type { SessionCredential } from '../identity/sessions.ts'
import type { TraceContext } from '../telemetry/trace.ts'
import type { Queueing } from '../jobs/queueing.ts'
import type { Deadline } from '../calls/deadline.ts'
import type { Runtime } from '../calls/runtime.ts'

/** The credential that a request carries; the edge reads it, the pipeline believes nothing until it is verified. */
export type Credential =
  | { kind: 'none' }
  | { kind: 'token'; token: string }
  | { kind: 'api-key'; key: string }
  | { kind: 'dispatch'; token: string }
  | ({ kind: 'session' } & SessionCredential)

/** A request without its transport. */
export interface Request {
  endpoint: Endpoint
  function: FunctionDefinition
  /** The path that was called, where the endpoint is an aspect: that of the endpoint, with the holon in place of `*`. */
  path?: string
  /** Whether the caller wants to know what would happen, and nothing to happen. */
  dryRun?: boolean
  /** The composition that this is a stage of. */
  parent?: string
  /** Whether no request of a caller stands behind it. */
  inner?: boolean
  /** What the caller wants of the queue, should this become a job. */
  queueing?: Queueing
  credential: Credential
  /** Reads the input, from wherever it is; not called before the caller is known. */
  readInput(): Promise<unknown>
  /** What the caller wants to look as. */
  archetype?: string
  idempotencyKey?: string
  /** A tenant that somebody named in a header: never believed, but a contradiction is refused. */
  claimedTenant?: string
  /** IP address of the caller, as the gateway reports it. */
  address?: string
  /** What a browser says besides its credential. */
  browser?: () => Browser
  trace: TraceContext
  deadline: Deadline
  /** Headers of the answer, good or bad; the steps add to them. */
  answerHeaders: Record<string, string>
}

export interface Answer {
  status: number
  body: unknown
  cookies?: readonly SetCookie[]
}

/** The steps fill this in, in the order of the fields. */
export interface Invocation {
  readonly request: Request
  readonly runtime: Runtime
  readonly startedAt: number
  /** UUIDv7; also of the mark that it leaves. */
  readonly id: string
  identity?: Identity
  input?: unknown
  observer?: Observer
  answer?: Answer
}

/** The aspect of an invocation as it was called: under its own path, whatever holon stands in it. */
export function aspectOf({ request }: Invocation): AspectFacts | undefined {
  const { aspect } = request.endpoint
  return aspect === undefined ? undefined : { ...aspect, path: request.path ?? aspect.path }
}

/** The caller of an invocation that has passed `authenticate`. */
export function callerOf({ identity }: Invocation): Identity {
  if (identity === undefined) throw new Failure('CREDENTIALS_MISSING', 'The caller is unknown')
  return identity
}
