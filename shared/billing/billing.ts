/**
 * One change to the billing of one tenant, in the transaction of its caller. Changes of a tenant come one after the other: the first
 * statement of each takes a lock of the tenant.
 */
import type { Db } from '../database/database.ts'

/** Publishes an event with the transaction. */
type Emit = (type: `io.kgents.${string}`, data: Record<string, unknown>) => void

export interface Billing {
  db: Db
  emit: Emit
  tenant: string
  /** The time at which it happens. */
  now: Date
  /** Whether invoices are paid through the payment provider; otherwise by bank transfer. */
  hasProvider: boolean
  /** Set where a subscription has changed, so that the tenant's plan follows. */
  changed: boolean
}

/** Begins a change; nobody else changes the billing of this tenant until the transaction is over. */
export async function beginBilling(
  { db, emit, identity }: { db: Db; emit: Emit; identity: { tenant: string } },
  { now = new Date(), hasProvider }: { now?: Date; hasProvider: boolean },
): Promise<Billing> {
  const { tenant } = identity
  await db`select pg_advisory_xact_lock(hashtextextended(${`billing:${tenant}`}, 0))`
  return { db, emit, tenant, now, hasProvider, changed: false }
}
