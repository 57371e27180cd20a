/**
 * An operator acts in a tenant, as itself: it sees what an admin sees, and nothing that is personal to one of the tenant's
 * people. The token is good for minutes, and is checked against the database like all others; what the pipeline withholds
 * from it stands in `shared/pipeline/check-impersonation.ts`.
 */
import { z } from 'zod'
import type { Given } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import { permissionsOf } from '../../../shared/identity/permissions.ts'
import { newId } from '../../../shared/new-id.ts'
import type { Tier } from '../../../shared/plans/tiers.ts'
import { actorFacts, type Audited } from '../audit/record.ts'
import { showOnce } from '../shown-once.ts'
import { operate } from '../tenants/operate.ts'

const MAX_MINUTES = 15

export const NewImpersonation = z.strictObject({
  id: z.uuid().describe('The tenant'),
  reason: z.string().trim().min(1).max(500).describe('Also for the audit of the tenant'),
  may_write: z.boolean().default(false),
  minutes: z.int().min(1).max(MAX_MINUTES).default(MAX_MINUTES),
})

export const Impersonation = z.strictObject({
  impersonation: z.uuid(),
  access_token: z.string().optional().describe('Shown once: absent where the answer is a repetition'),
  token_type: z.literal('Bearer'),
  expires_in: z.int(),
})

/** @throws Failure NOT_FOUND for a tenant that is not there, or the operator's own */
export async function impersonate(
  { id: tenant, reason, may_write: mayWrite, minutes }: z.infer<typeof NewImpersonation>,
  call: Given<'postgres' | 'tokens', 'caller' | 'writes'>,
): Promise<z.infer<typeof Impersonation>> {
  const { identity } = call
  const [id, seconds] = [newId(), minutes * 60]
  const [row] = await call.transact('write', ({ db }) =>
    operate(db<{ tier: Tier | null }[]>`
      select impersonate_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${id}, ${tenant}, ${reason},
        ${mayWrite}, ${seconds}, ${identity.key?.id ?? null}, ${identity.key?.rotation ?? null}) as tier`),
  )
  const tier = row?.tier ?? undefined
  if (tier === undefined) {
    throw new Failure(
      'NOT_FOUND',
      `Cannot impersonate tenant "${tenant}": there is none, or it is your own`,
      {
        suggestion: 'GET /v1/operator/tenants lists them',
      },
    )
  }
  const roles = ['admin' as const]
  const { token, expiresInSeconds } = await call.issueToken(
    {
      tenant,
      tier,
      user: identity.user,
      roles,
      permissions: permissionsOf(roles),
      // What the operator's credential is narrowed to, this one is as well.
      ...(identity.scopes === undefined ? {} : { scopes: identity.scopes }),
      impersonation: { id, mayWrite },
    },
    seconds,
  )
  return showOnce(
    { impersonation: id, token_type: 'Bearer' as const, expires_in: expiresInSeconds },
    { access_token: token },
  )
}

/** @throws Failure NOT_FOUND where it is another's, or has ended */
export async function endImpersonation(id: string, call: Audited): Promise<{ id: string; ended: true }> {
  const { db, identity } = call
  const [row] = await operate(db<{ done: boolean }[]>`
    select end_impersonation_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${id}) as done`)
  if (row?.done === true) return { id, ended: true }
  throw new Failure('NOT_FOUND', `Cannot end impersonation "${id}": it is not yours, or has ended`, {
    suggestion: 'Its token is refused when its time is over',
  })
}
