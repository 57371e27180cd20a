/** Jobs under way, by tenant. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import { operate } from '../tenants/operate.ts'

export const TenantQueue = z.strictObject({
  tenant: z.strictObject({ id: z.uuid(), slug: z.string(), tier: z.string() }),
  waiting: z.int().describe('For the relay to admit them'),
  admitted: z.int().describe('For a worker'),
  running: z.int(),
  oldest_wait_seconds: z.number().describe('Of those that wait for the relay; 0 where none does'),
})

interface QueueRow {
  id: string
  slug: string
  tier: string
  waiting: number
  admitted: number
  running: number
  oldest_wait: number
}

interface TotalRow {
  waiting: number
  admitted: number
  running: number
  oldest_wait: number
}

export const BY_SLUG = orderBy({ slug: 'text' }, 'asc')

export async function listQueues(bounds: Bounds, { db, identity }: Pick<Call, 'db' | 'identity'>) {
  const queues = () => db<QueueRow[]>`
    select id, slug, tier, waiting, admitted, running,
      coalesce(greatest(0, extract(epoch from now() - oldest_waiting)), 0)::float8 as oldest_wait
    from queues_for_operator(${identity.user})`
  const [{ page, next_cursor }, [total]] = await operate(
    Promise.all([
      BY_SLUG.readPage(db, queues(), bounds),
      db<[TotalRow]>`
        select coalesce(sum(waiting), 0)::int as waiting, coalesce(sum(admitted), 0)::int as admitted,
          coalesce(sum(running), 0)::int as running, coalesce(max(oldest_wait), 0)::float8 as oldest_wait
        from (${queues()}) queues`,
    ]),
  )
  const { oldest_wait, ...counts } = total
  return { total: { ...counts, oldest_wait_seconds: oldest_wait }, queues: page.map(describe), next_cursor }
}

function describe({ id, slug, tier, oldest_wait, ...counts }: QueueRow): z.infer<typeof TenantQueue> {
  return { tenant: { id, slug, tier }, ...counts, oldest_wait_seconds: oldest_wait }
}
