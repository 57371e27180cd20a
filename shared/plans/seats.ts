/** Seats: how many people a tenant may have. Services that act by keys of the tenant take none. */
import type { Db } from '../database/database.ts'
import { oneAtATime } from '../database/one-at-a-time.ts'
import { Failure } from '../failures.ts'
import type { Subscriber } from './plan.ts'

/** A transaction in which somebody comes into a tenant. */
interface InTenant {
  db: Db
  identity: Subscriber
}

/**
 * Takes a seat for a person that the same transaction adds, under the lock under which people come and go: no two take the
 * last one.
 *
 * @throws Failure QUOTA_EXCEEDED where the plan has none left
 */
export async function takeSeat({ db, identity }: InTenant): Promise<void> {
  const { id, limits } = identity.plan
  if (limits.seats === null) return
  await oneAtATime('people', { db, identity })
  const [free] = await db`
    select where (select count(*) from users where kind = 'person' and removed_at is null) < ${limits.seats}`
  if (free !== undefined) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot add a person: plan "${id}" has ${limits.seats} of them`, {
    suggestion: 'Remove somebody who has left, or move to a larger plan',
    details: { resource: 'seat', tier: id, limit: limits.seats },
  })
}
