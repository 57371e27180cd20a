/** Reads what a trace has left behind: the marks of its calls, and its jobs, also those that have not ended. */
import type { Call } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import { spansOf, type JobRow, type TraceSpans } from './spans.ts'
import { fromStore } from './stores.ts'

/** Calls of a trace that are shown, and jobs. */
const MAX_ROWS = 500

/** @throws Failure NOT_FOUND, also where nothing of it is for the caller */
export async function readTrace(
  id: string,
  call: Pick<Call, 'db' | 'identity' | 'traceStore' | 'log'>,
): Promise<TraceSpans> {
  const { db, identity } = call
  const seesAll = identity.permissions.includes('tenant:admin')
  const [marks, jobs] = await Promise.all([
    fromStore(call, (store) => store.marksOf(id, MAX_ROWS + 1, identity)),
    db<JobRow[]>`
      select id, path, status, user_id, created_at, started_at, finished_at, model_seconds, tokens, charges,
        call -> 'aspect' is null as composes, admitted_at is not null or message is not null or model_seconds is not null as queues,
        cost_usd::float8, (call ->> 'parent')::uuid as parent
      from jobs where split_part(call ->> 'traceparent', '-', 2) = ${id} and (${seesAll} or user_id = ${identity.user})
      order by id limit ${MAX_ROWS + 1}`,
  ])
  if (marks.length + jobs.length === 0) {
    throw new Failure('NOT_FOUND', `Cannot find trace "${id}"`, { suggestion: 'GET /v1/traces lists them' })
  }
  const truncated = marks.length > MAX_ROWS || jobs.length > MAX_ROWS
  return { ...spansOf(id, marks.slice(0, MAX_ROWS), jobs.slice(0, MAX_ROWS)), truncated }
}
