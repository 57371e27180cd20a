/** What a function process offers to handlers that declare the need: keys, dispatch, requests to the outside, health. */
import type { JSONWebKeySet } from 'jose'
import type { FencedRequest, FencedResponse } from '../egress/fenced-request.ts'
import type { KgentsEvent } from '../events/event.ts'
import type { Attest } from '../identity/attest.ts'
import type { StoredIdentity } from '../identity/identity.ts'
import type { SecretBox } from '../identity/secret-box.ts'
import type { Plan } from '../plans/plan.ts'
import type { TraceContext } from '../telemetry/trace.ts'
import type { TraceStore } from '../traces/trace-store.ts'
import type { SignedUp, SignUp } from './sign-up.ts'
import type { FunctionFacts } from './facts.ts'
import type { FoundAspect } from './find-aspect.ts'
import type { Payments } from './payments.ts'

export interface Platform {
  /** All functions, for discovery and dispatch; loaded when somebody first asks. */
  catalog(): Promise<readonly FunctionFacts[]>
  /** Those of the catalog whose nodes are in `context`; loads no other. */
  nodesOf(context: string): Promise<readonly FunctionFacts[]>
  /** What serves `path`, as `findAspect` says it; loads no other node. */
  findAspect(path: string): Promise<FoundAspect | undefined>
  /** Whether there is a node of that very name; known without loading any. */
  hasNode(context: string, holon: string): boolean
  publicKeys: JSONWebKeySet
  /** Issues a platform token for `identity`; default: of the lifetime that this platform gives its tokens. */
  issueToken(
    identity: StoredIdentity,
    lifetimeSeconds?: number,
  ): Promise<{ token: string; expiresInSeconds: number }>
  /** Signs a statement of the platform: a JWT that is good for no call, and is verified with its public keys. */
  attest: Attest
  /** Calls an aspect on the function that serves it, in the name of a caller; answers its body and status. */
  dispatch(request: DispatchRequest, dispatcher: Dispatcher): Promise<DispatchAnswer>
  /**
   * Delivers an event to the function `name` again, as a Trigger does; answers the status and the body.
   *
   * @throws Failure STATE_CONFLICT where there is no such function, DEPENDENCY_UNAVAILABLE where it cannot be reached
   */
  deliver(name: string, event: KgentsEvent, signal: AbortSignal): Promise<DeliveryAnswer>
  /** Makes a tenant on the free plan with its first admin and key, within the limits of the platform. */
  signUp(wanted: SignUp): Promise<SignedUp>
  /** Texts that the name servers have for a name (TXT records), each whole; none where they answer that there are none. */
  resolveText(name: string): Promise<string[]>
  /** Sends a request to an address that a tenant named, as far as the operator lets it. */
  requestOutside(request: Omit<FencedRequest, 'privateAllowed'>): Promise<FencedResponse>
  /** Where traces are read from; undefined is PostgreSQL. */
  traceStore(): Promise<TraceStore | undefined>
  /** The payment provider. */
  payments: Payments
  /** Seals what tenants keep secret. */
  secretBox: SecretBox
  /** Whether there is a model that can be asked. */
  hasModel(): boolean
  /** The secret that a webhook is signed with. */
  webhookSecret(subscription: string, rotation: number): string
  /** Origins that requests of tenants may go to although they are private, as the operator says. */
  privateOrigins: readonly string[]
  /** The plans that can be bought now, from the smallest to the largest. */
  offeredPlans(): Promise<readonly Plan[]>
  /** Looks after each dependency of the platform, each within a second. */
  probe(): Promise<Record<string, ComponentHealth>>
  /** Counts over all tenants, in the Prometheus text format. */
  metrics(): Promise<string>
  /** What waits in each JetStream stream; undefined where NATS does not answer within a second, or is not configured. */
  streamBacklog(): Promise<readonly StreamBacklog[] | undefined>
}

export interface StreamBacklog {
  stream: string
  messages: number
  /** Messages that a consumer has yet to be given, and those that it has not acknowledged. */
  consumers: readonly { name: string; pending: number; unacknowledged: number }[]
}

export interface DispatchRequest {
  function: string
  path: string
  input: unknown
  archetype?: string | undefined
  idempotencyKey?: string | undefined
  dryRun?: boolean | undefined
  /** The composition that this is a stage of: notified when the stage turns out to be a job, and that has ended. */
  parent?: string | undefined
  /** Whether no request of a caller stands behind it: it is a later stage, or called by a schedule or an event. */
  inner?: boolean | undefined
}

/** In whose name, as part of which trace and for how long; a `Call` is one. */
export interface Dispatcher {
  identity: StoredIdentity
  trace: TraceContext
  signal: AbortSignal
}

export interface DispatchAnswer {
  status: number
  body: unknown
  /** Whether the same was answered before, under the same key for repeating. */
  repeated?: boolean
}

export interface DeliveryAnswer {
  /** Any of 2xx is that the event was taken. */
  status: number
  body: string
}

export interface ComponentHealth {
  status: 'ok' | 'degraded' | 'error' | 'not_configured'
  detail?: string
  latency_ms?: number
}
