/**
 * Jobs: what became of work that a model does. Other tenants' jobs are not there.
 *
 * They are personal, as messages to one's K-gent are: others of the tenant do not see them. An admin sees that they are
 * there, how they go and what they cost, and may cancel them; what came of them, at the end or on the way, is for the
 * requester.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { Flag, wholeNumber } from '../../shared/contract/query-values.ts'
import { defineOperation, route, trigger } from '../../shared/contract/define-operation.ts'
import { NextCursor, orderBy, type Bounds } from '../../shared/contract/pages.ts'
import { Failure } from '../../shared/failures.ts'
import { Instant } from '../../shared/instant.ts'
import { retryJob } from './jobs/retry.ts'
import {
  describe,
  find,
  isOwn,
  Job,
  JobAnswer,
  present,
  seesAll,
  STATUSES,
  type JobRow,
} from './jobs/rows.ts'

/** UUIDs of version 7 sort by time. */
const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')
const JobPath = z
  .string()
  .max(200)
  .regex(/^[a-z0-9_*-]+(\.[a-z0-9_-]+){0,2}$/i, 'is no path, nor the beginning of one')
const JobId = z.strictObject({ id: z.uuid() })

export const jobs = defineOperation({
  name: 'jobs',
  summary: 'Shows, lists, cancels and retries jobs',
  routes: {
    get: route({
      route: 'GET /v1/jobs/:id',
      summary: 'One job, with its result once it has one; only the requester gets the result',
      permission: 'jobs:read',
      scopes: ['job:read'],
      needs: ['postgres'],
      input: JobId.extend({
        /** Fails where the caller may not follow the job; the stream hub checks so before it streams anything. */
        follow: Flag.default(false),
      }),
      output: JobAnswer,
      async handle({ id, follow }, call) {
        const row = await find(id, call)
        if (follow) checkFollow(row, call)
        return present(row, call)
      },
    }),

    list: route({
      route: 'GET /v1/jobs',
      summary: 'Jobs, newest first',
      permission: 'jobs:read',
      scopes: ['job:read'],
      needs: ['postgres'],
      input: z.strictObject({
        status: z.enum(STATUSES).optional(),
        path: JobPath.optional().describe('A path, or the beginning of one: self.soul.dialogue, self.soul'),
        person: z.uuid().optional().describe('Who has requested them; others than yourself only as an admin'),
        from: Instant.optional(),
        to: Instant.optional().describe('Exclusive'),
        limit: wholeNumber(1, 100).default(20),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ jobs: z.array(Job), next_cursor: NextCursor }),
      examples: [
        { summary: 'What is under way on one node', input: { status: 'running', path: 'self.soul' } },
      ],
      handle: (wanted, call) => listJobs(wanted, call),
    }),

    cancel: route({
      route: 'DELETE /v1/jobs/:id',
      summary: 'Cancel a job that has not ended; what was generated is charged, the rest refunded',
      permission: 'jobs:cancel',
      scopes: ['job:write'],
      needs: ['postgres', 'jobs'],
      input: JobId,
      output: JobAnswer,
      writes: true,
      handle: ({ id }, call) => cancel(id, call),
    }),

    retry: route({
      route: 'POST /v1/jobs/:id/retry',
      summary:
        'Make the call of a job of yours again that failed or was cancelled; the answer is the new job',
      permission: 'jobs:cancel',
      scopes: ['job:write'],
      needs: ['postgres', 'functions', 'catalog'],
      input: JobId,
      output: JobAnswer,
      writes: true,
      transaction: false,
      status: () => 202,
      statuses: [202],
      handle: ({ id }, call) => retryJob(id, call),
    }),
  },
  triggers: [
    trigger({
      name: 'started',
      attributes: { type: 'io.kgents.inference.started' },
      needs: ['postgres'],
      data: z.looseObject({ job: z.uuid() }),
      async handle({ job }, { db }) {
        await db`update jobs set status = 'running', started_at = now() where id = ${job} and status = 'queued'`
      },
    }),
  ],
})

interface Wanted extends Bounds {
  status?: (typeof STATUSES)[number] | undefined
  path?: string | undefined
  person?: string | undefined
  from?: string | undefined
  to?: string | undefined
}

async function listJobs(wanted: Wanted, { db, identity }: Pick<Call, 'db' | 'identity'>) {
  const { status = null, path = null, person = null, from = null, to = null, ...bounds } = wanted
  const jobs = db<JobRow[]>`
    select id, user_id, status, path, created_at, started_at, finished_at, forgotten_at, null as result, null as text, error, tokens,
      finish_reason, server, cost_usd::float8, charges
    from jobs
    where (${seesAll(identity)} or user_id = ${identity.user})
      and (${status}::text is null or status = ${status})
      and (${path}::text is null or path = ${path} or starts_with(path, ${path}::text || '.'))
      and (${person}::uuid is null or user_id = ${person})
      and (${from}::timestamptz is null or created_at >= ${from}) and (${to}::timestamptz is null or created_at < ${to})`
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, jobs, bounds)
  return { jobs: page.map(describe), next_cursor }
}

/**
 * @throws Failure AFFORDANCE_DENIED for a job of somebody else, NOT_FOUND where what it said was forgotten: the words are
 *   in its stream for a while
 */
function checkFollow(row: JobRow, call: Pick<Call, 'identity'>): void {
  if (isOwn(row, call) && row.forgotten_at === null) return
  if (isOwn(row, call)) {
    throw new Failure('NOT_FOUND', `Cannot follow job "${row.id}": something that it quotes was forgotten`, {
      suggestion: 'GET the job for what is left of it',
    })
  }
  throw new Failure('AFFORDANCE_DENIED', `Cannot follow job "${row.id}": it is another person's`, {
    suggestion: 'GET the job for its status and costs',
  })
}

/** @throws Failure NOT_FOUND, STATE_CONFLICT where it has ended */
export async function cancel(
  id: string,
  call: Pick<Call, 'db' | 'identity' | 'endJob'>,
): Promise<z.infer<typeof JobAnswer>> {
  await find(id, call)
  const status = await call.endJob({ job: id, how: 'cancelled' })
  if (status === 'cancelled') {
    await cancelStage(id, call)
    return present(await find(id, call), call)
  }
  throw new Failure('STATE_CONFLICT', `Cannot cancel job "${id}": it has ${status ?? 'ended'} already`, {
    suggestion: 'GET the job to see how it ended',
    details: { status },
  })
}

/** Where a composition is cancelled, so is the job that its present stage is. */
async function cancelStage(id: string, call: Pick<Call, 'db' | 'endJob'>): Promise<void> {
  const [stage] = await call.db<{ stage_job: string | null }[]>`
    select stage_job from compositions where id = ${id}`
  const job = stage?.stage_job ?? undefined
  if (job !== undefined) await call.endJob({ job, how: 'cancelled' })
}
