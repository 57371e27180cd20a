/**
 * `time.schedule`: calls that are to be made later. A tick finds what is due and gives word of it; the word makes the
 * call, with the rights that its owner has by then, under a key of its own: it is made exactly once, whatever dies
 * in between.
 */
import { z } from 'zod'
import { capabilitiesOf } from '../../../shared/agentese/capabilities.ts'
import { parsePath, formatPath } from '../../../shared/agentese/path.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { subscription } from '../../../shared/contract/define-operation.ts'
import { findAspect } from '../../../shared/contract/find-aspect.ts'
import { Instant } from '../../../shared/instant.ts'
import { AnyObject } from '../../../shared/contract/json-object.ts'
import { cutPage } from '../../../shared/contract/pages.ts'
import { whatIsWrong } from '../../../shared/contract/what-is-wrong.ts'
import { oneAtATime } from '../../../shared/database/one-at-a-time.ts'
import { Failure, failureFrom } from '../../../shared/failures.ts'
import { currentIdentity } from '../../../shared/identity/current-identity.ts'
import { newId } from '../../../shared/new-id.ts'
import { checkAccess, checkMayBeKept } from '../../../shared/pipeline/check-access.ts'

/** Calls that one person may have waiting. */
const MOST_PENDING = 1000
const LONGEST_DELAY_SECONDS = 366 * 86_400
/** Attempts at a call whose function cannot be reached. */
const MOST_ATTEMPTS = 6
const DUE = 'io.kgents.schedule.due'

const STATUSES = ['pending', 'running', 'executed', 'failed', 'cancelled'] as const

const Schedule = z.strictObject({
  id: z.uuid(),
  path: z.string(),
  input: z.record(z.string(), z.unknown()),
  archetype: z.string(),
  scheduled_for: z.string(),
  status: z.enum(STATUSES),
  executed_at: z.string().nullable(),
  result: z.unknown(),
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  job: z.string().nullable(),
})

/** A schedule among others: what goes in and what came out may each be large. */
const Listed = Schedule.omit({ input: true, result: true })

interface ScheduleRow {
  id: string
  user_id: string
  path: string
  input: Record<string, unknown>
  archetype: string
  scopes: string[] | null
  due_at: Date
  status: (typeof STATUSES)[number]
  attempts: number
  finished_at: Date | null
  result: unknown
  error: { code: string; message: string } | null
  job_id: string | null
}
type ListedRow = Omit<ScheduleRow, 'input' | 'result'>

export const timeSchedule = defineNode('time.schedule', {
  summary: 'Calls that are to be made later',
  needs: ['postgres', 'redis', 'functions'],
  secrets: ['DISPATCH_SIGNING_KEY'],
  aspects: {
    manifest: aspect({
      category: 'P',
      summary: 'How many of your calls wait, ran and failed',
      effects: ['reads:schedule'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('schedule'),
        counts: z.record(z.string(), z.int()),
        next: z.string().nullable(),
      }),
      examples: [{ summary: 'What is to come', input: {} }],
      async handle(_input, { db, identity }) {
        const rows = await db<{ status: string; count: number; next: Date | null }[]>`
          select status, count(*)::int as count, min(due_at) as next from schedules
          where user_id = ${identity.user} group by status`
        const pending = rows.find(({ status }) => status === 'pending')
        return {
          type: 'schedule' as const,
          counts: Object.fromEntries(rows.map(({ status, count }) => [status, count])),
          next: pending?.next?.toISOString() ?? null,
        }
      },
    }),

    defer: aspect({
      category: 'G',
      summary: 'Make a call later: at a moment, or after some seconds; it runs within a minute of it',
      effects: ['writes:schedule'],
      input: z
        .strictObject({
          path: z.string().max(200),
          at: Instant.optional(),
          delay: z.number().min(0).max(LONGEST_DELAY_SECONDS).optional(),
          /** Input of that call. */
          kwargs: AnyObject.default({}),
        })
        .refine(({ at, delay }) => (at === undefined) !== (delay === undefined), 'name at or delay'),
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
      handle: (asked, call) => defer(asked, call),
    }),

    cancel: aspect({
      category: 'M',
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
    }),

    status: aspect({
      category: 'P',
      summary: 'How one of your calls stands, with its input and what came of it',
      effects: ['reads:schedule'],
      input: z.strictObject({ id: z.uuid() }),
      output: Schedule,
      examples: [
        {
          summary: 'Was it made?',
          input: { id: { $from: 'given.0.result.id' } },
          given: [{ path: 'time.schedule.defer', input: { path: 'void.entropy.sip', delay: 3600 } }],
        },
      ],
      handle: async ({ id }, call) => describe(await find(id, call)),
    }),

    list: aspect({
      category: 'P',
      summary: 'Your calls, those ordered last first; status tells of one what came of it',
      effects: ['reads:schedule'],
      input: z.strictObject({
        status: z.enum(STATUSES).optional(),
        limit: z.int().min(1).max(100).default(20),
        cursor: z.uuid().optional(),
      }),
      output: z.strictObject({ schedules: z.array(Listed), next_cursor: z.uuid().nullable() }),
      examples: [{ summary: 'What waits', input: { status: 'pending' } }],
      async handle({ status = null, limit, cursor = null }, { db, identity }) {
        const rows = await db<ListedRow[]>`
          select id, path, archetype, due_at, status, finished_at, error, job_id from schedules
          where user_id = ${identity.user} and (${status}::text is null or status = ${status})
            and (${cursor}::uuid is null or id < ${cursor})
          order by id desc limit ${limit + 1}`
        const { page, next_cursor } = cutPage(rows, limit, ({ id }) => id)
        return {
          schedules: page.map(list),
          next_cursor,
        }
      },
    }),
  },

  tick: {
    tenants: 'tenants_with_due_schedules',
    async handle({ db, emit }) {
      const due = await db<{ id: string }[]>`
        update schedules set status = 'running', fired_at = now()
        where (status = 'pending' and due_at <= now())
           or (status = 'running' and fired_at <= now() - interval '10 minutes')
        returning id`
      for (const { id } of due) emit(DUE, { schedule: id })
    },
  },

  subscriptions: [
    subscription({
      name: 'due',
      attributes: { type: DUE },
      data: z.object({ schedule: z.uuid() }),
      transaction: false,
      handle: ({ schedule }, call) => fire(schedule, call),
    }),
  ],
})

