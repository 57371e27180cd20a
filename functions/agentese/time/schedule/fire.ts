/** Making the calls that are due. */
import { z } from 'zod'
import type { Call, Given } from '../../../../shared/contract/call.ts'
import { trigger } from '../../../../shared/contract/define-operation.ts'
import { Failure, failureFrom } from '../../../../shared/failures.ts'
import { currentIdentity } from '../../../../shared/identity/current-identity.ts'
import { load, type ScheduleRow } from './rows.ts'

const DUE = 'io.kgents.schedule.due'
/** Attempts at a call whose function cannot be reached. */
const MAX_ATTEMPTS = 6

/** Emits an event for each call that is due, and again for one whose maker died. */
export async function announceDue({ db, emit }: Pick<Call, 'db' | 'emit'>): Promise<void> {
  const rows = await db<{ id: string }[]>`
    update schedules set status = 'running', fired_at = now()
    where (status = 'pending' and due_at <= now())
       or (status = 'running' and fired_at <= now() - interval '10 minutes')
    returning id`
  for (const { id } of rows) emit(DUE, { schedule: id })
}

export const due = trigger({
  name: 'due',
  attributes: { type: DUE },
  needs: ['postgres', 'catalog', 'functions'],
  data: z.object({ schedule: z.uuid() }),
  transaction: false,
  handle: ({ schedule }, call) => fire(schedule, call),
})

/** What making a call takes. */
type Calling = Given<'postgres' | 'catalog' | 'functions', 'caller'>

/** Makes the call, as its owner may make it now. The key makes a repetition answer what the first one did. */
async function fire(id: string, call: Calling): Promise<void> {
  const schedule = await call.transact('read', ({ db }) => load(db, id))
  if (schedule === undefined || schedule.status !== 'running') return
  const outcome = await callAs(schedule, call).catch((error: unknown) => {
    if (error instanceof Failure) return error
    throw error
  })
  if (outcome instanceof Failure && outcome.code === 'TENANT_SUSPENDED') {
    // It waits as the others do, until the tenant is resumed.
    await call.transact('write', ({ db }) => db`update schedules set status = 'pending' where id = ${id}`)
    return
  }
  if (outcome instanceof Failure && outcome.retry && schedule.attempts + 1 < MAX_ATTEMPTS) {
    await call.transact(
      'write',
      ({ db }) => db`update schedules set attempts = attempts + 1 where id = ${id}`,
    )
    throw outcome
  }
  await call.transact('write', ({ db }) => finish(db, id, outcome))
}

async function callAs({ id, user_id, path, input, archetype, scopes }: ScheduleRow, call: Calling) {
  const current = await call.transact('read', ({ db }) => currentIdentity(db, user_id))
  const identity = scopes === null ? current : { ...current, scopes }
  const found = await call.findAspect(path)
  if (found === undefined)
    throw new Failure('NODE_NOT_REGISTERED', `Cannot call "${path}": no node serves it any more`)
  const { trace, signal } = call
  const request = {
    function: found.definition.name,
    path,
    input,
    archetype,
    idempotencyKey: `schedule:${id}`,
    inner: true,
  }
  const { status, body } = await call.dispatch(request, { identity, trace, signal })
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
      result = ${failed ? null : db.json(outcome.result)}, job_id = ${failed ? null : outcome.job}
    where id = ${id} and status = 'running'`
}
