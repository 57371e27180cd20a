/**
 * Invitations: how people come into a tenant. The token of one is shown to whoever invites, once, and to nobody else; the event
 * `io.kgents.members.invited`, which a webhook can deliver, has everything but the token. The platform itself sends no mail.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { MEMBER_EVENTS } from '../../shared/events/event.ts'
import { Failure } from '../../shared/failures.ts'
import { createInvitationToken } from '../../shared/identity/invitations.ts'
import { TENANT_ROLES, type Role } from '../../shared/identity/permissions.ts'
import { newId } from '../../shared/new-id.ts'
import { checkRoles } from './api-keys/create.ts'
import { ApiKey } from './api-keys/rows.ts'
import { recordAudit, type Audited } from './audit/record.ts'
import { accept, checkNew, type Joined } from './invitations/accept.ts'
import {
  describe,
  findInvitation,
  Invitation,
  listInvitations,
  NEWEST_FIRST,
  State,
} from './invitations/rows.ts'
import { Address, holdPeople, Member } from './members/rows.ts'
import { showOnce, withSecrets } from './shown-once.ts'

const GOOD_DAYS = 7
/** Invitations of one tenant that are open. */
const MAX_OPEN = 100

const InvitationId = z.strictObject({ id: z.uuid() })
const InvitationAnswer = z.strictObject({ invitation: Invitation })

interface Sent {
  invitation: z.infer<typeof Invitation>
  token?: string | undefined
}

/** The only answers with a token in them, which is written down nowhere. */
const SHOWN = {
  output: InvitationAnswer.extend({
    token: z.string().optional().describe('Shown once: absent where the answer is a repetition'),
  }),
  reveal: (kept: Sent) => withSecrets(kept),
}

export const invitations = defineOperation({
  name: 'invitations',
  summary: 'Invites people into a tenant, and lets them in',
  database: 'central',
  routes: {
    create: route({
      route: 'POST /v1/invitations',
      summary: 'Invite somebody; the token that is shown here is good for 7 days',
      permission: 'tenant:admin',
      scopes: ['invitation:write'],
      needs: ['postgres', 'events'],
      input: z.strictObject({
        email: Address,
        roles: z.array(z.enum(TENANT_ROLES)).min(1).max(TENANT_ROLES.length).default(['developer']),
      }),
      ...SHOWN,
      examples: [
        { summary: 'A colleague who reads', input: { email: 'ada@example.com', roles: ['viewer'] } },
      ],
      writes: true,
      status: () => 201,
      statuses: [201],
      handle: ({ email, roles }, call) => invite(email, [...new Set(roles)], call),
    }),

    list: route({
      route: 'GET /v1/invitations',
      summary: 'Invitations of your tenant, newest first',
      permission: 'tenant:admin',
      scopes: ['invitation:read'],
      needs: ['postgres'],
      input: z.strictObject({
        state: State.optional(),
        limit: wholeNumber(1, 100).default(20),
        cursor: NEWEST_FIRST.Cursor.optional(),
      }),
      output: z.strictObject({ invitations: z.array(Invitation), next_cursor: NextCursor }),
      handle: (page, call) => listInvitations(page, call),
    }),

    resend: route({
      route: 'POST /v1/invitations/:id/resend',
      summary: 'Give an invitation a new token and 7 days more; the token before is no longer good',
      permission: 'tenant:admin',
      scopes: ['invitation:write'],
      needs: ['postgres', 'events'],
      input: InvitationId,
      ...SHOWN,
      writes: true,
      handle: ({ id }, call) => resend(id, call),
    }),

    revoke: route({
      route: 'DELETE /v1/invitations/:id',
      summary: 'Revoke an invitation that was not accepted',
      permission: 'tenant:admin',
      scopes: ['invitation:delete'],
      needs: ['postgres'],
      input: InvitationId,
      output: InvitationAnswer,
      writes: true,
      handle: ({ id }, call) => revoke(id, call),
    }),

    accept: route({
      route: 'POST /v1/invitations/accept',
      summary: 'Become a member, with the token of an invitation; the answer has your first API key',
      auth: 'invitation',
      needs: ['postgres', 'events'],
      input: z.strictObject({ email: Address, name: z.string().trim().min(1).max(200) }),
      output: z.strictObject({
        member: Member,
        api_key: ApiKey,
        key: z.string().optional().describe('Shown once: absent where the answer is a repetition'),
      }),
      reveal: (kept: Joined) => withSecrets(kept),
      examples: [{ summary: 'I am Ada', input: { email: 'ada@example.com', name: 'Ada Lovelace' } }],
      writes: true,
      status: () => 201,
      statuses: [201],
      handle: (who, call) => accept(who, call),
    }),
  },
})

