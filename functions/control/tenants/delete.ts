/** Operators delete tenants, and bring them back while they can. */
import type { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { CREDENTIALS_REVOKED } from '../../../shared/events/credentials.ts'
import { TENANT_EVENTS } from '../../../shared/events/event.ts'
import { Failure } from '../../../shared/failures.ts'
import { actorFacts, type Audited } from '../audit/record.ts'
import { otherSlug } from '../tenant/deletion.ts'
import { operate } from './operate.ts'
import { findTenant, type Tenant } from './rows.ts'

type Operating = Audited & Pick<Call, 'emit'>

/** @throws Failure NOT_FOUND; STATE_CONFLICT where it is deleted already, has another slug, or operators are in it */
export async function deleteTenant(
  { id, slug, keep_slug }: { id: string; slug: string; keep_slug: boolean },
  call: Operating,
): Promise<{ tenant: z.infer<typeof Tenant> }> {
  const { db, identity, emit } = call
  const before = await findTenant(id, call)
  if (before.slug !== slug) throw otherSlug(slug)
  const [row] = await operate(db<{ at: Date | null }[]>`
    select delete_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${id}, ${keep_slug}) as at`)
  if (row?.at == null) {
    throw new Failure(
      'STATE_CONFLICT',
      `Cannot delete "${slug}": it is deleted already, or operators are in it`,
      {
        suggestion: 'GET /v1/operator/deletions lists those that are deleted',
      },
    )
  }
  emit(TENANT_EVENTS.deleted, { tenant: id, by: 'operator' })
  emit(CREDENTIALS_REVOKED, { tenant: id })
  return { tenant: await findTenant(id, call) }
}

/** @throws Failure NOT_FOUND; STATE_CONFLICT where it is not deleted, or its erasure has begun */
export async function restoreTenant(
  id: string,
  call: Operating,
): Promise<{ tenant: z.infer<typeof Tenant> }> {
  const { db, identity, emit } = call
  const before = await findTenant(id, call)
  const [row] = await operate(db<{ done: boolean }[]>`
    select restore_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${id}) as done`)
  if (row?.done !== true) {
    throw new Failure(
      'STATE_CONFLICT',
      `Cannot restore "${before.slug}": it is not deleted, or its erasure has begun`,
      {
        suggestion: 'GET /v1/operator/deletions shows how far that is',
      },
    )
  }
  emit(TENANT_EVENTS.restored, { tenant: id, by: 'operator' })
  emit(CREDENTIALS_REVOKED, { tenant: id })
  return { tenant: await findTenant(id, call) }
}
