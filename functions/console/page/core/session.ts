/**
 * Who uses the page. The session is a cookie (`/v1/auth/session`). An operator who acts as a tenant holds a token for it in the
 * memory of this page, over its own session, which comes back when that ends.
 */
import { ApiError, credential, type Credential, type Json } from './api.ts'
import { operationOf, run } from './openapi.ts'
import { createStore } from './store.ts'

export interface Session {
  tenant: string
  user: string
  roles: string[]
  permissions: string[]
  /** Set while an operator acts as a tenant. */
  impersonating?: { id: string; until: string }
}

/** Undefined is nobody. */
export const session = createStore<Session | undefined>(undefined)

/** What is under the session of a tenant that an operator acts as. */
let own: { session: Session; credential: Credential } | undefined

const SESSION = '/v1/auth/session'

/** Finds the session that the cookie holds, where there is one. */
export async function restoreSession(): Promise<void> {
  try {
    const answer = await run(`GET ${SESSION}`)
    enter(toSession(answer), { kind: 'cookie', csrf: String(answer['csrf_token']) })
  } catch (error) {
    if (!(error instanceof ApiError) || error.problem.status >= 500) throw error
    leave()
  }
}

/**
 * Signs in by an API key, which becomes a cookie at once.
 *
 * @throws ApiError where the key is refused
 */
export async function signInWithKey(key: string): Promise<void> {
  credential.set({ kind: 'key', key })
  try {
    await run(`POST ${SESSION}`)
    credential.set({ kind: 'none' })
    await restoreSession()
  } catch (error) {
    leave()
    throw error
  }
}

export async function signOut(): Promise<void> {
  await endImpersonation()
  if (credential.get().kind === 'cookie') await run(`DELETE ${SESSION}`)
  leave()
}

/**
 * Acts as a tenant from now on. The operator is nobody of that tenant, so the token alone says what it may do.
 *
 * @param answer of the operation that lets an operator act as a tenant
 * @param tenant its name
 */
export function impersonate(answer: Json, tenant: string): void {
  const { access_token: token, impersonation, expires_in } = answer
  const current = session.get()
  if (current === undefined || typeof token !== 'string') return
  own = { session: current, credential: credential.get() }
  const until = new Date(Date.now() + Number(expires_in) * 1000).toISOString()
  const next = toSession({ ...claimsOf(token), tenant: { name: tenant } })
  enter({ ...next, impersonating: { id: String(impersonation), until } }, { kind: 'token', token })
}

/** Acts as the operator again; the token is refused from then on. */
export async function endImpersonation(): Promise<void> {
  const ended = session.get()?.impersonating
  if (own === undefined || ended === undefined) return
  enter(own.session, own.credential)
  own = undefined
  const name = 'DELETE /v1/operator/impersonations/:id'
  if (operationOf(name) !== undefined) await run(name, { id: ended.id })
}

export function may(permission: string | undefined): boolean {
  return permission === undefined || session.get()?.permissions.includes(permission) === true
}

function enter(next: Session, held: Credential): void {
  credential.set(held)
  session.set(next)
}

function leave(): void {
  credential.set({ kind: 'none' })
  session.set(undefined)
}

/** From what `GET /v1/auth/session` answers, or the claims of a token, which name neither tenant nor person. */
function toSession(facts: Json): Session {
  const tenant = facts['tenant'] as { name?: string } | undefined
  const user = facts['user'] as { name?: string } | undefined
  return {
    tenant: tenant?.name ?? String(facts['tenant_id']),
    user: user?.name ?? String(facts['sub']),
    roles: (facts['roles'] ?? []) as string[],
    permissions: (facts['permissions'] ?? []) as string[],
  }
}

/** What is in a token; whether it is good, the platform checks. */
function claimsOf(token: string): Json {
  const [, payload = ''] = token.split('.')
  const text = atob(payload.replaceAll('-', '+').replaceAll('_', '/'))
  return JSON.parse(text) as Json
}
