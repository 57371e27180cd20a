/** Calls for a run, in the name of whoever invoked the agent: with the rights that they have now, and no more than they had then. */
import { JobCall } from '../../../../shared/calls/job-call.ts'
import type { Call, Given } from '../../../../shared/contract/call.ts'
import type { DispatchAnswer } from '../../../../shared/contract/platform.ts'
import { Failure, failureFrom } from '../../../../shared/failures.ts'
import { currentIdentity } from '../../../../shared/identity/current-identity.ts'
import type { StoredIdentity } from '../../../../shared/identity/identity.ts'
import type { TraceContext } from '../../../../shared/telemetry/trace.ts'
import { MAX_ATTEMPTS } from './limits.ts'
import type { RunRow } from './runs.ts'

export type Continuing = Given<'postgres' | 'events' | 'jobs' | 'functions' | 'catalog', 'caller'>

/** Going on with a run: by what is given to the event's handler, below a trace. */
export interface GoingOn {
  call: Continuing
  trace: TraceContext
}

interface Wanted {
  path: string
  input: unknown
  idempotencyKey?: string
}

/** What came of a call; `later` where its tenant is suspended, and it waits until that is over. */
export type Outcome = { answer: DispatchAnswer } | { failure: Failure } | 'later'

/**
 * Makes one call.
 *
 * @param mayPass whether a failure may pass: the call is then made again when the event is delivered again
 * @throws Failure that may pass, unless that was too often
 */
export async function dispatchAs(
  run: RunRow,
  wanted: Wanted,
  { call, trace }: GoingOn,
  mayPass: (failure: Failure) => boolean,
): Promise<Outcome> {
  const failure = await send(run, wanted, { call, trace }).catch((error: unknown) => {
    if (error instanceof Failure) return error
    throw error
  })
  if (!(failure instanceof Failure)) return { answer: failure }
  if (failure.code === 'TENANT_SUSPENDED') return 'later'
  // Another delivery of the same event has made the call, and its answer is not there yet.
  if (failure.code === 'STATE_CONFLICT' && failure.facts.retryAfterSeconds !== undefined) throw failure
  if (!mayPass(failure) || run.attempts + 1 >= MAX_ATTEMPTS) return { failure }
  await call.transact(
    'write',
    ({ db }) => db`update agent_runs set attempts = attempts + 1, moved_at = now() where id = ${run.id}`,
  )
  throw failure
}

async function send(
  run: RunRow,
  wanted: Wanted,
  { call, trace }: GoingOn,
): Promise<DispatchAnswer | Failure> {
  const { identity: then, archetype } = JobCall.parse(run.call)
  const identity = await call.transact('read', (inner) => identityNow(then, inner))
  const found = await call.findAspect(wanted.path)
  if (found === undefined)
    return new Failure('NODE_NOT_REGISTERED', `Cannot call "${wanted.path}": no node serves it any more`)
  const { definition } = found
  const request = { ...wanted, function: definition.name, archetype, parent: run.id, inner: true }
  const answer = await call.dispatch(request, { identity, trace, signal: call.signal })
  return answer.status >= 400 ? failureFrom(answer.body) : answer
}

/** @throws Failure IDENTITY_GONE, TENANT_SUSPENDED */
async function identityNow(then: StoredIdentity, { db }: Pick<Call, 'db'>): Promise<StoredIdentity> {
  const now = await currentIdentity(db, then.user)
  return {
    ...now,
    roles: now.roles.filter((role) => then.roles.includes(role)),
    permissions: now.permissions.filter((permission) => then.permissions.includes(permission)),
    ...(then.scopes === undefined ? {} : { scopes: then.scopes }),
    ...(then.key === undefined ? {} : { key: then.key }),
  }
}
