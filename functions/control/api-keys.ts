/**
 * API keys: of a person, who may make, rotate and revoke their own, and of the tenant, which its admins look after. A key is
 * shown once, when it is made or rotated; what was revoked is refused everywhere within 5 seconds, and so are the tokens
 * that were exchanged for it.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { Flag, wholeNumber } from '../../shared/contract/query-values.ts'
import { CREDENTIALS_REVOKED } from '../../shared/events/credentials.ts'
import { Failure } from '../../shared/failures.ts'
import { createApiKey } from '../../shared/identity/api-keys.ts'
import type { Identity } from '../../shared/identity/identity.ts'
import { requirePermission, requireScopes } from '../../shared/pipeline/check-access.ts'
import { checkEnd, createKey, NewKey, type Shown } from './api-keys/create.ts'
import { ApiKey, describe, findKey, listKeys, NEWEST_FIRST } from './api-keys/rows.ts'
import { recordAudit, type Audited } from './audit/record.ts'
import { showOnce, withSecrets } from './shown-once.ts'

/** Later than any key ends. */
const NEVER = '9999-12-31T23:59:59Z'
const MAX_OVERLAP_SECONDS = 7 * 24 * 3600

const KeyId = z.strictObject({ id: z.uuid() })
const KeyAnswer = z.strictObject({ api_key: ApiKey })
/** The only answers with a key in them, which is written down nowhere. */
const SHOWN = {
  output: KeyAnswer.extend({
    key: z.string().optional().describe('Shown once: absent where the answer is a repetition'),
  }),
  reveal: (kept: Shown) => withSecrets(kept),
}

export const apiKeys = defineOperation({
  name: 'api-keys',
  summary: 'Makes, lists, rotates and revokes API keys',
  database: 'central',
  routes: {
    list: route({
      route: 'GET /v1/api-keys',
      summary: 'Your API keys, newest first; an admin lists `all` of the tenant',
      permission: 'agentese:read',
      scopes: ['api_key:read'],
      needs: ['postgres'],
      input: z.strictObject({
        all: Flag.default(false),
        revoked: Flag.default(false).describe('Whether those are listed that were revoked'),
        limit: wholeNumber(1, 100).default(20),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ api_keys: z.array(ApiKey), next_cursor: NextCursor }),
      handle(wanted, call) {
        if (wanted.all) requirePermission('api-keys.list', 'tenant:admin', call.identity)
        return listKeys(wanted, call)
      },
    }),

    get: route({
      route: 'GET /v1/api-keys/:id',
      summary: 'One API key',
      permission: 'agentese:read',
      scopes: ['api_key:read'],
      needs: ['postgres'],
      input: KeyId,
      output: KeyAnswer,
      handle: async ({ id }, call) => ({ api_key: describe(await findKey(id, isAdmin(call), call)) }),
    }),

    create: route({
      route: 'POST /v1/api-keys',
      summary: 'Make an API key; it is shown here and never again',
      permission: 'agentese:read',
      scopes: ['api_key:write'],
      needs: ['postgres'],
      input: NewKey,
      ...SHOWN,
      examples: [
        {
          summary: 'A key that reads memories and nothing else',
          input: { name: 'reader', scopes: ['memory_crystals:read'], rate_limit_rpm: 60 },
        },
        { summary: 'A key of the tenant', input: { name: 'nightly import', owner: 'tenant' } },
      ],
      writes: true,
      status: () => 201,
      statuses: [201],
      handle: (wanted, call) => createKey(wanted, call),
    }),

    rotate: route({
      route: 'POST /v1/api-keys/:id/rotate',
      summary:
        'Replace the secret of a key of yours or the tenant; the one before is good for `overlap_seconds` more',
      permission: 'agentese:read',
      scopes: ['api_key:write'],
      needs: ['postgres', 'events'],
      input: KeyId.extend({
        overlap_seconds: z.int().min(0).max(MAX_OVERLAP_SECONDS).default(0),
      }),
      ...SHOWN,
      writes: true,
      handle: ({ id, overlap_seconds }, call) => rotate(id, overlap_seconds, call),
    }),

    revoke: route({
      route: 'DELETE /v1/api-keys/:id',
      summary: 'Revoke a key: it, and tokens that were exchanged for it, are refused within 5 seconds',
      permission: 'agentese:read',
      scopes: ['api_key:delete'],
      needs: ['postgres', 'events'],
      input: KeyId,
      output: KeyAnswer,
      writes: true,
      handle: ({ id }, call) => revoke(id, call),
    }),
  },
})

function isAdmin({ identity }: Pick<Call, 'identity'>): boolean {
  return identity.permissions.includes('tenant:admin')
}

/** Whoever rotates a key learns it: one of somebody else would make an admin that person. */
async function rotate(id: string, overlap: number, call: Audited & Pick<Call, 'emit'>): Promise<Shown> {
  const { db, identity, emit } = call
  const row = await findKey(id, isAdmin(call), call)
  if (row.user_id !== identity.user && row.owner_kind === 'person') {
    throw new Failure('AFFORDANCE_DENIED', `Cannot rotate API key "${id}": it is another person's`, {
      suggestion: 'Revoke it, and have its owner make another',
    })
  }
  checkNotWider(row.scopes, identity)
  if (id !== identity.key?.id) await checkEnd('api-keys.rotate', row.expires_at?.toISOString() ?? NEVER, call)
  const isOver = row.expires_at !== null && row.expires_at.getTime() <= Date.now()
  if (row.revoked_at !== null || isOver) {
    throw new Failure('STATE_CONFLICT', `Cannot rotate API key "${id}": it has ended`, {
      suggestion: 'Make a new one',
    })
  }
  const { key, prefix, hash } = createApiKey()
  await db`select rotate_api_key(${id}, ${prefix}, ${hash}, ${overlap})`
  recordAudit(call, 'api_key.rotated', id, { prefix, replaced: row.key_prefix, overlap_seconds: overlap })
  emit(CREDENTIALS_REVOKED, { key: id })
  return showOnce({ api_key: describe(await findKey(id, true, call)) }, { key })
}

/** @throws Failure SCOPE_MISSING where a narrowed credential would get hold of a wider key */
function checkNotWider(scopes: readonly string[] | null, { scopes: held }: Identity): void {
  if (held !== undefined) requireScopes('api-keys.rotate', scopes ?? ['*:*'], { scopes: held })
}

async function revoke(id: string, call: Audited & Pick<Call, 'emit'>): Promise<z.infer<typeof KeyAnswer>> {
  const { db, identity, emit } = call
  const { key_prefix: prefix, name, user_id: user } = await findKey(id, isAdmin(call), call)
  const revoked = await db`
    update api_keys set revoked_at = now(), revoked_by = ${identity.user}
    where id = ${id} and revoked_at is null returning id`
  if (revoked.length > 0) {
    recordAudit(call, 'api_key.revoked', id, { name, prefix, user })
    emit(CREDENTIALS_REVOKED, { key: id, for_good: true })
  }
  return { api_key: describe(await findKey(id, true, call)) }
}
