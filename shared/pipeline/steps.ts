/**
 * The steps before a handler runs, in order. Each checks one thing and knows nothing of the others; each function
 * runs them all itself, so a request that reached it by another way gets the same answer.
 */
import { hasAffordance } from '../agentese/affordances.ts'
import { capabilitiesOf } from '../agentese/capabilities.ts'
import { scopesOf } from '../agentese/effects.ts'
import { GUEST, observerFor } from '../agentese/observer.ts'
import { parsePath } from '../agentese/path.ts'
import { aspectsOf, findNode } from '../contract/find-aspect.ts'
import type { Endpoint } from '../contract/function.ts'
import { whatIsWrong } from '../contract/what-is-wrong.ts'
import { withTenant } from '../database/database.ts'
import type { Rehearsal } from '../contract/answers.ts'
import { explainExactNumber } from '../exact-json.ts'
import { Failure } from '../failures.ts'
import type { Identity } from '../identity/identity.ts'
import { checkCsrf } from '../identity/sessions.ts'
import { TenantDeleted } from '../identity/standing.ts'
import type { Decision } from '../limits/rate-limiter.ts'
import { requirePermission, requireScopes } from './check-access.ts'
import type { Runtime } from '../calls/runtime.ts'
import { callerOf, type Credential, type Invocation, type Request } from './invocation.ts'

/** Establishes who calls, from the credential alone. */
export async function authenticate(invocation: Invocation): Promise<void> {
  const { request, runtime } = invocation
  const { auth } = request.endpoint
  if (auth === 'none' || isGuest(request)) return
  const identity = await identify(invocation).catch((error: unknown) => afterDeletion(error, invocation))
  if (identity === undefined) return
  invocation.identity = identity
  const { claimedTenant } = request
  if (claimedTenant !== undefined && claimedTenant !== identity.tenant) {
    runtime.log.warn({ tenant: identity.tenant }, 'a request named another tenant')
    throw new Failure('TENANT_MISMATCH', 'Cannot act for that tenant: your credential belongs to another', {
      suggestion: 'Leave X-Tenant-ID out: the tenant is read from your credential',
    })
  }
}

/** Somebody of a deleted tenant, where the route is open to it. @throws what `error` is, otherwise */
function afterDeletion(error: unknown, { request }: Invocation): Identity {
  const { afterDeletion: isOpen } = request.endpoint
  if (isOpen && error instanceof TenantDeleted && error.identity !== undefined) return error.identity
  throw error
}

/** Whether anybody may call, and nobody says who calls. A browser cannot help sending a session. */
function isGuest({ credential: { kind }, endpoint: { auth } }: Request): boolean {
  if (auth === 'optional-api-key') return kind === 'none' || kind === 'session'
  return auth === 'optional' && kind === 'none'
}

/** @returns undefined for a guest */
async function identify({ request, runtime }: Invocation): Promise<Identity | undefined> {
  const { credential, endpoint } = request
  if (endpoint.auth === 'invitation') return identifyInvited(credential, runtime)
  if (credential.kind === 'dispatch') return runtime.verifyDispatch(credential.token)
  if (credential.kind === 'api-key') return runtime.authenticateApiKey(credential.key)
  const needsKey = endpoint.auth === 'api-key' || endpoint.auth === 'optional-api-key'
  if (credential.kind === 'token' && !needsKey) return runtime.verifyToken(credential.token)
  if (credential.kind === 'session' && !needsKey) return identifySession(credential, request, runtime)
  throw new Failure(
    'CREDENTIALS_MISSING',
    'The caller is unknown: the request has no usable credential',
    needsKey
      ? { suggestion: 'Send your API key as X-API-Key', challenge: 'ApiKey' }
      : { suggestion: 'Send "Authorization: Bearer <token>" or X-API-Key: kg_...' },
  )
}

/** A browser sends the cookie of a session that has ended, too: where guests may call, its person is one. */
async function identifySession(
  credential: Extract<Credential, { kind: 'session' }>,
  { endpoint, answerHeaders }: Request,
  { authenticateSession }: Runtime,
): Promise<Identity | undefined> {
  // Without it, a shared cache may keep the answer to a request with a cookie and give it to others.
  answerHeaders['Cache-Control'] = 'no-store'
  try {
    const identity = await authenticateSession(credential.token)
    if (endpoint.method !== 'GET') checkCsrf(credential)
    return identity
  } catch (error) {
    const isOver = error instanceof Failure && error.code === 'CREDENTIALS_INVALID'
    if (isOver && endpoint.auth === 'optional') return undefined
    throw error
  }
}

