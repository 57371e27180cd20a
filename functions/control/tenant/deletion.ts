/** A tenant leaves the platform, and comes back while it can. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { CREDENTIALS_REVOKED } from '../../../shared/events/credentials.ts'
import { TENANT_EVENTS } from '../../../shared/events/event.ts'
import { Failure } from '../../../shared/failures.ts'
import { actorFacts, type Audited } from '../audit/record.ts'
import { holdPeople } from '../members/rows.ts'
import { cancelJobs } from './cancel-jobs.ts'

/** From the deletion of a tenant to its erasure; `tenants_to_erase()` of the database has it, too. */
const GRACE_DAYS = 30

const DAY_MS = 86_400_000

export const Deletion = z.strictObject({
  deleted_at: z.string(),
  erased_after: z.string().describe('Until then it can be restored, and its data taken along'),
})

/**
 * @throws Failure STATE_CONFLICT where `slug` is another one, or operators of the platform are in the tenant
 */
export async function deleteOwn(
  slug: string,
  call: Audited & Pick<Call, 'emit' | 'endJob'>,
): Promise<{ deletion: z.infer<typeof Deletion> }> {
  const { db, identity, emit } = call
  await holdPeople('tenant.delete', call)
  const [own] = await db<{ slug: string }[]>`select slug from tenants`
  if (own?.slug !== slug) throw otherSlug(slug)
  const [row] = await db<{ at: Date | null }[]>`
    select delete_own_tenant(${identity.user}, ${db.json(actorFacts(call))}) as at`
  const at = row?.at ?? undefined
  if (at === undefined) {
    throw new Failure('STATE_CONFLICT', `Cannot delete "${slug}": operators of the platform are in it`, {
      suggestion: 'Dismiss them first, in another tenant of operators',
    })
  }
  await cancelJobs(call)
  emit(TENANT_EVENTS.deleted, { by: 'tenant' })
  emit(CREDENTIALS_REVOKED, { tenant: identity.tenant })
  return { deletion: { deleted_at: at.toISOString(), erased_after: erasedAfter(at) } }
}

export function erasedAfter(deletedAt: Date): string {
  return new Date(deletedAt.getTime() + GRACE_DAYS * DAY_MS).toISOString()
}

export function otherSlug(slug: string): Failure {
  return new Failure('STATE_CONFLICT', `Cannot delete "${slug}": that is not the slug of the tenant`, {
    suggestion: 'GET the tenant for its slug, and be sure that it is the one',
  })
}

/** @throws Failure STATE_CONFLICT where it is not deleted, is being erased, or was deleted by an operator */
export async function restoreOwn(call: Audited & Pick<Call, 'emit'>): Promise<void> {
  const { db, identity, emit } = call
  const [row] = await db<{ done: boolean }[]>`
    select restore_own_tenant(${identity.user}, ${db.json(actorFacts(call))}) as done`
  if (row?.done !== true) throw await whyNot(call)
  emit(TENANT_EVENTS.restored, { by: 'tenant' })
}

async function whyNot({ db }: Pick<Call, 'db'>): Promise<Failure> {
  const [row] = await db<{ deleted_at: Date | null; deleted_by: string | null; erasing_at: Date | null }[]>`
    select deleted_at, deleted_by, erasing_at from tenants`
  const [why, suggestion] =
    row === undefined || row.erasing_at !== null
      ? ['its erasure has begun', 'Sign up again']
      : row.deleted_at === null
        ? ['it is not deleted', 'There is nothing to do']
        : ['an operator of the platform has deleted it', 'Ask the operator']
  return new Failure('STATE_CONFLICT', `Cannot restore your tenant: ${why}`, { suggestion })
}
