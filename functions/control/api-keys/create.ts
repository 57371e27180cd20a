/** Making an API key: for the caller, or for the tenant itself. It never allows more than its maker may do. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { oneAtATime } from '../../../shared/database/one-at-a-time.ts'
import { Failure } from '../../../shared/failures.ts'
import { createApiKey } from '../../../shared/identity/api-keys.ts'
import type { Identity } from '../../../shared/identity/identity.ts'
import { permissionsOf, TENANT_ROLES, type Role } from '../../../shared/identity/permissions.ts'
import { isScope } from '../../../shared/identity/scopes.ts'
import { Instant } from '../../../shared/instant.ts'
import { newId } from '../../../shared/new-id.ts'
import { requirePermission, requireScopes } from '../../../shared/pipeline/check-access.ts'
import { recordAudit, type Audited } from '../audit/record.ts'
import { showOnce } from '../shown-once.ts'
import { describe, findKey, type ApiKey } from './rows.ts'

/** Keys of one person, and of one tenant, that are not revoked. */
const MAX_OF_PERSON = 20
const MAX_OF_TENANT = 200
const MAX_RATE = 1_000_000

const Scope = z.string().max(130).refine(isScope, 'is not resource:action, such as memory:read')

export const NewKey = z.strictObject({
  name: z.string().trim().min(1).max(100),
  owner: z
    .enum(['person', 'tenant'])
    .default('person')
    .describe('`tenant` outlives the people of the tenant; only an admin makes such a key'),
  roles: z
    .array(z.enum(TENANT_ROLES))
    .min(1)
    .max(TENANT_ROLES.length)
    .optional()
    .describe(
      'What a key of the tenant may do; absent is `developer`. A key of a person has the roles of that person',
    ),
  scopes: z
    .array(Scope)
    .min(1)
    .max(50)
    .optional()
    .describe('What the key is narrowed to; absent is what the credential is narrowed to that makes it'),
  expires_at: Instant.optional(),
  rate_limit_rpm: z
    .int()
    .min(1)
    .max(MAX_RATE)
    .optional()
    .describe('Requests per minute, within the limit of the plan'),
})
type NewKey = z.infer<typeof NewKey>

/** A key, with its secret where that is shown. */
export interface Shown {
  api_key: z.infer<typeof ApiKey>
  key?: string | undefined
}

export async function createKey(wanted: NewKey, call: Audited): Promise<Shown> {
  const { db, identity } = call
  const { name, owner, rate_limit_rpm = null } = wanted
  const scopes = scopesOf(wanted, identity)
  checkToCome(wanted.expires_at)
  const expires_at = await checkEnd('api-keys.create', wanted.expires_at, call)
  const user = owner === 'tenant' ? await addService(wanted, call) : await self(wanted, call)
  await checkRoom(user, call)
  const id = newId()
  const { key, prefix, hash } = createApiKey()
  await db`
    insert into api_keys (id, tenant_id, user_id, name, key_prefix, key_hash, expires_at, scopes, rate_per_minute, created_by)
    values (${id}, ${identity.tenant}, ${user}, ${name}, ${prefix}, ${hash}, ${expires_at},
      ${scopes === undefined ? null : db.json(scopes)}, ${rate_limit_rpm}, ${identity.user})`
  const api_key = describe(await findKey(id, true, call))
  const { roles } = api_key.owner
  recordAudit(call, 'api_key.created', id, {
    name,
    prefix,
    owner,
    user,
    roles,
    scopes: scopes ?? null,
    expires_at,
  })
  return showOnce({ api_key }, { key })
}

/** @throws Failure SCOPE_MISSING where the key would be wider than the credential that makes it */
function scopesOf({ scopes }: NewKey, { scopes: held }: Identity): string[] | undefined {
  if (scopes !== undefined) requireScopes('api-keys.create', scopes, { scopes: held })
  return scopes ?? held
}

function checkToCome(expiresAt: string | undefined): void {
  if (expiresAt === undefined || Date.parse(expiresAt) > Date.now()) return
  throw new Failure('TYPE_MISMATCH', `Cannot make a key that ends at "${expiresAt}": that is over`, {
    suggestion: 'Leave expires_at out, or send a time to come',
  })
}

/**
 * When a key ends that is wanted until `end`: no later than the one that is used to get it.
 *
 * @returns null where neither ends
 * @throws Failure SCOPE_MISSING where `end` is later than that
 */
export async function checkEnd(
  operation: string,
  end: string | undefined,
  { db, identity: { key } }: Pick<Call, 'db' | 'identity'>,
): Promise<string | null> {
  const [used] = await db<{ expires_at: Date | null }[]>`
    select expires_at from api_keys where id = ${key?.id ?? null}`
  const last = used?.expires_at ?? undefined
  if (last === undefined) return end ?? null
  if (end === undefined) return last.toISOString()
  if (Date.parse(end) <= last.getTime()) return end
  throw new Failure('SCOPE_MISSING', `Cannot call ${operation}: your key ends before "${end}"`, {
    suggestion: 'Use a key that lasts as long',
    details: { expires_at: last.toISOString() },
  })
}

/** @throws Failure STATE_CONFLICT where the caller is no person, TYPE_MISMATCH for roles */
async function self({ roles }: NewKey, { db, identity }: Pick<Call, 'db' | 'identity'>): Promise<string> {
  if (roles !== undefined) {
    throw new Failure('TYPE_MISMATCH', 'Cannot give roles to a key of a person: it has those of the person', {
      suggestion: 'Narrow it by scopes, or make a key of the tenant',
    })
  }
  const [person] = await db`select from users where id = ${identity.user} and kind = 'person'`
  if (person !== undefined) return identity.user
  throw new Failure('STATE_CONFLICT', 'Cannot make a key of yours: you call by a key of the tenant', {
    suggestion: 'Make another key of the tenant',
  })
}

/** Who acts by a key of the tenant: nobody's colleague, with roles of its own. */
async function addService(wanted: NewKey, { db, identity }: Pick<Call, 'db' | 'identity'>): Promise<string> {
  requirePermission('api-keys.create', 'tenant:admin', identity)
  const { name, roles = ['developer'] } = wanted
  checkRoles(roles, identity)
  const id = newId()
  await db`
    insert into users (id, tenant_id, name, roles, kind)
    values (${id}, ${identity.tenant}, ${name}, array(select jsonb_array_elements_text(${db.json(roles)})), 'service')`
  return id
}

/** @throws Failure SCOPE_MISSING where one of `roles` has a permission that the caller has not */
export function checkRoles(roles: readonly Role[], identity: Identity): void {
  for (const permission of permissionsOf(roles)) requirePermission('roles', permission, identity)
}

async function checkRoom(user: string, call: Pick<Call, 'db' | 'identity'>): Promise<void> {
  await oneAtATime('API keys', call)
  const [held] = await call.db<{ own: number; all: number }[]>`
    select count(*)::int as all, count(*) filter (where user_id = ${user})::int as own
    from api_keys where revoked_at is null and (expires_at is null or expires_at > now())`
  const { own = 0, all = 0 } = held ?? {}
  if (own < MAX_OF_PERSON && all < MAX_OF_TENANT) return
  const [who, count] = own < MAX_OF_PERSON ? ['your tenant has', all] : ['you have', own]
  throw new Failure('QUOTA_EXCEEDED', `Cannot make a key: ${who} ${count} already`, {
    suggestion: 'Revoke one that is not needed',
  })
}
