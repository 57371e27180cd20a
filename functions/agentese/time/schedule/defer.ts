/** Ordering a call that is made later, and taking it back. */
import { z } from 'zod'
import { capabilitiesOf } from '../../../../shared/agentese/capabilities.ts'
import { formatPath, parsePath, PATH_PATTERN } from '../../../../shared/agentese/path.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import { requireOne } from '../../../../shared/contract/constraints.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { aspectsOf } from '../../../../shared/contract/find-aspect.ts'
import { AnyObject } from '../../../../shared/contract/json-object.ts'
import { whatIsWrong } from '../../../../shared/contract/what-is-wrong.ts'
import { oneAtATime } from '../../../../shared/database/one-at-a-time.ts'
import { Failure } from '../../../../shared/failures.ts'
import { Instant } from '../../../../shared/instant.ts'
import { newId } from '../../../../shared/new-id.ts'
import { checkAccess, checkMayBeKept } from '../../../../shared/pipeline/check-access.ts'
import { describe, find, Schedule, type ScheduleRow } from './rows.ts'

/** Calls that one person may have waiting. */
const MAX_PENDING = 1000
const MAX_DELAY_SECONDS = 366 * 86_400

export const defer = aspect({
  category: 'G',
  archetypes: 'all',
  summary: 'Make a call later: at a moment, or after some seconds; it runs within a minute of it',
  effects: ['writes:schedule'],
  needs: ['catalog'],
  input: requireOne(
    z.strictObject({
      path: z.string().max(200).meta({ pattern: PATH_PATTERN }),
      at: Instant.optional(),
      delay: z.number().min(0).max(MAX_DELAY_SECONDS).optional(),
      /** Input of that call. */
      kwargs: AnyObject.default({}),
    }),
    ['at', 'delay'],
    'name at or delay',
  ),
  output: z.strictObject({
    id: z.uuid(),
    path: z.string(),
    scheduled_for: z.string(),
    status: z.literal('pending'),
  }),
  examples: [
    {
      summary: 'A sip in an hour',
      input: { path: 'void.entropy.sip', delay: 3600, kwargs: { amount: 0.1 } },
    },
  ],
  handle: deferCall,
})

export const cancel = aspect({
  category: 'M',
  archetypes: 'all',
  summary: 'Take back a call that was not made yet',
  effects: ['writes:schedule'],
  input: z.strictObject({ id: z.uuid() }),
  output: Schedule,
  examples: [
    {
      summary: 'No sip after all',
      input: { id: { $from: 'given.0.result.id' } },
      given: [{ path: 'time.schedule.defer', input: { path: 'void.entropy.sip', delay: 3600 } }],
    },
  ],
  async handle({ id }, call) {
    const { db, identity } = call
    const [cancelled] = await db<ScheduleRow[]>`
      update schedules set status = 'cancelled', finished_at = now()
      where id = ${id} and user_id = ${identity.user} and status = 'pending' returning *`
    if (cancelled !== undefined) return describe(cancelled)
    const { status } = await find(id, call)
    throw new Failure('STATE_CONFLICT', `Cannot cancel "${id}": it is ${status}`, {
      suggestion: 'Only a pending call can be taken back',
    })
  },
})

interface Deferred {
  path: string
  at?: string | undefined
  delay?: number | undefined
  kwargs: Record<string, unknown>
}

async function deferCall(
  { path: text, at, delay = 0, kwargs }: Deferred,
  call: Pick<Call, 'db' | 'identity' | 'observer' | 'catalog' | 'findAspect'>,
) {
  const { db, identity, observer } = call
  const path = formatPath(parsePath(text))
  const found = await call.findAspect(path)
  if (found === undefined) {
    throw new Failure('NODE_NOT_REGISTERED', `Cannot defer "${path}": no node serves it`, {
      suggestion: 'GET /v1/agentese/discover lists every path',
    })
  }
  const capabilities = await capabilitiesOf(db, identity, async () => aspectsOf(await call.catalog()))
  checkAccess(path, found, { ...observer, capabilities }, identity)
  checkMayBeKept(path, found)
  checkInput(path, found.endpoint.input, kwargs)
  const due = at === undefined ? new Date(Date.now() + delay * 1000) : dueAt(at)
  await checkPending(call)
  const id = newId()
  const scopes = identity.scopes === undefined ? null : db.json(identity.scopes)
  await db`
    insert into schedules (id, tenant_id, user_id, archetype, scopes, path, input, due_at)
    values (${id}, ${identity.tenant}, ${identity.user}, ${observer.archetype}, ${scopes}, ${path},
            ${db.json(kwargs)}, ${due})`
  return { id, path, scheduled_for: due.toISOString(), status: 'pending' as const }
}

/** @throws Failure TYPE_MISMATCH for a moment that is farther away than a delay can be */
function dueAt(at: string): Date {
  const due = new Date(at)
  if (due.getTime() <= Date.now() + MAX_DELAY_SECONDS * 1000) return due
  const days = MAX_DELAY_SECONDS / 86_400
  throw new Failure(
    'TYPE_MISMATCH',
    `Cannot defer a call until "${at}": that is more than ${days} days ahead`,
    {
      suggestion: `Use a time within ${days} days`,
    },
  )
}

function checkInput(path: string, schema: z.ZodType, input: unknown): void {
  const parsed = schema.safeParse(input)
  if (parsed.success) return
  throw new Failure('TYPE_MISMATCH', `Cannot defer ${path}: ${whatIsWrong(parsed.error, ['kwargs'])}`, {
    suggestion: `Ask ${path.replace(/[^.]+$/, 'help')} what it takes`,
  })
}

/** @throws Failure QUOTA_EXCEEDED where as many calls of this person wait as may */
async function checkPending(call: Pick<Call, 'db' | 'identity'>): Promise<void> {
  const { db, identity } = call
  await oneAtATime(`schedules of ${identity.user}`, call)
  const [row] = await db<{ count: number }[]>`
    select count(*)::int as count from schedules where user_id = ${identity.user} and status = 'pending'`
  if ((row?.count ?? 0) < MAX_PENDING) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot defer more calls: ${MAX_PENDING} of yours wait already`, {
    suggestion: 'Cancel some with time.schedule.cancel',
  })
}
