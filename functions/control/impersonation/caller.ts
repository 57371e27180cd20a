/** Who a caller is, as its credential says: for pages, which show whose eyes they are seen by. */
import { z } from 'zod'
import type { Identity } from '../../../shared/identity/identity.ts'
import { PERMISSIONS, ROLES } from '../../../shared/identity/permissions.ts'

export const CallerIdentity = z.strictObject({
  tenant: z.uuid(),
  tier: z.string(),
  user: z.uuid(),
  roles: z.array(z.enum(ROLES)),
  permissions: z.array(z.enum(PERMISSIONS)),
  scopes: z.array(z.string()).optional(),
  key: z.uuid().optional().describe('The API key behind the credential'),
  impersonator: z
    .strictObject({ operator: z.uuid(), impersonation: z.uuid(), may_write: z.boolean() })
    .optional()
    .describe('The operator of the platform who acts; then user is nobody of the tenant'),
})

export function describeCaller(identity: Identity): z.infer<typeof CallerIdentity> {
  const { tenant, tier, user, roles, permissions, scopes, key, impersonation } = identity
  return {
    tenant,
    tier,
    user,
    roles,
    permissions,
    ...(scopes === undefined ? {} : { scopes }),
    ...(key === undefined ? {} : { key: key.id }),
    ...(impersonation === undefined
      ? {}
      : {
          impersonator: {
            operator: user,
            impersonation: impersonation.id,
            may_write: impersonation.mayWrite,
          },
        }),
  }
}
