/**
 * Tokens are good for minutes, and what is behind them may go before: each is checked again every few seconds. It never allows
 * more than its person may do now, and ends with the person, the API key that it was exchanged for, and the tenant.
 */
import type { Sql } from 'postgres'
import { Failure } from '../failures.ts'
import type { FindPlan } from '../plans/plan-book.ts'
import { addPlan } from './with-plan.ts'
import type { Identity, StoredIdentity } from './identity.ts'
import type { KeyUses } from './key-uses.ts'
import { permissionsOf } from './permissions.ts'
import { Remembered } from './remembered.ts'
import { checkStanding, type Rights } from './standing.ts'
import { INVALID_TOKEN, type VerifyToken } from './tokens.ts'

/** Makes of the check of a token's signature one of what it stands for. */
export function createTokenCheck(
  sql: Sql,
  uses: KeyUses,
  findPlan: FindPlan,
  verify: VerifyToken,
): (token: string) => Promise<Identity> {
  const remembered = new Remembered<Identity>()
  return async (token) => {
    const claimed = await verify(token)
    const { key } = claimed
    const identity = await remembered.get(token, () =>
      claimed.impersonation === undefined
        ? currentRights(sql, findPlan, claimed, revoked)
        : whileImpersonating(sql, findPlan, claimed),
    )
    if (key !== undefined) uses.note(key.id)
    return identity
  }
}

/**
 * What is claimed, as far as its person has it now.
 *
 * @throws Failure what `gone` makes, where person, API key or tenant are no longer there; TENANT_SUSPENDED
 */
export async function currentRights(
  sql: Sql,
  findPlan: FindPlan,
  claimed: StoredIdentity,
  gone: () => Failure,
): Promise<Identity> {
  const { tenant, user, key } = claimed
  const [row] = await sql<Rights[]>`
    select * from current_rights(${tenant}, ${user}, ${key?.id ?? null}, ${key?.rotation ?? null})`
  if (row === undefined) throw gone()
  const known = await addPlan(within(claimed, row), findPlan)
  checkStanding(row, gone, known)
  return known
}

function within(claimed: StoredIdentity, row: Rights): StoredIdentity {
  const { key } = claimed
  const perMinute = row.rate_per_minute === null ? {} : { perMinute: row.rate_per_minute }
  const permissions = permissionsOf(row.roles)
  return {
    ...claimed,
    tier: row.tier,
    planVersion: row.plan_version,
    overage: row.overage,
    roles: claimed.roles.filter((role) => row.roles.includes(role)),
    permissions: claimed.permissions.filter((permission) => permissions.includes(permission)),
    ...(key === undefined ? {} : { key: { ...key, ...perMinute } }),
  }
}

/** What an operator may do in a tenant is in the token; whether it still may is here. */
async function whileImpersonating(sql: Sql, findPlan: FindPlan, claimed: StoredIdentity): Promise<Identity> {
  const { tenant, user, impersonation } = claimed
  const [row] = await sql<(Pick<Rights, 'tier' | 'plan_version' | 'overage'> & { may_write: boolean })[]>`
    select * from impersonation_rights(${impersonation?.id ?? null}, ${tenant}, ${user})`
  if (row === undefined || impersonation === undefined) throw revoked()
  const { tier, plan_version: planVersion, overage, may_write: mayWrite } = row
  return addPlan(
    { ...claimed, tier, planVersion, overage, impersonation: { ...impersonation, mayWrite } },
    findPlan,
  )
}

function revoked(): Failure {
  return new Failure('CREDENTIALS_INVALID', 'Cannot accept the token: what it was issued for was revoked', {
    suggestion: 'Get one with POST /v1/auth/token and an API key that is good',
    challenge: INVALID_TOKEN,
  })
}
