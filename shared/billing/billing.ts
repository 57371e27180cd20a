/**
 * One change to the billing of one tenant, in the transaction of its caller. Changes of a tenant come one after the other: the first
 * statement of each takes a lock of the tenant.
 */
import type { Call } from '../contract/call.ts'
import type { Db } from '../database/database.ts'
import type { Usage } from './invoices/lines.ts'
import type { Period } from './invoices/months.ts'
import { periodUsage } from './usage.ts'

/** Publishes an event with the transaction. */
type Emit = (type: `io.kgents.${string}`, data: Record<string, unknown>) => void

export interface Billing {
  db: Db
  emit: Emit
  tenant: string
  /** The time at which it happens. */
  now: Date
  /** What the tenant used in a period, wherever its rows are. */
  usage(period: Period): Promise<Usage>
  /** Whether the tenant is deleted: then nothing is invoiced, and months wait until it is restored. */
  isDeleted: boolean
  /** Whether invoices are paid through the payment provider; otherwise by bank transfer. */
  hasProvider: boolean
  /** Set where a subscription has changed, so that the tenant's plan follows. */
  changed: boolean
}

type Beginning = Pick<Call, 'db' | 'inOwn'> & { emit: Emit; identity: { tenant: string } }

/** Begins a change; nobody else changes the billing of this tenant until the transaction is over. */
export async function beginBilling(
  { db, emit, inOwn, identity: { tenant } }: Beginning,
  { now = new Date(), hasProvider }: { now?: Date; hasProvider: boolean },
): Promise<Billing> {
  await db`select pg_advisory_xact_lock(hashtextextended(${`billing:${tenant}`}, 0))`
  const [row] = await db<{ is_deleted: boolean }[]>`select deleted_at is not null as is_deleted from tenants`
  const usage = (period: Period) => inOwn('read', (own) => periodUsage(own.db, period))
  return { db, emit, tenant, now, usage, isDeleted: row?.is_deleted ?? true, hasProvider, changed: false }
}

/** For what a change would come to: nothing waits for it, and it leaves nothing behind. */
export function considerBilling(
  { db, identity: { tenant } }: Pick<Beginning, 'db' | 'identity'>,
  { now, hasProvider }: { now: Date; hasProvider: boolean },
): Billing {
  const usage = () => Promise.reject(new Error('What would be is computed without usage'))
  return { db, emit: () => {}, tenant, now, usage, isDeleted: false, hasProvider, changed: false }
}
