/** Who calls, as established from a verified credential and from nothing else. */
import { z } from 'zod'
import type { Plan } from '../plans/plan.ts'
import { TIERS } from '../plans/tiers.ts'
import { PERMISSIONS, ROLES } from './permissions.ts'

/** An identity as tokens claim it and jobs keep it: of its plan, which version that is. */
export const StoredIdentity = z.object({
  tenant: z.uuid(),
  tier: z.enum(TIERS),
  /** Absent is 1, as of before plans had versions. */
  planVersion: z.int().positive().optional(),
  /** Whether the tenant pays for use past what its plan includes. */
  overage: z.boolean().optional(),
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
  /** The session of a browser, and what its requests must repeat to change anything. */
  session: z.object({ id: z.uuid(), csrf: z.string() }).optional(),
  /** Where an operator of the platform acts in this tenant: `user` is that operator, who is nobody of the tenant. */
  impersonation: z
    .object({
      id: z.uuid(),
      mayWrite: z.boolean(),
    })
    .optional(),
})
export type StoredIdentity = z.infer<typeof StoredIdentity>

export interface Identity extends StoredIdentity {
  /** The version that the tenant has bought; its id is the tier. */
  plan: Plan
}

/** What is kept of an identity. */
export function storedOf(identity: Identity): StoredIdentity {
  const stored: Partial<Identity> & StoredIdentity = { ...identity }
  delete stored.plan
  return stored
}
