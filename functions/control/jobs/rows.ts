/** Jobs as they are stored, and as they are shown: what came of one is for its requester alone. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import type { Identity } from '../../../shared/identity/identity.ts'
import { FinishReason, TokenUsage } from '../../../shared/inference/messages.ts'

export const STATUSES = ['queued', 'running', 'completed', 'failed', 'cancelled'] as const

export const Job = z.object({
  id: z.uuid(),
  /** The requester. */
  person: z.uuid().optional(),
  status: z.enum(STATUSES),
  path: z.string(),
  created_at: z.string(),
  started_at: z.string().optional(),
  finished_at: z.string().optional(),
  /** When something was forgotten that it quotes: that is in no result any more. */
  forgotten_at: z.string().optional(),
  result: z.unknown().optional(),
  /** The words of the model. */
  text: z.string().optional(),
  error: z.strictObject({ code: z.string(), message: z.string() }).optional(),
  tokens: TokenUsage.optional(),
  /** Why the model ended its answer. */
  finish_reason: FinishReason.optional(),
  /** Name of the model server that finished the answer, where there are several. */
  server: z.string().optional(),
  /** US dollars, by the price of the model in the catalogue. */
  cost_usd: z.number().optional(),
  /** Of a cancelled job as soon as it is known what had been generated. */
  charges: z.record(z.string(), z.number()).optional(),
})
export const JobAnswer = z.strictObject({
  job: Job,
  /** `stream` only for whoever may follow it. */
  links: z.strictObject({ self: z.string(), stream: z.string().optional() }),
})

export interface JobRow {
  id: string
  /** The requester. */
  user_id: string | null
  status: (typeof STATUSES)[number]
  path: string
  created_at: Date
  started_at: Date | null
  finished_at: Date | null
  forgotten_at: Date | null
  result: unknown
  text: string | null
  error: { code: string; message: string } | null
  tokens: TokenUsage | null
  finish_reason: FinishReason | null
  server: string | null
  cost_usd: number | null
  charges: Record<string, number> | null
}

/** An admin of the tenant sees all of its jobs, though not their results. */
export function seesAll({ permissions }: Identity): boolean {
  return permissions.includes('tenant:admin')
}

/**
 * The job, with its result where it is the caller's own.
 *
 * @throws Failure NOT_FOUND
 */
export async function find(id: string, { db, identity }: Pick<Call, 'db' | 'identity'>): Promise<JobRow> {
  const [row] = await db<JobRow[]>`
    select id, user_id, status, path, created_at, started_at, finished_at, forgotten_at, error, tokens,
      finish_reason, server, cost_usd::float8, charges,
      case when user_id = ${identity.user} then result end as result,
      case when user_id = ${identity.user} then text end as text
    from jobs where id = ${id} and (${seesAll(identity)} or user_id = ${identity.user})`
  if (row !== undefined) return row
  throw notFound(id)
}

export function notFound(id: string): Failure {
  return new Failure('NOT_FOUND', `Cannot find job "${id}"`, { suggestion: 'GET /v1/jobs lists your jobs' })
}

export function isOwn({ user_id }: JobRow, { identity }: Pick<Call, 'identity'>): boolean {
  return user_id === identity.user
}

export function present(row: JobRow, call: Pick<Call, 'identity'>): z.infer<typeof JobAnswer> {
  const self = `/v1/jobs/${row.id}`
  return { job: describe(row), links: { self, ...(isOwn(row, call) ? { stream: `${self}/stream` } : {}) } }
}

export function describe(row: JobRow): z.infer<typeof Job> {
  const { id, status, path, created_at, started_at, finished_at, forgotten_at } = row
  const { result, text, error, tokens, finish_reason, server, cost_usd, charges } = row
  return {
    id,
    ...(row.user_id === null ? {} : { person: row.user_id }),
    status,
    path,
    created_at: created_at.toISOString(),
    ...(started_at === null ? {} : { started_at: started_at.toISOString() }),
    ...(finished_at === null ? {} : { finished_at: finished_at.toISOString() }),
    ...(forgotten_at === null ? {} : { forgotten_at: forgotten_at.toISOString() }),
    ...(result === null ? {} : { result }),
    ...(text === null ? {} : { text }),
    ...(error === null ? {} : { error }),
    ...(tokens === null ? {} : { tokens }),
    ...(finish_reason === null ? {} : { finish_reason }),
    ...(server === null ? {} : { server }),
    ...(cost_usd === null ? {} : { cost_usd }),
    ...(charges === null ? {} : { charges }),
  }
}
