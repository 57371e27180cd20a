/** Who calls, as established from a verified credential and from nothing else. */
import { z } from 'zod'
import { TIERS } from '../plans/tiers.ts'
import { PERMISSIONS, ROLES } from './permissions.ts'

export const Identity = z.object({
  tenant: z.uuid(),
  tier: z.enum(TIERS),
  /** The person or service behind the credential. */
  user: z.uuid(),
  roles: z.array(z.enum(ROLES)),
  permissions: z.array(z.enum(PERMISSIONS)),
  /** What the credential was narrowed to, such as `memory:read`; absent is all that the permissions allow. */
  scopes: z.array(z.string()).optional(),
  /** The API key that is used, or that the token was exchanged for. */
  key: z
    .object({
      id: z.uuid(),
      /** Which of its secrets, counted from 0. */
      rotation: z.int(),
      /** Requests per minute that the key may make, where that is limited. */
      perMinute: z.int().optional(),
    })
    .optional(),
  /** Where an operator of the platform acts in this tenant: `user` is that operator, who is nobody of the tenant. */
  impersonation: z
    .object({
      id: z.uuid(),
      mayWrite: z.boolean(),
    })
    .optional(),
})
export type Identity = z.infer<typeof Identity>
