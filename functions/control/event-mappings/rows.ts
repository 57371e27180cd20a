/** Mappings as they are stored and shown. They are personal, since they act for a person; an admin can read all. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import type { Identity } from '../../../shared/identity/identity.ts'

const Run = z.strictObject({
  /** The event's id, as its sender named it. */
  event: z.string(),
  status: z.enum(['succeeded', 'accepted', 'retrying', 'failed']),
  code: z.string().optional(),
  message: z.string().optional(),
  job: z.uuid().optional(),
  attempts: z.int(),
  at: z.string(),
})

export const Mapping = z.strictObject({
  id: z.uuid(),
  type: z.string(),
  source: z.string().optional(),
  path: z.string(),
  input: z.record(z.string(), z.unknown()),
  archetype: z.string().optional(),
  description: z.string().optional(),
  created_at: z.string(),
  last_run: Run.optional(),
  /** The last ten that failed; those that are retrying may go well yet. */
  failures: z.array(Run),
})

interface RunRow {
  origin_id: string
  status: z.infer<typeof Run>['status']
  code: string | null
  message: string | null
  job_id: string | null
  attempts: number
  at: string
}

export interface MappingRow {
  id: string
  type: string
  source: string | null
  path: string
  input: Record<string, unknown>
  archetype: string | null
  description: string | null
  created_at: Date
  last_run: RunRow | null
  failures: RunRow[]
}

export async function findMapping(
  id: string,
  call: Pick<Call, 'db' | 'identity'>,
): Promise<MappingRow | undefined> {
  const [row] = await select(call, id)
  return row
}

/** UUIDs of version 7 sort by time. */
export const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')

export async function listMappings(bounds: Bounds, call: Pick<Call, 'db' | 'identity'>) {
  const { page, next_cursor } = await NEWEST_FIRST.readPage(call.db, select(call), bounds)
  return {
    mappings: page.map(describe),
    next_cursor,
  }
}

function select({ db, identity }: Pick<Call, 'db' | 'identity'>, id?: string) {
  return db<MappingRow[]>`
    select m.*, last.run as last_run, coalesce(failed.runs, '[]') as failures
    from event_mappings m
    left join lateral (
      select to_jsonb(r) as run from event_mapping_runs r where r.mapping_id = m.id order by r.at desc limit 1
    ) last on true
    left join lateral (
      select jsonb_agg(to_jsonb(r) order by r.at desc) as runs from (
        select * from event_mapping_runs where mapping_id = m.id and status in ('failed', 'retrying') order by at desc limit 10
      ) r
    ) failed on true
    where (${seesAll(identity)} or m.user_id = ${identity.user})
      and (${id ?? null}::uuid is null or m.id = ${id ?? null})`
}

function seesAll({ permissions }: Identity): boolean {
  return permissions.includes('tenant:admin')
}

export function describe(row: MappingRow): z.infer<typeof Mapping> {
  const { id, type, source, path, input, archetype, description, created_at, last_run, failures } = row
  return {
    id,
    type,
    ...(source === null ? {} : { source }),
    path,
    input,
    ...(archetype === null ? {} : { archetype }),
    ...(description === null ? {} : { description }),
    created_at: created_at.toISOString(),
    ...(last_run === null ? {} : { last_run: describeRun(last_run) }),
    failures: failures.map(describeRun),
  }
}

function describeRun({
  origin_id,
  status,
  code,
  message,
  job_id,
  attempts,
  at,
}: RunRow): z.infer<typeof Run> {
  return {
    event: origin_id,
    status,
    ...(code === null ? {} : { code }),
    ...(message === null ? {} : { message }),
    ...(job_id === null ? {} : { job: job_id }),
    attempts,
    at: new Date(at).toISOString(),
  }
}
