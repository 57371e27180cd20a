/**
 * Sessions of browsers: a cookie with a secret, `kgs_` and 256 bits, of which only the SHA-256 is stored. A session allows what
 * its person may do now, and ends with the person, with the API key that it was opened with, after an hour without a request,
 * and twelve hours after it was opened.
 *
 * A browser sends cookies by itself, also with requests that another site has made up. What may change anything therefore needs
 * the session's CSRF token in a header as well, which no other site can read, and an origin that is ours.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Sql } from 'postgres'
import { Failure } from '../failures.ts'
import { currentRights } from './current-rights.ts'
import type { Identity, StoredIdentity } from './identity.ts'
import type { FindPlan } from '../plans/plan-book.ts'
import type { KeyUses } from './key-uses.ts'
import { PERMISSIONS, ROLES } from './permissions.ts'
import { Remembered } from './remembered.ts'

/** Without a request for this long, a session ends. */
export const IDLE_SECONDS = 3600
/** A session ends this long after it was opened, however much it is used. */
export const ABSOLUTE_SECONDS = 12 * 3600

const FORM = /^kgs_[A-Za-z0-9_-]{43}$/

export interface NewSession {
  token: string
  hash: Buffer
  /** What requests with the session have to repeat in `X-CSRF-Token`. */
  csrf: string
}

/** Makes the secret of a new session. Send `token` as the cookie; store `hash`. */
export function createSession(): NewSession {
  const token = `kgs_${randomBytes(32).toString('base64url')}`
  return { token, hash: hashOf(token), csrf: csrfOf(token) }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** Known to whoever holds the session, and derived so that nothing of it is stored. */
function csrfOf(token: string): string {
  return createHash('sha256').update(`kgents csrf ${token}`).digest('base64url')
}

export type AuthenticateSession = (token: string) => Promise<Identity>

interface SessionRow {
  tenant_id: string
  user_id: string
  session_id: string
  key_id: string | null
  key_rotation: number | null
  scopes: string[] | null
}

/** Creates the lookup of sessions in `sql`. It knows no tenant yet, so it goes through the one function that may. */
export function createSessionLookup(
  sql: Sql,
  uses: KeyUses,
  keyUses: KeyUses,
  findPlan: FindPlan,
): AuthenticateSession {
  const remembered = new Remembered<Identity>()
  return async (token) => {
    if (!FORM.test(token)) throw sessionOver()
    const hash = hashOf(token)
    const identity = await remembered.get(hash.toString('base64url'), async () => {
      const [row] = await sql<SessionRow[]>`select * from authenticate_session(${hash}, ${IDLE_SECONDS})`
      if (row === undefined) throw sessionOver()
      return currentRights(sql, findPlan, claimedBy(row, csrfOf(token)), sessionOver)
    })
    if (identity.session !== undefined) uses.note(identity.session.id)
    if (identity.key !== undefined) keyUses.note(identity.key.id)
    return identity
  }
}

/** A session claims all that its person may do. */
function claimedBy(row: SessionRow, csrf: string): StoredIdentity {
  const { key_id: id, key_rotation: rotation, scopes } = row
  return {
    tenant: row.tenant_id,
    user: row.user_id,
    tier: 'free',
    roles: [...ROLES],
    permissions: [...PERMISSIONS],
    ...(scopes === null ? {} : { scopes }),
    ...(id === null ? {} : { key: { id, rotation: rotation ?? 0 } }),
    session: { id: row.session_id, csrf },
  }
}

/** The cookie of a request, and what it says of where it was made. */
export interface SessionCredential {
  token: string
  /** `X-CSRF-Token`. */
  csrf?: string | undefined
  /** Whether a page of the same origin made it, as far as the browser says. */
  sameOrigin: boolean
}

/** @throws Failure CSRF_REFUSED where the request may have been made up by another site */
export function checkCsrf({ token, csrf = '', sameOrigin }: SessionCredential): void {
  if (!sameOrigin) {
    throw new Failure('CSRF_REFUSED', 'Cannot accept the session: another site has made the request', {
      suggestion: 'Call from a page of this platform, or with an API key or a token',
    })
  }
  const wanted = Buffer.from(csrfOf(token))
  const given = Buffer.from(csrf)
  if (given.length === wanted.length && timingSafeEqual(given, wanted)) return
  const why = csrf === '' ? 'X-CSRF-Token is missing' : 'X-CSRF-Token is that of another session'
  throw new Failure('CSRF_REFUSED', `Cannot accept the session: ${why}`, {
    suggestion: 'Send "csrf_token" of GET /v1/auth/session as X-CSRF-Token',
  })
}

function sessionOver(): Failure {
  return new Failure('CREDENTIALS_INVALID', 'Cannot accept the session: it is unknown or has ended', {
    suggestion: 'Sign in again',
  })
}