interface Deferred {
  path: string
  at?: string | undefined
  delay?: number | undefined
  kwargs: Record<string, unknown>
}

async function defer({ path: text, at, delay = 0, kwargs }: Deferred, call: Call) {
  const { db, identity, observer, platform } = call
  const path = formatPath(parsePath(text))
  const found = findAspect(await platform.catalog(), path)
  if (found === undefined) {
    throw new Failure('NODE_NOT_REGISTERED', `Cannot defer "${path}": no node serves it`, {
      suggestion: 'GET /v1/agentese/discover lists every path',
    })
  }
  const capabilities = await capabilitiesOf(db, identity)
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
            ${db.json(kwargs as never)}, ${due})`
  return { id, path, scheduled_for: due.toISOString(), status: 'pending' as const }
}

/** @throws Failure TYPE_MISMATCH for a moment that is farther away than a delay can be */
function dueAt(at: string): Date {
  const due = new Date(at)
  if (due.getTime() <= Date.now() + LONGEST_DELAY_SECONDS * 1000) return due
  const days = LONGEST_DELAY_SECONDS / 86_400
  throw new Failure(
    'TYPE_MISMATCH',
    `Cannot defer a call until "${at}": that is more than ${days} days ahead`,
    {
      suggestion: `Name a moment within ${days} days`,
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
async function checkPending(call: Call): Promise<void> {
  const { db, identity } = call
  await oneAtATime(`schedules of ${identity.user}`, call)
  const [row] = await db<{ count: number }[]>`
    select count(*)::int as count from schedules where user_id = ${identity.user} and status = 'pending'`
  if ((row?.count ?? 0) < MOST_PENDING) return
  throw new Failure('QUOTA_EXCEEDED', `Cannot defer more calls: ${MOST_PENDING} of yours wait already`, {
    suggestion: 'Cancel some with time.schedule.cancel',
  })
}

/** Makes the call, as its owner may make it now. The key makes a repetition answer what the first one did. */
async function fire(id: string, call: Call): Promise<void> {
  const due = await call.transact('read', ({ db }) => load(db, id))
  if (due === undefined || due.status !== 'running') return
  const outcome = await callAs(due, call).catch((error: unknown) => {
    if (error instanceof Failure) return error
    throw error
  })
  if (outcome instanceof Failure && outcome.retry && due.attempts + 1 < MOST_ATTEMPTS) {
    await call.transact(
      'write',
      ({ db }) => db`update schedules set attempts = attempts + 1 where id = ${id}`,
    )
    throw outcome
  }
  await call.transact('write', ({ db }) => finish(db, id, outcome))
}

async function callAs({ id, user_id, path, input, archetype, scopes }: ScheduleRow, call: Call) {
  const current = await call.transact('read', ({ db }) => currentIdentity(db, user_id))
  const identity = scopes === null ? current : { ...current, scopes }
  const found = findAspect(await call.platform.catalog(), path)
  if (found === undefined)
    throw new Failure('NODE_NOT_REGISTERED', `Cannot call "${path}": no node serves it any more`)
  const { trace, signal } = call
  const request = {
    function: found.definition.name,
    path,
    input,
    archetype,
    idempotencyKey: `schedule:${id}`,
  }
  const { status, body } = await call.platform.dispatch(request, { identity, trace, signal })
  if (status >= 400) return failureFrom(body)
  const { result, job } = body as { result?: unknown; job?: { id: string } }
  return { result: result ?? null, job: job?.id ?? null }
}

async function finish(
  db: Call['db'],
  id: string,
  outcome: Failure | { result: unknown; job: string | null },
): Promise<void> {
  const failed = outcome instanceof Failure
  const error = failed ? db.json({ code: outcome.code, message: outcome.message }) : null
  await db`
    update schedules set status = ${failed ? 'failed' : 'executed'}, finished_at = now(), error = ${error},
      result = ${failed ? null : db.json(outcome.result as never)}, job_id = ${failed ? null : outcome.job}
    where id = ${id} and status = 'running'`
}

async function load(db: Call['db'], id: string): Promise<ScheduleRow | undefined> {
  const [row] = await db<ScheduleRow[]>`select * from schedules where id = ${id}`
  return row
}

function describe(row: ScheduleRow): z.infer<typeof Schedule> {
  return { ...list(row), input: row.input, result: row.result }
}

function list(row: ListedRow): z.infer<typeof Listed> {
  const { id, path, archetype, due_at, status, finished_at, error, job_id } = row
  return {
    id,
    path,
    archetype,
    scheduled_for: due_at.toISOString(),
    status,
    executed_at: finished_at?.toISOString() ?? null,
    error,
    job: job_id,
  }
}

/** @throws Failure NOT_FOUND for what is not the caller's own */
async function find(id: string, { db, identity }: Call): Promise<ScheduleRow> {
  const [row] = await db<ScheduleRow[]>`
    select * from schedules where id = ${id} and user_id = ${identity.user}`
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find "${id}" among your calls`, {
    suggestion: 'time.schedule.list shows them',
  })
}
