/** Begins a job that no worker gets: its handler does it step by step, by events, and ends it. */
import type { JobCall } from '../calls/job-call.ts'
import { Accepted } from '../contract/call.ts'
import type { Db } from '../database/database.ts'
import { storedOf } from '../identity/identity.ts'
import { newId } from '../new-id.ts'
import { periodOf } from '../plans/allowance.ts'
import { formatTraceparent } from '../telemetry/trace.ts'
import type { Requester } from './queue-job.ts'

/** Writes the row of the job that the call of `requester` is. Its steps reserve and are charged, each by itself. */
export async function beginJob(db: Db, requester: Requester): Promise<Accepted> {
  const id = newId()
  const { tenant, user } = requester.identity
  const call = callOf(requester)
  await db`
    insert into jobs (id, tenant_id, user_id, function, path, call, status, started_at)
    values (${id}, ${tenant}, ${user}, ${requester.function.name}, ${requester.path}, ${db.json(call)}, 'running', now())`
  return new Accepted(id, 'running')
}

/** @throws TypeError for what is no aspect */
function callOf(requester: Requester): JobCall {
  const { endpoint, identity, path, archetype, input, trace, startedAt, parent, inner } = requester
  const { aspect, name } = endpoint
  if (aspect === undefined) throw new TypeError(`Cannot begin a job: ${name} is no aspect`)
  return {
    identity: storedOf(identity),
    endpoint: name,
    aspect: { path, category: aspect.category, effects: [...aspect.effects] },
    archetype,
    input,
    traceparent: formatTraceparent(trace),
    startedAt,
    reservedTokens: 0,
    period: periodOf(new Date()),
    inSteps: true,
    ...(parent === undefined ? {} : { parent }),
    ...(inner === true ? { inner: true } : {}),
  }
}