type Inviting = Audited & Pick<Call, 'emit'>

async function invite(email: string, roles: readonly Role[], call: Inviting): Promise<Sent> {
  const { db, identity } = call
  await holdPeople('invitations.create', call)
  checkRoles(roles, identity)
  await checkNew(email, call)
  await checkRoom(email, call)
  const id = newId()
  const { token, hash } = createInvitationToken()
  await db`
    insert into invitations (id, tenant_id, email, roles, token_hash, invited_by, expires_at)
    values (${id}, ${identity.tenant}, ${email}, array(select jsonb_array_elements_text(${db.json(roles)})), ${hash},
      ${identity.user}, now() + make_interval(days => ${GOOD_DAYS}))`
  recordAudit(call, 'invitation.created', id, { email, roles })
  return announce(id, token, call)
}

/** @throws Failure STATE_CONFLICT where the address is invited already, QUOTA_EXCEEDED */
async function checkRoom(email: string, { db }: Pick<Call, 'db'>): Promise<void> {
  const open = await db<{ id: string; email: string }[]>`
    select id, email from invitations where accepted_at is null and revoked_at is null and expires_at > now()`
  const same = open.find((each) => each.email === email)
  if (same !== undefined) {
    throw new Failure('STATE_CONFLICT', `Cannot invite "${email}": an invitation is open`, {
      suggestion: `POST /v1/invitations/${same.id}/resend makes a new token for it`,
      details: { invitation: same.id },
    })
  }
  if (open.length < MAX_OPEN) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot invite anybody: ${MAX_OPEN} invitations are open`, {
    suggestion: 'Revoke those that nobody will accept',
  })
}

async function resend(id: string, call: Inviting): Promise<Sent> {
  const { email, roles } = await present(id, 'resend', call)
  checkRoles(roles, call.identity)
  const { token, hash } = createInvitationToken()
  await call.db`
    update invitations set token_hash = ${hash}, expires_at = now() + make_interval(days => ${GOOD_DAYS})
    where id = ${id}`
  recordAudit(call, 'invitation.resent', id, { email })
  return announce(id, token, call)
}

async function revoke(id: string, call: Audited): Promise<z.infer<typeof InvitationAnswer>> {
  const { email } = await present(id, 'revoke', call)
  await call.db`update invitations set revoked_at = now() where id = ${id}`
  recordAudit(call, 'invitation.revoked', id, { email })
  return { invitation: describe(await findInvitation(id, call)) }
}

/** An invitation that has not come to its end. @throws Failure STATE_CONFLICT, NOT_FOUND */
async function present(id: string, what: string, call: Pick<Call, 'db' | 'identity'>) {
  await holdPeople(`invitations.${what}`, call)
  const row = await findInvitation(id, call)
  if (row.state === 'open' || row.state === 'expired') return row
  throw new Failure('STATE_CONFLICT', `Cannot ${what} invitation "${id}": it was ${row.state}`, {
    suggestion: 'GET /v1/invitations shows its state',
    details: { state: row.state },
  })
}

async function announce(id: string, token: string, call: Inviting): Promise<Sent> {
  const invitation = describe(await findInvitation(id, call))
  call.emit(MEMBER_EVENTS.invited, { invitation })
  return showOnce({ invitation }, { token })
}
