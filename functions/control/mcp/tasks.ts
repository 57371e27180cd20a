/**
 * Jobs as tasks: of revision 2025-11-25, and of the extension that revision 2026-07-28 has for them. A task is the caller's own job, and
 * has its id. Nothing else is stored, so any replica answers for it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallToolResult } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy } from '../../../shared/contract/pages.ts'
import { Failure } from '../../../shared/failures.ts'
import { requirePermission, requireScopes } from '../../../shared/pipeline/check-access.ts'
import { cancel } from '../jobs.ts'
import { find, isOwn, notFound, type JobRow } from '../jobs/rows.ts'
import { answerQuestions, questionsOf, requestsFor } from './input.ts'
import { answered, failed, stillRunning } from './results.ts'
import type { Serving } from './serving.ts'

/** How long a call waits for its job where the client takes no tasks. */
const WAIT_MS = 20_000
const LOOK_MS = 250
/** What clients are to leave between two looks. */
const POLL_MS = 1000
const PAGE = 50

const Id = z.string().max(100)
export const TaskId = z.looseObject({ taskId: Id })
export const TaskCursor = z.looseObject({ cursor: z.string().max(1000).optional() })

/** UUIDs of version 7 sort by time. */
const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')

type Status = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled'

/** What a call answers whose work goes on. */
export async function createTask(id: string, isLegacy: boolean, call: Serving): Promise<CallToolResult> {
  const task = describe(await findOwn(id, call), 'working', isLegacy)
  const created = isLegacy ? { task, content: [] } : { resultType: 'task', ...task }
  return created as unknown as CallToolResult // reason: either stands in place of the result, and the SDK has no type for both
}

/** The result of a job that ends in time; else where to look after it. */
export async function resultWithin(
  job: { id: string; status: string },
  call: Serving,
): Promise<CallToolResult> {
  const ended = await awaitEnd(job.id, call)
  return ended === undefined ? stillRunning(job) : resultOf(ended)
}

/** How a task stands. @throws Failure NOT_FOUND for what is no job of the caller */
export async function getTask(id: string, isLegacy: boolean, call: Serving) {
  const row = await findOwn(id, allowed('tasks/get', call))
  const tokens = hasEnded(row) ? [] : await questionsOf(row.id, call)
  const status = statusOf(row, tokens.length > 0, isLegacy)
  const task = describe(row, status, isLegacy)
  if (isLegacy) return task
  return {
    ...task,
    ...(status === 'completed' ? { result: { ...resultOf(row), resultType: 'complete' } } : {}),
    ...(status === 'input_required' ? { inputRequests: await requestsFor(tokens, call) } : {}),
  }
}

/** Waits for the end of a task, as long as one request may; of revision 2025-11-25. */
export async function taskResult(id: string, call: Serving) {
  const { id: job } = await findOwn(id, allowed('tasks/result', call))
  const row = await awaitEnd(job, call)
  if (row === undefined) {
    throw new Failure('STATE_CONFLICT', `Cannot answer the result of task "${id}": it has not ended yet`, {
      suggestion: 'tasks/get shows when it has',
    })
  }
  if (row.status === 'cancelled')
    throw new Failure('CANCELLED', `Cannot answer the result of task "${id}": it was cancelled`)
  return { ...resultOf(row), _meta: { 'io.modelcontextprotocol/related-task': { taskId: id } } }
}

/** The caller's jobs, newest first; of revision 2025-11-25. */
export async function listTasks({ cursor }: z.infer<typeof TaskCursor>, call: Serving) {
  allowed('tasks/list', call)
  const bounds = {
    limit: PAGE,
    ...(cursor === undefined ? {} : { cursor: NEWEST_FIRST.Cursor.parse(cursor) }),
  }
  const { page, next_cursor } = await call.inOwn('read', ({ db, identity }) =>
    NEWEST_FIRST.readPage(
      db,
      db<JobRow[]>`
        select id, status, created_at, started_at, finished_at, error from jobs where user_id = ${identity.user}`,
      bounds,
    ),
  )
  return {
    tasks: page.map((row) => describe(row, statusOf(row, false, true), true)),
    ...(next_cursor === null ? {} : { nextCursor: next_cursor }),
  }
}

