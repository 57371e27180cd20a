/** How far tenants are with what they are given at the start, as operators see it. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import { operate } from './operate.ts'

const Step = z.strictObject({
  step: z.string(),
  done_at: z.string().optional(),
  attempts: z.int(),
  error: z.string().optional().describe('Of the last attempt, which a tick repeats'),
})

export const Provisioning = z.strictObject({
  tenant: z.uuid(),
  slug: z.string(),
  state: z.enum(['provisioning', 'ready']),
  created_at: z.string(),
  steps: z.array(Step).describe('In their order'),
})

interface Row {
  id: string
  slug: string
  steps: z.infer<typeof Step>[]
  is_ready: boolean
  created_at: Date
}

export const NEWEST_TENANT = orderBy({ created_at: 'timestamptz', id: 'uuid' }, 'desc')

interface Wanted extends Bounds {
  state?: 'provisioning' | 'ready' | undefined
}

export async function listProvisioning(
  { state, ...bounds }: Wanted,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
) {
  const ready = state === undefined ? null : state === 'ready'
  const rows = db<Row[]>`
    select * from provisioning_for_operator(${identity.user})
    where ${ready}::boolean is null or is_ready = ${ready}`
  const { page, next_cursor } = await operate(NEWEST_TENANT.readPage(db, rows, bounds))
  return {
    provisioning: page.map(({ id, slug, steps, is_ready, created_at }) => ({
      tenant: id,
      slug,
      state: is_ready ? ('ready' as const) : ('provisioning' as const),
      created_at: created_at.toISOString(),
      steps: steps.map((step) => ({ ...step, ...doneAt(step) })),
    })),
    next_cursor,
  }
}

/** As every time is shown; PostgreSQL writes it differently into JSON. */
function doneAt({ done_at }: z.infer<typeof Step>): { done_at?: string } {
  return done_at === undefined ? {} : { done_at: new Date(done_at).toISOString() }
}
