/**
 * Has the payment provider charge nothing for a tenant that is deleted, and end its subscriptions when the tenant is erased; and as
 * before when it is restored. What is asked follows from how the tenant stands, not from the event that said so: events come late,
 * twice, and in any order.
 */
import type { Given } from '../../contract/call.ts'
import { liveSubscriptions, type SubscriptionRow } from '../subscriptions/rows.ts'
import { setDeletedAtProvider } from './requests.ts'

type Following = Given<'postgres' | 'payments', 'caller'>

/** Most times that a tenant is looked at again because it was deleted or restored meanwhile. */
const MAX_TURNS = 5

/** Does nothing where there is no provider. Safe to run again. */
export async function followDeletion({ payments, transact }: Following): Promise<void> {
  if (!payments.hasProvider) return
  const look = () => transact('read', ({ db }) => standing(db))
  let seen = await look()
  for (let turns = 0; turns < MAX_TURNS; turns += 1) {
    const { deletedAt, subscriptions } = seen
    for (const row of subscriptions)
      await payments.ask((client) => setDeletedAtProvider(client, row, deletedAt))
    const now = await look()
    if (now.deletedAt?.getTime() === deletedAt?.getTime()) return
    seen = now
  }
  throw new Error('The tenant is deleted and restored faster than the payment provider answers')
}

async function standing(
  db: Parameters<typeof liveSubscriptions>[0],
): Promise<{ deletedAt: Date | undefined; subscriptions: SubscriptionRow[] }> {
  const [row] = await db<{ deleted_at: Date | null }[]>`select deleted_at from tenants`
  const live = await liveSubscriptions(db)
  return {
    deletedAt: row?.deleted_at ?? undefined,
    subscriptions: live.filter((each) => each.stripe_id !== null),
  }
}
