/** Opening, showing and ending sessions of browsers. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import type { SetCookie } from '../../../shared/contract/cookie.ts'
import { CREDENTIALS_REVOKED } from '../../../shared/events/credentials.ts'
import { Failure } from '../../../shared/failures.ts'
import { PERMISSIONS, ROLES } from '../../../shared/identity/permissions.ts'
import { ABSOLUTE_SECONDS, createSession, IDLE_SECONDS } from '../../../shared/identity/sessions.ts'
import { newId } from '../../../shared/new-id.ts'
import { TIERS } from '../../../shared/plans/tiers.ts'
import { recordAudit, type Audited } from '../audit/record.ts'
import { showOnce } from '../shown-once.ts'

/** Of one person; where more are opened, those that were opened first end. */
const MAX_SESSIONS = 20

const Facts = z.strictObject({ id: z.uuid(), expires_at: z.string(), idle_seconds: z.int() })

/** A session, with its CSRF token where that is shown. */
export const Opened = z.strictObject({
  session: Facts,
  csrf_token: z
    .string()
    .optional()
    .describe('What changes anything takes it as X-CSRF-Token; absent where the answer is a repetition'),
})
export type Opened = z.infer<typeof Opened>

export const Session = z.strictObject({
  session: Facts.nullable().describe('Null where the caller is known by another credential'),
  tenant: z.strictObject({ id: z.uuid(), slug: z.string(), name: z.string() }),
  user: z.strictObject({
    id: z.uuid(),
    kind: z
      .enum(['person', 'service', 'operator'])
      .describe('`operator` is one of the platform, who acts in your tenant'),
    name: z.string().nullable(),
    email: z.string().nullable(),
  }),
  roles: z.array(z.enum(ROLES)),
  permissions: z.array(z.enum(PERMISSIONS)),
  scopes: z
    .array(z.string())
    .nullable()
    .describe('What it is narrowed to; null is all that the permissions allow'),
  plan: z.enum(TIERS),
  impersonator: z
    .strictObject({ id: z.uuid() })
    .nullable()
    .describe('The operator of the platform who acts in the tenant'),
  csrf_token: z.string().nullable().describe('What changes anything takes it as X-CSRF-Token'),
})
export type Session = z.infer<typeof Session>

/** The secrets of sessions that were opened by this very call. */
const TOKENS = new WeakMap<object, string>()

/** The cookie of a session that was opened by this very call; none where the answer is a repetition. */
export function cookiesOf(opened: object): SetCookie[] {
  const value = TOKENS.get(opened)
  return value === undefined ? [] : [{ cookie: 'session', value, maxAgeSeconds: ABSOLUTE_SECONDS }]
}

/**
 * Opens a session for the caller, which ends with the API key that it calls by.
 *
 * @throws Failure STATE_CONFLICT where the caller has one already: a session would never end
 */
export async function openSession(call: Audited): Promise<Opened> {
  const { identity } = call
  if (identity.session !== undefined) {
    throw new Failure('STATE_CONFLICT', 'Cannot open a session with a session', {
      suggestion: 'Use an API key or a token, or sign in again',
    })
  }
  await checkEnforced(call)
  const method = identity.key === undefined ? 'token' : 'api_key'
  return addSession(identity, method, call)
}

/** @throws Failure AFFORDANCE_DENIED where people of the tenant open sessions by its provider only */
async function checkEnforced({ db, identity }: Audited): Promise<void> {
  if (!identity.plan.features.includes('sso')) return
  const [provider] = await db<{ name: string }[]>`select name from identity_providers where enforced limit 1`
  if (provider === undefined) return
  throw new Failure(
    'AFFORDANCE_DENIED',
    `Cannot open a session: your tenant signs in by "${provider.name}"`,
    {
      suggestion: 'GET /v1/auth/login?tenant=..., or POST /v1/auth/recover with a recovery code',
    },
  )
}

/** Whose session it is, and what it ends with. */
export type SessionOf = Pick<Call['identity'], 'tenant' | 'user' | 'key' | 'scopes'>

/** Writes a session of a person of this transaction's tenant; the secret is shown with the object that is returned. */
export async function addSession(
  { tenant, user, key, scopes }: SessionOf,
  method: 'api_key' | 'token' | 'sso' | 'recovery_code',
  call: Audited,
): Promise<Opened> {
  const { db } = call
  const id = newId()
  const { token, hash, csrf } = createSession()
  await db`
    delete from browser_sessions where user_id = ${user} and (expires_at < now() or id in (
      select id from browser_sessions where user_id = ${user} order by id desc offset ${MAX_SESSIONS - 1}))`
  const [row] = await db<{ expires_at: Date }[]>`
    insert into browser_sessions (id, tenant_id, user_id, token_hash, method, key_id, key_rotation, scopes, expires_at)
    values (${id}, ${tenant}, ${user}, ${hash}, ${method}, ${key?.id ?? null}, ${key?.rotation ?? null},
      ${scopes === undefined ? null : db.json(scopes)}, now() + make_interval(secs => ${ABSOLUTE_SECONDS}))
    returning expires_at`
  recordAudit(call, 'session.opened', id, { user, method })
  const expires_at = row?.expires_at.toISOString() ?? ''
  const opened = showOnce({ session: { id, expires_at, idle_seconds: IDLE_SECONDS } }, { csrf_token: csrf })
  TOKENS.set(opened, token)
  return opened
}

interface CallerRow {
  slug: string
  tenant_name: string
  kind: 'person' | 'service' | null
  name: string | null
  email: string | null
  expires_at: Date | null
}

export async function describeSession({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<Session> {
  const { tenant, user, roles, permissions, scopes = null, tier: plan, session } = identity
  const [row] = await db<CallerRow[]>`
    select t.slug, t.name as tenant_name, u.kind, u.name, u.email, s.expires_at
    from tenants t left join users u on u.id = ${user} left join browser_sessions s on s.id = ${session?.id ?? null}`
  if (row === undefined) throw new Failure('IDENTITY_GONE', 'Cannot show the session: its tenant is gone')
  const { slug, tenant_name, kind, name, email, expires_at } = row
  const over = expires_at?.toISOString() ?? ''
  return {
    session: session === undefined ? null : { id: session.id, expires_at: over, idle_seconds: IDLE_SECONDS },
    tenant: { id: tenant, slug, name: tenant_name },
    user: { id: user, kind: kind ?? 'operator', name, email },
    impersonator: kind === null ? { id: user } : null,
    roles,
    permissions,
    scopes,
    plan,
    csrf_token: session?.csrf ?? null,
  }
}

/** Ends the caller's session; without one there is nothing to end. */
export async function closeSession(call: Audited & Pick<Call, 'emit'>) {
  const { db, identity, emit } = call
  const { session } = identity
  if (session === undefined) return { session: null }
  await db`delete from browser_sessions where id = ${session.id}`
  recordAudit(call, 'session.closed', session.id)
  emit(CREDENTIALS_REVOKED, { session: session.id })
  return { session: { id: session.id } }
}
