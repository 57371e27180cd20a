/**
 * One run: the path of a mapping, invoked for one event. However often the event is delivered, the path is invoked once,
 * because each attempt has the same Idempotency-Key.
 */
import type { Call, Given } from '../../../shared/contract/call.ts'
import { asFailure, type Db } from '../../../shared/database/database.ts'
import { Failure, failureFrom } from '../../../shared/failures.ts'
import { currentIdentity } from '../../../shared/identity/current-identity.ts'
import type { StoredIdentity } from '../../../shared/identity/identity.ts'
import type { MappedEvent } from './matching.ts'
import { fill } from './template.ts'
import { beginningOf } from '../../../shared/beginning.ts'

/** A little more than most functions may take. */
const TIMEOUT_MS = 40_000
/** Runs that are kept of each mapping. */
const KEPT_RUNS = 100

interface Mapping {
  id: string
  user_id: string
  path: string
  input: Record<string, unknown>
  archetype: string | null
}

/** What a run came to; `retrying` is delivered again. */
interface Outcome {
  status: 'succeeded' | 'accepted' | 'retrying' | 'failed'
  code?: string
  message?: string
  job?: string
}

/** What a mapping is run for: an event, and by which the platform knows it. */
export interface Occasion {
  message: string
  event: MappedEvent
}

/** What a run takes. */
type Running = Given<'postgres' | 'catalog' | 'functions', 'caller'>

/** @throws Failure where it may go well another time; what it came to is written down in any case */
export async function runMapping(id: string, occasion: Occasion, call: Running): Promise<void> {
  const mapping = await call.transact('read', ({ db }) => findDue(db, id, occasion.message))
  if (mapping === undefined) return
  const found = await attempt(mapping, occasion, call)
  const outcome = found instanceof Failure ? outcomeOf(found) : found
  await call.transact('write', ({ db, identity }) => note(db, identity.tenant, mapping.id, occasion, outcome))
  if (found instanceof Failure && found.retry) throw found
}

/** The mapping, unless it is gone or is done with this event. */
async function findDue(db: Db, id: string, message: string): Promise<Mapping | undefined> {
  const [mapping] = await db<Mapping[]>`
    select id, user_id, path, input, archetype from event_mappings m where id = ${id} and not exists (
      select from event_mapping_runs r where r.mapping_id = m.id and event_id = ${message} and status <> 'retrying'
    )`
  return mapping
}

async function attempt(mapping: Mapping, occasion: Occasion, call: Running): Promise<Outcome | Failure> {
  try {
    const identity = await call.transact('read', ({ db }) => currentIdentity(db, mapping.user_id))
    return await dispatch(mapping, occasion, call, identity)
  } catch (error) {
    const known = asFailure(error)
    if (known instanceof Failure) return known
    throw error
  }
}

async function dispatch(
  { id, path, input, archetype }: Mapping,
  { message, event }: Occasion,
  { findAspect, dispatch, trace, signal }: Pick<Call, 'findAspect' | 'dispatch' | 'trace' | 'signal'>,
  identity: StoredIdentity,
): Promise<Outcome> {
  const found = await findAspect(path)
  if (found === undefined)
    throw new Failure('NODE_NOT_REGISTERED', `Cannot find "${path}": no node serves it`)
  const request = {
    function: found.definition.name,
    path,
    input: fill(input, event),
    idempotencyKey: `mapping:${id}:${message}`,
    inner: true,
    ...(archetype === null ? {} : { archetype }),
  }
  const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
  const { status, body } = await dispatch(request, { identity, trace, signal: limited })
  if (status >= 400) throw failureFrom(body)
  if (status !== 202) return { status: 'succeeded' }
  return { status: 'accepted', job: (body as { job: { id: string } }).job.id }
}

function outcomeOf({ code, message, retry }: Failure): Outcome {
  return { status: retry ? 'retrying' : 'failed', code, message: beginningOf(message, 500) }
}

/** Writes down what a run came to, and drops what is long past. */
async function note(
  db: Db,
  tenant: string,
  mapping: string,
  { message: key, event }: Occasion,
  outcome: Outcome,
): Promise<void> {
  const { status, code = null, message = null, job = null } = outcome
  await db`
    insert into event_mapping_runs (tenant_id, mapping_id, event_id, origin_id, status, code, message, job_id)
    select ${tenant}, id, ${key}, ${event.id}, ${status}, ${code}, ${message}, ${job}
    from event_mappings where id = ${mapping}
    on conflict (mapping_id, event_id) do update set status = excluded.status, code = excluded.code,
      message = excluded.message, job_id = excluded.job_id, attempts = event_mapping_runs.attempts + 1, at = now()`
  await db`
    delete from event_mapping_runs where mapping_id = ${mapping} and at < (
      select at from event_mapping_runs where mapping_id = ${mapping} order by at desc offset ${KEPT_RUNS} limit 1
    )`
}