/** Cancels the job. One that has ended stays as it is, which only revision 2025-11-25 wants to hear of. */
export async function cancelTask(id: string, isLegacy: boolean, call: Serving) {
  requirePermission('tasks/cancel', 'jobs:cancel', call.identity)
  requireScopes('tasks/cancel', ['job:write'], call.identity)
  const { id: job } = await findOwn(id, call)
  try {
    await call.inOwn('write', (writing) => cancel(job, writing))
  } catch (error) {
    if (isLegacy || !(error instanceof Failure) || error.code !== 'STATE_CONFLICT') throw error
  }
  if (!isLegacy) return {}
  const row = await findOwn(id, call)
  return describe(row, statusOf(row, false, true), true)
}

/** Passes on answers to the questions of a task. Those to others are ignored, as the extension wants it. */
export async function updateTask(id: string, responses: Readonly<Record<string, unknown>>, call: Serving) {
  const { id: job } = await findOwn(id, allowed('tasks/update', call))
  await answerQuestions(await questionsOf(job, call), responses, call)
  return {}
}

function allowed(method: string, call: Serving): Serving {
  requirePermission(method, 'jobs:read', call.identity)
  requireScopes(method, ['job:read'], call.identity)
  return call
}

/** @throws Failure NOT_FOUND also for what is somebody else's, of whom an admin sees less than a task says */
async function findOwn(id: string, call: Serving): Promise<JobRow> {
  if (!z.uuid().safeParse(id).success) throw notFound(id)
  const row = await call.inOwn('read', (reading: Pick<Call, 'db' | 'identity'>) => find(id, reading))
  if (!isOwn(row, call)) throw notFound(id)
  return row
}

/** The job once it has ended; undefined where that takes too long. No transaction is open meanwhile. */
async function awaitEnd(id: string, call: Serving): Promise<JobRow | undefined> {
  for (const until = Date.now() + WAIT_MS; ; await sleep(LOOK_MS, undefined, { signal: call.signal })) {
    const row = await findOwn(id, call)
    if (hasEnded(row)) return row
    if (Date.now() > until) return undefined
  }
}

function hasEnded({ status }: JobRow): boolean {
  return status !== 'queued' && status !== 'running'
}

/** A job that failed is a tool's failure: revision 2025-11-25 has that as a failed task, the extension as a completed one. */
function statusOf({ status }: Pick<JobRow, 'status'>, waits: boolean, isLegacy: boolean): Status {
  if (status === 'queued' || status === 'running') return waits ? 'input_required' : 'working'
  return status === 'failed' && !isLegacy ? 'completed' : status
}

function describe(
  { id, created_at, started_at, finished_at, error }: JobRow,
  status: Status,
  isLegacy: boolean,
) {
  const last = finished_at ?? started_at ?? created_at
  return {
    taskId: id,
    status,
    ...(error === null ? {} : { statusMessage: error.message }),
    createdAt: created_at.toISOString(),
    lastUpdatedAt: last.toISOString(),
    ...(isLegacy ? { ttl: null, pollInterval: POLL_MS } : { ttlMs: null, pollIntervalMs: POLL_MS }),
  }
}

function resultOf({ id, path, status, result, error, charges, tokens }: JobRow): CallToolResult {
  if (error !== null) return failed({ ...error, path, job: id })
  if (status === 'cancelled')
    return failed({ code: 'CANCELLED', message: `Job "${id}" was cancelled`, path, job: id })
  return answered(result, { path, result, job: { id, status }, meta: { charges: charges ?? {}, tokens } })
}
