/**
 * Platform tokens: short-lived JWTs signed with EdDSA or ES256. Issuer, audience, algorithm, key id and lifetime are
 * all checked, here and again in every function, whatever stood in front of it.
 */
import { createLocalJWKSet, errors, importJWK, jwtVerify, SignJWT, type JWK, type JSONWebKeySet } from 'jose'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { atMost } from '../at-most.ts'
import { Failure } from '../failures.ts'
import { newId } from '../new-id.ts'
import { TIERS } from '../plans/tiers.ts'
import type { StoredIdentity } from './identity.ts'
import { PERMISSIONS, ROLES } from './permissions.ts'

const ALGORITHMS = ['EdDSA', 'ES256']
const CLOCK_TOLERANCE_SECONDS = 5
const REMEMBERED_TOKENS = 10_000
/** RFC 6750, section 3.1. */
export const INVALID_TOKEN = 'Bearer error="invalid_token"'

/** Claims of a platform token, besides those that every JWT has. */
const Claims = z.object({
  sub: z.uuid(),
  tenant_id: z.uuid(),
  org_id: z.uuid(),
  roles: z.array(z.enum(ROLES)),
  permissions: z.array(z.enum(PERMISSIONS)),
  tier: z.enum(TIERS),
  plan_version: z.int().positive().optional(),
  overage: z.boolean().optional(),
  /** Scopes, separated by spaces (RFC 8693). */
  scope: z.string().optional(),
  /** The API key that it was exchanged for, and which of that key's secrets. */
  key_id: z.uuid().optional(),
  key_rotation: z.int().optional(),
  /** The operator of the platform who acts in this tenant, by which impersonation; the same as `sub`. */
  impersonator: z.object({ sub: z.uuid(), impersonation: z.uuid(), may_write: z.boolean() }).optional(),
  exp: z.number(),
  jti: z.string().min(1),
})

export interface TokenRules {
  /** Public keys, several while they rotate. */
  keys: JSONWebKeySet
  issuer: string
  /** One of these must be named by the token. */
  audience: string | string[]
}

export type VerifyToken = (token: string) => Promise<StoredIdentity>

/**
 * Makes the check of tokens issued under `rules`. A token that passed is remembered until it expires, since
 * verifying a signature costs more than the rest of a cheap call.
 */
export function createVerifier(rules: TokenRules): VerifyToken {
  const keys = createLocalJWKSet(rules.keys)
  const known = new LRUCache<string, StoredIdentity>(atMost(REMEMBERED_TOKENS))
  return async (token) => {
    const remembered = known.get(token)
    if (remembered !== undefined) return remembered
    const { identity, expires } = await verify(token, keys, rules)
    known.set(token, identity, { ttl: Math.max(1, expires * 1000 - Date.now()) })
    return identity
  }
}

async function verify(token: string, keys: ReturnType<typeof createLocalJWKSet>, rules: TokenRules) {
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: rules.issuer,
      audience: rules.audience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['exp', 'jti'],
    })
    const claims = Claims.parse(payload)
    return { identity: identityIn(claims), expires: claims.exp }
  } catch (cause) {
    if (cause instanceof errors.JWTExpired) {
      throw new Failure('TOKEN_EXPIRED', 'Cannot accept the token: it has expired', {
        suggestion: 'Get a new one with POST /v1/auth/token',
        challenge: INVALID_TOKEN,
        cause,
      })
    }
    throw new Failure('CREDENTIALS_INVALID', 'Cannot accept the token: it is not one of ours', {
      suggestion: 'Get one with POST /v1/auth/token and send it as "Authorization: Bearer ..."',
      challenge: INVALID_TOKEN,
      cause,
    })
  }
}

function identityIn(claims: z.infer<typeof Claims>): StoredIdentity {
  const { tenant_id: tenant, sub: user, tier, roles, permissions, scope, key_id: id, impersonator } = claims
  return {
    tenant,
    user,
    tier,
    ...(claims.plan_version === undefined ? {} : { planVersion: claims.plan_version }),
    ...(claims.overage === undefined ? {} : { overage: claims.overage }),
    roles,
    permissions,
    ...(scope === undefined ? {} : { scopes: scope.split(' ') }),
    ...(id === undefined ? {} : { key: { id, rotation: claims.key_rotation ?? 0 } }),
    ...(impersonator === undefined
      ? {}
      : { impersonation: { id: impersonator.impersonation, mayWrite: impersonator.may_write } }),
  }
}

export interface SigningRules {
  /** Private key; `kid` and `alg` are set in it. */
  key: JWK
  issuer: string
}

export type SignToken = (
  identity: StoredIdentity,
  audience: string,
  lifetimeSeconds: number,
) => Promise<string>

/** Makes the signer of tokens; the holder of its key speaks for the platform, so one function alone has it. */
export function createSigner({ key, issuer }: SigningRules): SignToken {
  const { alg = 'EdDSA', kid } = key
  if (kid === undefined) throw new TypeError('Cannot sign tokens: the signing key has no "kid"')
  // With the first token that is signed: most processes of those that may sign answer something else first.
  let imported: ReturnType<typeof importJWK> | undefined
  return async (identity, audience, lifetimeSeconds) =>
    new SignJWT({
      tenant_id: identity.tenant,
      org_id: identity.tenant,
      roles: identity.roles,
      permissions: identity.permissions,
      tier: identity.tier,
      ...(identity.planVersion === undefined ? {} : { plan_version: identity.planVersion }),
      ...(identity.overage === undefined ? {} : { overage: identity.overage }),
      ...(identity.scopes === undefined ? {} : { scope: identity.scopes.join(' ') }),
      ...(identity.key === undefined ? {} : { key_id: identity.key.id, key_rotation: identity.key.rotation }),
      ...impersonatorOf(identity),
    })
      .setProtectedHeader({ alg, kid, typ: 'JWT' })
      .setSubject(identity.user)
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + lifetimeSeconds)
      .setJti(newId())
      .sign(await (imported ??= importJWK(key, alg)))
}

function impersonatorOf({
  user,
  impersonation,
}: StoredIdentity): Pick<z.infer<typeof Claims>, 'impersonator'> {
  if (impersonation === undefined) return {}
  return { impersonator: { sub: user, impersonation: impersonation.id, may_write: impersonation.mayWrite } }
}
