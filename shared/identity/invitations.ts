/** Tokens of invitations: `kgi_` and a secret, of which only the SHA-256 is stored. Each is good for accepting one, once. */
import { createHash, randomBytes } from 'node:crypto'
import type { Sql } from 'postgres'
import { Failure } from '../failures.ts'
import type { FindPlan } from '../plans/plan-book.ts'
import { addPlan } from './with-plan.ts'
import type { Identity } from './identity.ts'
import { checkStanding, type Rights } from './standing.ts'
import { INVALID_TOKEN } from './tokens.ts'

const FORM = /^kgi_[A-Za-z0-9_-]{43}$/

export function createInvitationToken(): { token: string; hash: Buffer } {
  const token = `kgi_${randomBytes(32).toString('base64url')}`
  return { token, hash: hashOf(token) }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

export type AuthenticateInvitation = (token: string) => Promise<Identity>

interface InvitationRow extends Pick<Rights, 'tier' | 'plan_version' | 'overage' | 'status' | 'suspended'> {
  tenant_id: string
  id: string
}

/**
 * Creates the lookup of invitations in `sql`. Who holds one may do nothing but accept it; until then the id of the invitation
 * stands for the person. Whether it still can be accepted is for whoever accepts it to say.
 */
export function createInvitationLookup(sql: Sql, findPlan: FindPlan): AuthenticateInvitation {
  return async (token) => {
    if (!FORM.test(token)) throw invalid()
    const [row] = await sql<InvitationRow[]>`select * from authenticate_invitation(${hashOf(token)})`
    if (row === undefined) throw invalid()
    checkStanding(row, invalid)
    const { tenant_id: tenant, tier, plan_version: planVersion, overage, id: user } = row
    return addPlan({ tenant, tier, planVersion, overage, user, roles: [], permissions: [] }, findPlan)
  }
}

function invalid(): Failure {
  return new Failure('CREDENTIALS_INVALID', 'Cannot accept the token: it is that of no invitation', {
    suggestion: 'Where the invitation was sent again, the token sent last is the good one',
    challenge: INVALID_TOKEN,
  })
}