/** By the token of an invitation, which is good for nothing else. */
async function identifyInvited(
  credential: Credential,
  { authenticateInvitation }: Runtime,
): Promise<Identity> {
  if (credential.kind === 'token') return authenticateInvitation(credential.token)
  throw new Failure('CREDENTIALS_MISSING', 'The request has no token of an invitation', {
    suggestion: 'Send it as "Authorization: Bearer kgi_..."',
  })
}

/** Takes one request from the budget of its address, where whoever has no credential may call. */
export async function limitAddress({ request, runtime }: Invocation): Promise<void> {
  const { address = 'unknown', endpoint } = request
  if (endpoint.perAddress === undefined) return
  const decision = await runtime.limiter.takeOfKey(`${endpoint.name}:${address}`, endpoint.perAddress)
  if (!decision.allowed) throw rateLimited(request, decision, 'too many come from your address')
}

/** Takes one request from the tenant's budget. What `logos` passes on was counted when it came in. */
export async function limitRate(invocation: Invocation): Promise<void> {
  const { identity, request, runtime } = invocation
  if (identity === undefined || request.credential.kind === 'dispatch') return
  const { key, tenant, tier, plan } = identity
  // The key's own limit first: what it refuses takes nothing from the others of the tenant.
  if (key?.perMinute !== undefined) {
    const ofKey = await runtime.limiter.takeOfKey(key.id, key.perMinute)
    if (!ofKey.allowed)
      throw rateLimited(request, ofKey, 'your API key is at the limit that it was made with')
  }
  const decision = await runtime.limiter.take(tenant, plan)
  if (!decision.allowed) throw rateLimited(request, decision, `plan "${tier}" is at its rate limit`)
  Object.assign(request.answerHeaders, limitHeaders(decision))
}

/** What the calls of a plan are: those of the AGENTESE plane. Whoever has none left can still see why, and buy more. */
const COUNTED = '/v1/agentese/'

/** Takes one call from those that the plan has for the day. What `logos` passes on was counted when it came in. */
export async function countCall({ identity, request, runtime }: Invocation): Promise<void> {
  if (identity === undefined || request.credential.kind === 'dispatch') return
  if (request.endpoint.path.startsWith(COUNTED)) await runtime.calls.take(identity)
}

/** The same, of an address at which some requests are calls and others are not. */
export async function countByInput({ identity, input, request, runtime }: Invocation): Promise<void> {
  if (identity !== undefined && request.endpoint.counts?.(input) === true) await runtime.calls.take(identity)
}

function rateLimited({ answerHeaders }: Request, decision: Decision, why: string): Failure {
  Object.assign(answerHeaders, limitHeaders(decision))
  return new Failure('RATE_LIMITED', `Cannot take more requests now: ${why}`, {
    suggestion: 'Wait as long as Retry-After says, or move to a larger plan',
    retryAfterSeconds: decision.retryAfterSeconds,
  })
}

function limitHeaders({ limit, remaining, resetSeconds }: Decision): Record<string, string> {
  return {
    'RateLimit-Limit': String(limit),
    'RateLimit-Remaining': String(remaining),
    'RateLimit-Reset': String(resetSeconds),
  }
}

const MAX_KEY = 255

/** Checks the key under which the caller wants to be able to repeat the request. */
export async function checkIdempotencyKey({ request }: Invocation): Promise<void> {
  const { idempotencyKey: key } = request
  if (key === undefined || (key.length > 0 && key.length <= MAX_KEY)) return
  throw new Failure(
    'TYPE_MISMATCH',
    `Cannot read Idempotency-Key: it has ${key.length} of 1 to ${MAX_KEY} characters`,
    {
      suggestion: 'Use a UUID',
    },
  )
}

/** Reads the input and checks it against the contract; unknown members are mistakes, not extras. */
export async function readInput(invocation: Invocation): Promise<void> {
  const { endpoint } = invocation.request
  const raw = await invocation.request.readInput()
  const parsed = endpoint.input.safeParse(raw, { error: explainExactNumber })
  if (!parsed.success) {
    const [example] = endpoint.examples
    throw new Failure(
      'TYPE_MISMATCH',
      `Cannot read the input of ${nameOf(endpoint)}: ${whatIsWrong(parsed.error)}`,
      {
        suggestion:
          example === undefined
            ? 'Compare it with the schema'
            : `Send something like ${exampleFor(endpoint, example.input)}`,
        details: {
          issues: parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })),
        },
      },
    )
  }
  invocation.input = parsed.data
}

