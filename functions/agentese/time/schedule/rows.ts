/** The rows of a person's schedules, and what callers see of them. */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { Failure } from '../../../../shared/failures.ts'

export const STATUSES = ['pending', 'running', 'executed', 'failed', 'cancelled'] as const

export const Schedule = z.strictObject({
  id: z.uuid(),
  path: z.string(),
  input: z.record(z.string(), z.unknown()),
  archetype: z.string(),
  scheduled_for: z.string(),
  status: z.enum(STATUSES),
  executed_at: z.string().nullable(),
  result: z.unknown(),
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  job: z.string().nullable(),
})

/** A schedule among others: what goes in and what came out may each be large. */
export const Listed = Schedule.omit({ input: true, result: true })

export interface ScheduleRow {
  id: string
  user_id: string
  path: string
  input: Record<string, unknown>
  archetype: string
  scopes: string[] | null
  due_at: Date
  status: (typeof STATUSES)[number]
  attempts: number
  finished_at: Date | null
  result: unknown
  error: { code: string; message: string } | null
  job_id: string | null
}

export type ListedRow = Omit<ScheduleRow, 'input' | 'result'>

export async function load(db: Call['db'], id: string): Promise<ScheduleRow | undefined> {
  const [row] = await db<ScheduleRow[]>`select * from schedules where id = ${id}`
  return row
}

/** @throws Failure NOT_FOUND for what is not the caller's own */
export async function find(
  id: string,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<ScheduleRow> {
  const [row] = await db<ScheduleRow[]>`
    select * from schedules where id = ${id} and user_id = ${identity.user}`
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find "${id}" among your calls`, {
    suggestion: 'time.schedule.list shows them',
  })
}

export function describe(row: ScheduleRow): z.infer<typeof Schedule> {
  return { ...listed(row), input: row.input, result: row.result }
}

export function listed(row: ListedRow): z.infer<typeof Listed> {
  const { id, path, archetype, due_at, status, finished_at, error, job_id } = row
  return {
    id,
    path,
    archetype,
    scheduled_for: due_at.toISOString(),
    status,
    executed_at: finished_at?.toISOString() ?? null,
    error,
    job: job_id,
  }
}
