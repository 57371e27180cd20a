/**
 * Grants of OAuth at the token endpoint, for programs that have something other than an API key: a token of a provider that the
 * tenant has set (RFC 8693, RFC 7523), or the approval of a person (RFC 8628).
 */
import { createHash } from 'node:crypto'
import { decodeJwt } from 'jose'
import { platformIdentity } from '../../../shared/calls/platform-identity.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import { currentIdentity } from '../../../shared/identity/current-identity.ts'
import type { StoredIdentity } from '../../../shared/identity/identity.ts'
import { admit, checkRole } from './admit.ts'
import { readPerson } from './claims.ts'
import { verifyToken } from './oidc.ts'
import { listProviders, type ProviderRow } from './providers.ts'
import { findTenant } from './tenant.ts'

export type Granting = Pick<Call, 'actFor' | 'ofNoTenant' | 'requestOutside' | 'privateOrigins'>

/** Whoever a provider's token speaks for, in the tenant that was named. */
export async function identityByToken(token: string, slug: string, call: Granting): Promise<StoredIdentity> {
  const tenant = await findTenant(slug, call).catch((error: unknown) => {
    throw error instanceof Failure && error.code === 'NOT_FOUND' ? badToken('its issuer is not known') : error
  })
  const providers = await call.actFor(tenant, 'read', (own) => listProviders(own))
  const provider = pickProvider(token, providers)
  const audiences =
    provider.audience === null ? [provider.client_id] : [provider.client_id, provider.audience]
  const { requestOutside, privateOrigins } = call
  const claims = await verifyToken(provider, token, audiences, {
    identity: tenant,
    requestOutside,
    privateOrigins,
  })
  const person = readPerson(claims, provider.groups_claim)
  const admitted = await call.actFor(tenant, 'write', (own) => admit(person, provider, own))
  checkRole(admitted, provider)
  return call.actFor(tenant, 'read', ({ db }) => currentIdentity(db, admitted.id))
}

/** By what the token says of itself; that it is true is checked with the keys of that very provider. */
function pickProvider(token: string, providers: readonly ProviderRow[]): ProviderRow {
  const { iss, aud } = readUnverified(token)
  const audiences = Array.isArray(aud) ? aud : [aud ?? '']
  const found = providers.find(
    ({ issuer, client_id, audience }) =>
      issuer === iss &&
      (audiences.includes(client_id) || (audience !== null && audiences.includes(audience))),
  )
  if (found !== undefined) return found
  throw badToken('its issuer is not known, or it was made for another client')
}

function readUnverified(token: string) {
  try {
    return decodeJwt(token)
  } catch (cause) {
    throw badToken('it is no JWT', cause)
  }
}

function badToken(why: string, cause?: unknown): Failure {
  return new Failure('CREDENTIALS_INVALID', `Cannot exchange the token: ${why}`, {
    suggestion: 'Send an ID token of an identity provider of that tenant, and name the tenant',
    challenge: 'Bearer',
    oauth: 'invalid_grant',
    cause,
  })
}

interface PollRow {
  state: 'expired' | 'approved' | 'denied' | 'too fast' | 'pending'
  tenant_id: string | null
  user_id: string | null
  scopes: string[] | null
  interval_seconds: number
}

/** Whoever has approved the program that polls with `deviceCode`. */
export async function identityByDevice(deviceCode: string, call: Granting): Promise<StoredIdentity> {
  const hash = createHash('sha256').update(deviceCode).digest()
  const [row] = await call.ofNoTenant<PollRow[]>`select * from poll_device_request(${hash})`
  if (row === undefined) throw waiting('invalid_grant', 'the device code is unknown or was used')
  if (row.state === 'expired') throw waiting('expired_token', 'the codes have expired')
  if (row.state === 'denied') throw waiting('access_denied', 'the person has denied it')
  if (row.state === 'pending') throw waiting('authorization_pending', 'nobody has approved it yet')
  if (row.state === 'too fast') {
    throw waiting('slow_down', `poll every ${row.interval_seconds} seconds`, row.interval_seconds)
  }
  const { scopes } = row
  const identity = await call.actFor(platformIdentity(row.tenant_id ?? ''), 'read', ({ db }) =>
    currentIdentity(db, row.user_id ?? ''),
  )
  return scopes === null ? identity : { ...identity, scopes }
}

function waiting(oauth: string, why: string, retryAfterSeconds?: number): Failure {
  const code = oauth === 'access_denied' ? 'AFFORDANCE_DENIED' : 'PRECONDITION_FAILED'
  return new Failure(code, `Cannot issue a token yet: ${why}`, {
    oauth,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  })
}