/** As callers know it: the second address of an aspect is no path. */
function nameOf({ name, route, method, path }: Endpoint): string {
  return route === undefined ? name : `${method} ${path}`
}

/** An input as it is sent: at the second address of an aspect, a part of it is in the URL. */
function exampleFor({ route, method, path }: Endpoint, input: object): string {
  if (route === undefined) return JSON.stringify(input)
  const body = new Map(Object.entries(input))
  const address = path.replaceAll(/:(\w+)/g, (_parameter, name: string) => {
    const value = String(body.get(name))
    body.delete(name)
    return value
  })
  return `${method} ${address}${body.size === 0 ? '' : ` ${JSON.stringify(Object.fromEntries(body))}`}`
}

/** Decides as what the caller looks, within its roles; who brings no credential is a guest. */
export async function observe(invocation: Invocation): Promise<void> {
  const { identity, request } = invocation
  if (identity === undefined) invocation.observer = GUEST
  else invocation.observer = observerFor(identity.user, identity.roles, request.archetype)
}

/** Checks the path of an open holon: that it is one, and that no node of its own stands there. */
export async function checkHolon({ request, runtime }: Invocation): Promise<void> {
  const { path, endpoint } = request
  if (path === undefined || endpoint.aspect?.node.endsWith('*') !== true) return
  const { context, holon } = parsePath(path)
  const { platform } = runtime
  if (!platform.hasNode(context, holon)) return
  const serving = findNode(await platform.catalog(), context, holon)
  throw new Failure('NODE_NOT_REGISTERED', `Cannot find "${path}": ${context}.${holon} has no such verb`, {
    suggestion: `Use one of the verbs of ${context}.${holon}`,
    available: serving?.endpoints.flatMap(({ aspect }) => aspect?.verb ?? []) ?? [],
  })
}

/** Lets only those pass who have the verb: by archetype, or else by a capability that they have taken on. */
export async function checkAffordance(invocation: Invocation): Promise<void> {
  const { request, observer } = invocation
  const { aspect } = request.endpoint
  if (aspect === undefined || observer === undefined) return
  if (hasAffordance(observer, aspect)) return
  const identity = callerOf(invocation)
  const own = aspectsOf([request.function])
  const capabilities = await withTenant(invocation.runtime.database, identity.tenant, 'read', (db) =>
    capabilitiesOf(db, identity, () => own),
  )
  const looking = { ...observer, capabilities }
  invocation.observer = looking
  if (hasAffordance(looking, aspect)) return
  throw new Failure('AFFORDANCE_DENIED', `Cannot use ${request.path} as "${observer.archetype}"`, {
    suggestion: 'Use one of the available verbs, or look as another archetype',
    available: own.filter((each) => hasAffordance(looking, each)).map(({ verb }) => verb),
  })
}

/** Lets only those pass whose credential allows this kind of call. */
export async function checkPermission(invocation: Invocation): Promise<void> {
  const { permission, name } = invocation.request.endpoint
  if (permission !== undefined) requirePermission(name, permission, callerOf(invocation))
}

/** Lets only those pass whose credential covers every declared effect, and what an operation needs. */
export async function checkScopes(invocation: Invocation): Promise<void> {
  const { endpoint, path = endpoint.name } = invocation.request
  requireScopes(path, endpoint.scopes, invocation.identity)
}

/** Answers a dry run: what the call would do, need and cost. Nothing is run, charged or marked. */
export async function rehearse(invocation: Invocation): Promise<void> {
  const { request, input, observer } = invocation
  const { aspect, permission } = request.endpoint
  if (request.dryRun !== true || aspect === undefined) return
  const body: Rehearsal = {
    path: request.path ?? aspect.path,
    dry_run: true,
    category: aspect.category,
    effects: [...aspect.effects],
    permission: permission ?? null,
    scopes: scopesOf(aspect.effects),
    cost: aspect.cost?.(input) ?? {},
    asynchronous: request.endpoint.complete !== undefined,
    observer: { archetype: observer?.archetype ?? 'guest' },
  }
  invocation.answer = { status: 200, body }
}
