/**
 * Speaks for the platform: exchanges an API key for a token of some minutes, and signs where the audit of a tenant stands. The
 * only function that holds the signing key.
 */
import { z } from 'zod'
import { SCOPES } from '../../shared/identity/scopes.ts'
import { requireScopes } from '../../shared/pipeline/check-access.ts'
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

const Scope = z.string().max(2000).regex(SCOPES, 'each scope is resource:action, such as memory:read')

export const issueToken = defineOperation({
  name: 'issue-token',
  summary: 'Exchanges API keys for short-lived tokens, and signs the head of the audit',
  database: 'central',
  routes: {
    issue: route({
      route: 'POST /v1/auth/token',
      summary: 'Exchange an API key for a token',
      auth: 'api-key',
      needs: ['tokens'],
      input: z.strictObject({
        grant_type: z.literal('api_key').optional(),
        /** Scopes to narrow the token to, separated by spaces: `memory:read entity:*`. */
        scope: Scope.optional(),
      }),
      examples: [
        { summary: 'A token for all that you may do', input: {} },
        { summary: 'A token that may only read memories', input: { scope: 'memory_crystals:read' } },
      ],
      output: z.strictObject({
        access_token: z.string(),
        token_type: z.literal('Bearer'),
        expires_in: z.int(),
      }),
      async handle({ scope }, { identity, issueToken }) {
        const narrowed = scope === undefined ? identity : { ...identity, scopes: scope.split(' ') }
        // A key that is narrowed itself gives no token that is wider.
        if (narrowed.scopes !== undefined) requireScopes('issue-token.issue', narrowed.scopes, identity)
        const { token, expiresInSeconds } = await issueToken(narrowed)
        return { access_token: token, token_type: 'Bearer' as const, expires_in: expiresInSeconds }
      },
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
