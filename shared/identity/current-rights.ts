/**
 * Tokens are good for minutes, and what is behind them may go before: each is checked again every few seconds. It never allows
 * more than its person may do now, and ends with the person, the API key that it was exchanged for, and the tenant.
 */
import type { Sql } from 'postgres'
import { Failure } from '../failures.ts'
import type { Identity } from './identity.ts'
import type { KeyUses } from './key-uses.ts'
import { permissionsOf } from './permissions.ts'
import { Remembered } from './remembered.ts'
import { checkStanding, type Rights } from './standing.ts'
import { INVALID_TOKEN, type VerifyToken } from './tokens.ts'

/** Makes of the check of a token's signature one of what it stands for. */
export function createTokenCheck(sql: Sql, uses: KeyUses, verify: VerifyToken): VerifyToken {
  const remembered = new Remembered<Identity>()
  return async (token) => {
    const claimed = await verify(token)
    const { key } = claimed
    const identity = await remembered.get(token, async () => {
      if (claimed.impersonation !== undefined) return whileImpersonating(sql, claimed)
      const [row] = await sql<Rights[]>`
        select * from current_rights(${claimed.tenant}, ${claimed.user}, ${key?.id ?? null}, ${key?.rotation ?? null})`
      if (row === undefined) throw revoked()
      return within(claimed, row)
    })
    if (key !== undefined) uses.note(key.id)
    return identity
  }
}

/** What a token claims, as far as its person still has it. */
function within(claimed: Identity, row: Rights): Identity {
  checkStanding(row, revoked)
  const { key } = claimed
  const perMinute = row.rate_per_minute === null ? {} : { perMinute: row.rate_per_minute }
  const permissions = permissionsOf(row.roles)
  return {
    ...claimed,
    tier: row.tier,
    roles: claimed.roles.filter((role) => row.roles.includes(role)),
    permissions: claimed.permissions.filter((permission) => permissions.includes(permission)),
    ...(key === undefined ? {} : { key: { ...key, ...perMinute } }),
  }
}

/** What an operator may do in a tenant is in the token; whether it still may is here. */
async function whileImpersonating(sql: Sql, claimed: Identity): Promise<Identity> {
  const { tenant, user, impersonation } = claimed
  const [row] = await sql<{ tier: Identity['tier']; may_write: boolean }[]>`
    select (tenant).tier, may_write from impersonation_rights(${impersonation?.id ?? null}, ${tenant}, ${user})`
  if (row === undefined || impersonation === undefined) throw revoked()
  return { ...claimed, tier: row.tier, impersonation: { ...impersonation, mayWrite: row.may_write } }
}

function revoked(): Failure {
  return new Failure('CREDENTIALS_INVALID', 'Cannot accept the token: what it was issued for was revoked', {
    suggestion: 'Get one with POST /v1/auth/token and an API key that is good',
    challenge: INVALID_TOKEN,
  })
}
