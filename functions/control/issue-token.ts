/**
 * Speaks for the platform: exchanges an API key, or what a grant of OAuth brings, for a token of some minutes, and signs where the audit of a tenant stands. The
 * only function that holds the signing key.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { Failure } from '../../shared/failures.ts'
import type { StoredIdentity } from '../../shared/identity/identity.ts'
import { SCOPES } from '../../shared/identity/scopes.ts'
import { requireScopes } from '../../shared/pipeline/check-access.ts'
import { identityByDevice, identityByToken, type Granting } from './sso/grants.ts'
import { AuditHead, signHead } from './audit/head.ts'
import { CallerIdentity, describeCaller } from './impersonation/caller.ts'
import {
  endImpersonation,
  impersonate,
  Impersonation,
  NewImpersonation,
} from './impersonation/impersonate.ts'
import { withSecrets } from './shown-once.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token'
const JWT = 'urn:ietf:params:oauth:token-type:jwt'

const Scope = z.string().max(2000).regex(SCOPES, 'each scope is resource:action, such as memory:read')

const Token = z.string().min(1).max(16_000)
const Tenant = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, 'is no slug of a tenant')
  .describe('Slug of the tenant')
const Common = {
  scope: Scope.optional().describe(
    'Scopes to narrow the token to, separated by spaces: `memory:read entity:*`',
  ),
  client_id: z.string().max(100).optional(),
}

const TokenRequest = z.discriminatedUnion('grant_type', [
  z.strictObject({ grant_type: z.literal('api_key').optional(), scope: Common.scope }),
  z.strictObject({
    grant_type: z.literal(TOKEN_EXCHANGE),
    subject_token: Token,
    subject_token_type: z.enum([ID_TOKEN, JWT]),
    requested_token_type: z.literal(ACCESS_TOKEN).optional(),
    tenant: Tenant,
    ...Common,
  }),
  z.strictObject({ grant_type: z.literal(JWT_BEARER), assertion: Token, tenant: Tenant, ...Common }),
  z.strictObject({ grant_type: z.literal(DEVICE_CODE), device_code: z.string().min(1).max(100), ...Common }),
])
type TokenRequest = z.infer<typeof TokenRequest>

export const issueToken = defineOperation({
  name: 'issue-token',
  summary: 'Exchanges API keys for short-lived tokens, and signs the head of the audit',
  database: 'central',
  routes: {
    issue: route({
      route: 'POST /v1/auth/token',
      summary:
        'Exchange an API key, a token of an identity provider, or the approval of a person for a token',
      auth: 'optional-api-key',
      body: 'form',
      errors: 'oauth',
      needs: ['tokens', 'sign-in', 'any-tenant', 'postgres', 'events', 'destinations', 'outside'],
      input: TokenRequest,
      examples: [
        { summary: 'A token for all that you may do', input: {} },
        { summary: 'A token that may only read memories', input: { scope: 'memory_crystals:read' } },
      ],
      output: z.strictObject({
        access_token: z.string(),
        token_type: z.literal('Bearer'),
        expires_in: z.int(),
        issued_token_type: z.literal(ACCESS_TOKEN).optional().describe('Of an exchange (RFC 8693)'),
        scope: z.string().optional().describe('What it is narrowed to, where it is'),
      }),
      handle: (wanted, call) => issue(wanted, call),
    }),

    identity: route({
      route: 'GET /v1/auth/identity',
      summary: 'Who you are by the credential that you send, and whether it is an operator that acts',
      permission: 'agentese:read',
      scopes: ['identity:read'],
      needs: ['postgres'],
      input: z.strictObject({}),
      output: CallerIdentity,
      handle: (_input, { identity }) => describeCaller(identity),
    }),

    impersonate: route({
      route: 'POST /v1/operator/tenants/:id/impersonate',
      summary: 'A token of minutes to act in a tenant, read-only by default, with a record in both audits',
      permission: 'platform:operate',
      scopes: ['platform_impersonation:write'],
      needs: ['postgres', 'tokens'],
      input: NewImpersonation,
      output: Impersonation,
      reveal: (kept: z.infer<typeof Impersonation>) => withSecrets(kept),
      examples: [
        {
          summary: 'To see what a customer sees',
          input: { id: '019a0000-0000-7000-8000-000000000000', reason: 'Ticket 4711: invoices are missing' },
        },
      ],
      writes: true,
      transaction: false,
      status: () => 201,
      statuses: [201],
      handle: (wanted, call) => impersonate(wanted, call),
    }),

    endImpersonation: route({
      route: 'DELETE /v1/operator/impersonations/:id',
      summary: 'End an impersonation of yours before its time: its token is refused within 5 seconds',
      permission: 'platform:operate',
      scopes: ['platform_impersonation:delete'],
      needs: ['postgres'],
      input: z.strictObject({ id: z.uuid() }),
      output: z.strictObject({ id: z.uuid(), ended: z.literal(true) }),
      writes: true,
      handle: ({ id }, call) => endImpersonation(id, call),
    }),

    auditHead: route({
      route: 'GET /v1/audit/head',
      summary: 'Where the audit of your tenant stands now, signed: a copy that was changed does not fit it',
      permission: 'tenant:admin',
      scopes: ['audit:read'],
      needs: ['postgres', 'tokens'],
      input: z.strictObject({}),
      output: AuditHead,
      handle: (_input, call) => signHead(call),
    }),
  },
})

/**
 * A token for whoever the grant speaks for, within `scope`.
 *
 * @throws Failure SCOPE_MISSING where that is wider than what it is narrowed to already
 */
async function issue(wanted: TokenRequest, call: Granting & Pick<Call, 'issueToken' | 'caller'>) {
  const identity = await identityBy(wanted, call)
  const { scope } = wanted
  const narrowed = scope === undefined ? identity : { ...identity, scopes: scope.split(' ') }
  // What is narrowed itself gives no token that is wider.
  if (narrowed.scopes !== undefined) requireScopes('issue-token.issue', narrowed.scopes, identity)
  const { token, expiresInSeconds } = await call.issueToken(narrowed)
  return {
    access_token: token,
    token_type: 'Bearer' as const,
    expires_in: expiresInSeconds,
    ...(wanted.grant_type === TOKEN_EXCHANGE
      ? { issued_token_type: ACCESS_TOKEN as typeof ACCESS_TOKEN }
      : {}),
    ...(wanted.grant_type === undefined || wanted.grant_type === 'api_key' || narrowed.scopes === undefined
      ? {}
      : { scope: narrowed.scopes.join(' ') }),
  }
}

async function identityBy(
  wanted: TokenRequest,
  call: Granting & Pick<Call, 'caller'>,
): Promise<StoredIdentity> {
  switch (wanted.grant_type) {
    case TOKEN_EXCHANGE:
      return identityByToken(wanted.subject_token, wanted.tenant, call)
    case JWT_BEARER:
      return identityByToken(wanted.assertion, wanted.tenant, call)
    case DEVICE_CODE:
      return identityByDevice(wanted.device_code, call)
    default:
      if (call.caller !== undefined) return call.caller
      throw new Failure('CREDENTIALS_MISSING', 'The caller is unknown: the request has no API key', {
        suggestion: 'Send your API key as X-API-Key, or another grant_type with what it takes',
        challenge: 'ApiKey',
      })
  }
}
