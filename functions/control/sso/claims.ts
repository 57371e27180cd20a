/** What a provider says of a person: its subject, and what else of it is used. */
import type { JWTPayload } from 'jose'
import { z } from 'zod'
import { Failure } from '../../../shared/failures.ts'
import { Address } from '../members/rows.ts'

/** Of one token. Providers cut or leave out longer lists themselves; one that does not is not to be a burden. */
const MAX_GROUPS = 2000

export interface Person {
  issuer: string
  subject: string
  /** Absent where the provider names none, or has not verified it. */
  verifiedEmail: string | undefined
  name: string
  /** Undefined where the token says nothing of groups. */
  groups: string[] | undefined
}

const Claims = z.object({
  iss: z.string(),
  sub: z.string().min(1).max(255),
  email: z.unknown(),
  // Some write a boolean as text; nothing but true is verified.
  email_verified: z
    .union([z.literal(true), z.literal('true')])
    .optional()
    .catch(undefined),
  name: z.string().trim().min(1).max(200).optional().catch(undefined),
})

/** @throws Failure CREDENTIALS_INVALID */
export function readPerson(payload: JWTPayload, groupsClaim: string): Person {
  const claims = Claims.safeParse(payload)
  if (!claims.success) throw unreadable('it names no subject')
  const { iss: issuer, sub: subject, email, email_verified, name } = claims.data
  const address = Address.safeParse(email)
  const verifiedEmail = address.success && email_verified !== undefined ? address.data : undefined
  return {
    issuer,
    subject,
    verifiedEmail,
    name: name ?? verifiedEmail ?? subject,
    groups: groupsIn(payload[groupsClaim]),
  }
}

function groupsIn(claim: unknown): string[] | undefined {
  if (claim === undefined || claim === null) return undefined
  const groups = Array.isArray(claim) ? claim : [claim]
  if (groups.length > MAX_GROUPS) throw unreadable(`it names more than ${MAX_GROUPS} groups`)
  return groups.filter((group) => typeof group === 'string')
}

function unreadable(why: string): Failure {
  return new Failure(
    'CREDENTIALS_INVALID',
    `Cannot sign in: the token of the provider is not usable: ${why}`,
    {
      suggestion: 'Have the provider name no more groups than have a role',
      challenge: 'Bearer',
      oauth: 'invalid_grant',
    },
  )
}
