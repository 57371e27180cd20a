/** Ends what is under way in a tenant that is deleted: each job is cancelled, as its requester could, and charged as then. */
import type { Call } from '../../../shared/contract/call.ts'

/** Jobs of one transaction; the next tick goes on. */
const BATCH = 100

export async function cancelJobs({ db, endJob }: Pick<Call, 'db' | 'endJob'>): Promise<void> {
  const jobs = await db<{ id: string }[]>`
    select j.id from jobs j join tenants t on t.id = j.tenant_id
    where t.deleted_at is not null and j.status in ('queued', 'running') order by j.id limit ${BATCH}`
  for (const { id } of jobs) await endJob({ job: id, how: 'cancelled' })
}
