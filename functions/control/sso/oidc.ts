/**
 * Talks to providers of OpenID Connect. Every request goes through the fence that requests of tenants go through: an issuer is an
 * address that a tenant names. What was discovered is kept for some minutes; keys are fetched again for a key that is not
 * known, but not more often than every few seconds, whoever sends tokens.
 */
import {
  createRemoteJWKSet,
  customFetch as fetchKeysBy,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose'
import { LRUCache } from 'lru-cache'
import * as client from 'openid-client'
import type { Call } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import { openSecret, redirectUri, type ProviderRow } from './providers.ts'

const TIMEOUT_SECONDS = 10
const MAX_BYTES = 512 * 1024
const KEPT_MS = 10 * 60_000
const MAX_KEPT = 1000
/** How far the clocks of a provider and of this platform may be apart. */
const SKEW_SECONDS = 60
/** Between two requests for the keys of a provider. */
const KEYS_COOLDOWN_MS = 5_000
/** Public keys only: with HMAC whoever knows the public key, or the secret of a client, could sign. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]

/** What it takes to reach a provider. To verify what one has signed takes no secret of its client. */
export type Reaching = Pick<Call, 'requestOutside' | 'privateOrigins' | 'identity'> &
  Partial<Pick<Call, 'secretBox'>>

interface Known {
  configuration: client.Configuration
  keys: JWTVerifyGetKey
}

/** By provider, and when it was changed: of one tenant, since its secret is in it. */
const known = new LRUCache<string, Known>({ max: MAX_KEPT, ttl: KEPT_MS })

async function knownOf(provider: ProviderRow, reaching: Reaching): Promise<Known> {
  const name = `${provider.id} ${provider.updated_at.toISOString()} ${reaching.secretBox === undefined}`
  const kept = known.get(name)
  if (kept !== undefined) return kept
  const configuration = await discover(provider, reaching)
  const { jwks_uri } = configuration.serverMetadata()
  const address = URL.parse(jwks_uri ?? '')
  if (address === null) throw unusable(provider, 'it names no keys')
  const keys = createRemoteJWKSet(address, {
    [fetchKeysBy]: fenced(reaching),
    cooldownDuration: KEYS_COOLDOWN_MS,
    cacheMaxAge: KEPT_MS,
    timeoutDuration: TIMEOUT_SECONDS * 1000,
  })
  const found = { configuration, keys }
  known.set(name, found)
  return found
}

/** The library checks that the document names the very issuer that was asked. */
async function discover(provider: ProviderRow, reaching: Reaching): Promise<client.Configuration> {
  const secret = openSecret(provider, reaching)
  const authentication = secret === undefined ? client.None() : client.ClientSecretBasic(secret)
  const issuer = new URL(provider.issuer)
  try {
    return await client.discovery(
      issuer,
      provider.client_id,
      { [client.clockTolerance]: SKEW_SECONDS },
      authentication,
      {
        [client.customFetch]: fenced(reaching),
        timeout: TIMEOUT_SECONDS,
        // Plain http passes the fence only where the operator has named the origin.
        execute: issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [],
      },
    )
  } catch (error) {
    throw asFailure(error, provider, 'its configuration could not be read')
  }
}

/** `fetch` behind the fence: no redirects, bounded in time and size. */
function fenced({ requestOutside, privateOrigins }: Pick<Reaching, 'requestOutside' | 'privateOrigins'>) {
  return async (
    url: string,
    {
      method = 'GET',
      headers,
      body,
    }: { method?: string; headers?: ConstructorParameters<typeof Headers>[0]; body?: unknown } = {},
  ): Promise<Response> => {
    const sent = typeof body === 'string' || body instanceof URLSearchParams ? { body: body.toString() } : {}
    const answer = await requestOutside({
      url,
      method,
      headers: Object.fromEntries(new Headers(headers)),
      ...sent,
      timeoutSeconds: TIMEOUT_SECONDS,
      maxBytes: MAX_BYTES,
      maxRedirects: 0,
      allow: privateOrigins,
    })
    return new Response(new Uint8Array(answer.body), { status: answer.status, headers: answer.headers })
  }
}

export interface Began {
  url: string
  state: string
  nonce: string
  verifier: string
}

/** Where to send a browser to sign in, and what its answer must fit. */
export async function beginSignIn(provider: ProviderRow, origin: string, reaching: Reaching): Promise<Began> {
  const { configuration } = await knownOf(provider, reaching)
  const [state, nonce, verifier] = [
    client.randomState(),
    client.randomNonce(),
    client.randomPKCECodeVerifier(),
  ]
  const url = client.buildAuthorizationUrl(configuration, {
    redirect_uri: redirectUri(origin),
    scope: 'openid email profile',
    state,
    nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  return { url: url.href, state, nonce, verifier }
}

/**
 * Takes the answer of a provider: checks `state` and `iss`, exchanges the code, and verifies the ID token.
 *
 * @throws Failure CREDENTIALS_INVALID where anything of it does not fit, UPSTREAM_FAILED where the provider does not answer
 */
export async function finishSignIn(
  provider: ProviderRow,
  { state, nonce, verifier }: Omit<Began, 'url'>,
  answer: { origin: string; parameters: Record<string, string> },
  reaching: Reaching,
): Promise<JWTPayload> {
  const { configuration } = await knownOf(provider, reaching)
  const url = new URL(redirectUri(answer.origin))
  url.search = String(new URLSearchParams(answer.parameters))
  let idToken: string | undefined
  try {
    const tokens = await client.authorizationCodeGrant(configuration, url, {
      expectedState: state,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
    })
    idToken = tokens.id_token
  } catch (error) {
    throw asFailure(error, provider, 'its answer does not fit')
  }
  const claims = await verifyToken(provider, idToken ?? '', [provider.client_id], reaching)
  if (claims['nonce'] !== nonce) throw refused(provider, 'its nonce does not fit')
  return claims
}

/**
 * The claims of a token that the provider has signed for one of `audiences`.
 *
 * @throws Failure CREDENTIALS_INVALID where it is not good, UPSTREAM_FAILED where its keys cannot be fetched
 */
export async function verifyToken(
  provider: ProviderRow,
  token: string,
  audiences: readonly string[],
  reaching: Reaching,
): Promise<JWTPayload> {
  const { keys } = await knownOf(provider, reaching)
  try {
    const { payload } = await jwtVerify(token, keys, {
      issuer: provider.issuer,
      audience: [...audiences],
      algorithms: ALGORITHMS,
      clockTolerance: SKEW_SECONDS,
      requiredClaims: ['exp', 'iat', 'sub'],
    })
    checkParty(provider, payload, audiences)
    if ((payload.iat ?? 0) > Date.now() / 1000 + SKEW_SECONDS)
      throw refused(provider, 'it is from the future')
    return payload
  } catch (error) {
    throw asFailure(error, provider, 'its token is not good')
  }
}

/** A token for several audiences says for which client it was made (OpenID Connect Core, 3.1.3.7). */
function checkParty(
  provider: ProviderRow,
  { aud, azp }: JWTPayload & { azp?: unknown },
  audiences: readonly string[],
): void {
  const isForSeveral = Array.isArray(aud) && aud.length > 1
  if (azp === undefined && !isForSeveral) return
  if (typeof azp !== 'string' || !audiences.includes(azp))
    throw refused(provider, 'it was made for another client')
}

/** Expected failures of the fence, of a provider, and of its tokens; nothing of a token or a secret is in a message. */
function asFailure(error: unknown, provider: ProviderRow, why: string): Failure {
  const failure = failureIn(error)
  if (failure !== undefined) return failure
  const isAnswer =
    error instanceof errors.JOSEError ||
    error instanceof client.ClientError ||
    error instanceof client.AuthorizationResponseError ||
    error instanceof client.ResponseBodyError
  if (!isAnswer && !(error instanceof TypeError)) throw error
  return why.includes('configuration') ? unusable(provider, why, error) : refused(provider, why, error)
}

/** A failure of the fence comes back as the cause of an error of the library. */
function failureIn(error: unknown): Failure | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof Failure) return at
  return undefined
}

function refused({ name }: ProviderRow, why: string, cause?: unknown): Failure {
  const detail = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  return new Failure('CREDENTIALS_INVALID', `Cannot sign in by "${name}": ${why}${detail}`, {
    suggestion: 'Begin again with GET /v1/auth/login',
    challenge: 'Bearer',
    oauth: 'invalid_grant',
    cause,
  })
}

function unusable({ name }: ProviderRow, why: string, cause?: unknown): Failure {
  return new Failure('UPSTREAM_FAILED', `Cannot sign in by "${name}": ${why}`, {
    suggestion:
      'Check the issuer of the provider; it must answer /.well-known/openid-configuration with that very issuer',
    cause,
  })
}
