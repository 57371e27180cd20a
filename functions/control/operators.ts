/**
 * The operators of the platform: people of the tenant in which they act, with a role that nothing else gives. The first one
 * is made with the first tenant of a platform.
 */
import { z } from 'zod'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { NextCursor, type Bounds } from '../../shared/contract/pages.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { CREDENTIALS_REVOKED } from '../../shared/events/credentials.ts'
import { Failure } from '../../shared/failures.ts'
import type { Call } from '../../shared/contract/call.ts'
import { actorFacts, type Audited } from './audit/record.ts'
import { BY_ID, describe, findMember, Member, type MemberRow } from './members/rows.ts'
import { operate } from './tenants/operate.ts'

const OperatorAnswer = z.strictObject({ operator: Member })

export const operators = defineOperation({
  name: 'operators',
  summary: 'Who operates the platform',
  database: 'central',
  routes: {
    list: route({
      route: 'GET /v1/operator/operators',
      summary: 'The operators of the platform',
      permission: 'platform:operate',
      scopes: ['platform_operator:read'],
      needs: ['postgres'],
      input: z.strictObject({
        limit: wholeNumber(1, 100).default(20),
        cursor: BY_ID.Cursor.optional(),
      }),
      output: z.strictObject({ operators: z.array(Member), next_cursor: NextCursor }),
      handle: (page, call) => list(page, call),
    }),

    appoint: route({
      route: 'POST /v1/operator/operators',
      summary: 'Make a member of your own tenant an operator',
      permission: 'platform:operate',
      scopes: ['platform_operator:write'],
      needs: ['postgres'],
      input: z.strictObject({ member: z.uuid() }),
      output: OperatorAnswer,
      examples: [{ summary: 'A colleague', input: { member: '019a0000-0000-7000-8000-000000000000' } }],
      writes: true,
      status: () => 201,
      statuses: [201],
      handle: ({ member }, call) => appoint(member, call),
    }),

    dismiss: route({
      route: 'DELETE /v1/operator/operators/:id',
      summary: 'Make somebody an operator no longer; the last one stays',
      permission: 'platform:operate',
      scopes: ['platform_operator:delete'],
      needs: ['postgres', 'events'],
      input: z.strictObject({ id: z.uuid() }),
      output: OperatorAnswer,
      writes: true,
      handle: ({ id }, call) => dismiss(id, call),
    }),
  },
})

async function list(bounds: Bounds, { db }: Pick<Call, 'db'>) {
  const rows = db<MemberRow[]>`
    select id, email, name, to_jsonb(roles) as roles, created_at from users
    where kind = 'person' and removed_at is null and to_jsonb(roles) ? 'super_admin'`
  const { page, next_cursor } = await BY_ID.readPage(db, rows, bounds)
  return { operators: page.map(describe), next_cursor }
}

async function appoint(id: string, call: Audited): Promise<z.infer<typeof OperatorAnswer>> {
  const { email } = await findMember(id, call)
  if (!(await change(id, true, call)))
    throw new Failure('STATE_CONFLICT', `Cannot appoint "${email}": it is an operator already`)
  return { operator: describe(await findMember(id, call)) }
}

async function dismiss(
  id: string,
  call: Audited & Pick<Call, 'emit'>,
): Promise<z.infer<typeof OperatorAnswer>> {
  const { email } = await findMember(id, call)
  if (!(await change(id, false, call))) {
    throw new Failure('STATE_CONFLICT', `Cannot dismiss "${email}": it is no operator, or the last one`, {
      suggestion: 'Appoint another one first',
    })
  }
  call.emit(CREDENTIALS_REVOKED, { user: id })
  return { operator: describe(await findMember(id, call)) }
}

async function change(id: string, appointed: boolean, call: Audited): Promise<boolean> {
  const { db, identity } = call
  const [changed] = await operate(db<{ done: boolean }[]>`
    select appoint_for_operator(${identity.user}, ${db.json(actorFacts(call))}, ${id}, ${appointed}) as done`)
  return changed?.done === true
}
