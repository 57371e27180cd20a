/**
 * A person's values and checkpoints in the database. Values are kept as they were sent (`json`, not `jsonb`), so what is
 * got is what was put.
 */
import { orderBy, type Bounds } from '../../../../shared/contract/pages.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import { oneAtATime } from '../../../../shared/database/one-at-a-time.ts'
import { Failure } from '../../../../shared/failures.ts'
import { newId } from '../../../../shared/new-id.ts'

/** What one person may keep. */
export const KEYS = 200
export const VALUE_BYTES = 32_768
export const BYTES = 262_144
/** Of more than these the oldest goes. */
export const CHECKPOINTS = 20

interface StateRow {
  key: string
  value: unknown
  updated_at: Date
}

interface CheckpointRow {
  id: string
  label: string
  keys: number
  at: Date
}

interface Size {
  keys: number
  bytes: number
}

export const BY_KEY = orderBy({ key: 'text' }, 'asc')

/** The caller's values by key: one, or a page of them. */
export async function readState(
  { key = null, ...bounds }: Bounds & { key?: string | null | undefined },
  { db, identity }: Pick<Call, 'db' | 'identity'>,
) {
  const states = db<StateRow[]>`
    select key collate "C" as key, value, updated_at from states
    where user_id = ${identity.user} and (${key}::text is null or key = ${key})`
  const { page, next_cursor } = await BY_KEY.readPage(db, states, bounds)
  return {
    page: page.map(({ updated_at, ...entry }) => ({ ...entry, updated_at: updated_at.toISOString() })),
    next_cursor,
  }
}

export async function sizeOfState({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<Size> {
  const [size] = await db<Size[]>`
    select count(*)::int as keys, coalesce(sum(octet_length(value::text)), 0)::int as bytes
    from states where user_id = ${identity.user}`
  return size ?? { keys: 0, bytes: 0 }
}

/** @throws Failure QUOTA_EXCEEDED where the value, or all of them together, would be too large */
export async function putValue(key: string, value: unknown, call: Pick<Call, 'db' | 'identity'>) {
  const json = JSON.stringify(value)
  const bytes = Buffer.byteLength(json)
  if (bytes > VALUE_BYTES) throw tooMuch(key, `its value has ${bytes} of at most ${VALUE_BYTES} bytes`)
  const { db, identity } = call
  await oneAtATime(`state of ${identity.user}`, call)
  const [row] = await db<{ created: boolean }[]>`
    insert into states (tenant_id, user_id, key, value)
    values (${identity.tenant}, ${identity.user}, ${key}, ${json}::text::json)
    on conflict (tenant_id, user_id, key) do update set value = excluded.value, updated_at = now()
    returning old.key is null as created`
  const size = await sizeOfState(call)
  if (size.keys > KEYS) throw tooMuch(key, `you keep ${KEYS} keys already`)
  if (size.bytes > BYTES) throw tooMuch(key, `together with the others it is more than ${BYTES} bytes`)
  return { key, bytes, status: row?.created === true ? ('created' as const) : ('changed' as const) }
}

function tooMuch(key: string, why: string): Failure {
  return new Failure('QUOTA_EXCEEDED', `Cannot put "${key}": ${why}`, {
    suggestion: 'Drop what you no longer need with self.state.drop, or put less',
    details: { resource: 'state' },
  })
}

/** @returns whether there was such a key */
export async function dropKey(key: string, call: Pick<Call, 'db' | 'identity'>): Promise<boolean> {
  const { db, identity } = call
  await oneAtATime(`state of ${identity.user}`, call)
  const dropped = await db`delete from states where user_id = ${identity.user} and key = ${key} returning key`
  return dropped.length > 0
}

export async function saveCheckpoint(label: string, call: Pick<Call, 'db' | 'identity'>) {
  const { db, identity } = call
  await oneAtATime(`state of ${identity.user}`, call)
  const [row] = await db<{ at: Date }[]>`
    insert into state_checkpoints (id, tenant_id, user_id, label, state)
    select ${newId()}, ${identity.tenant}, ${identity.user}, ${label},
      coalesce(json_object_agg(key, value order by key), '{}')
    from states where user_id = ${identity.user} returning at`
  await db`
    delete from state_checkpoints where user_id = ${identity.user} and id not in (
      select id from state_checkpoints where user_id = ${identity.user} order by at desc, id desc limit ${CHECKPOINTS}
    )`
  const [latest] = await listCheckpoints(call)
  if (row === undefined || latest === undefined) throw new TypeError('An insert answers its row')
  return latest
}

/** The caller's checkpoints, newest first. */
export async function listCheckpoints({ db, identity }: Pick<Call, 'db' | 'identity'>) {
  const rows = await db<CheckpointRow[]>`
    select id, label, (select count(*)::int from json_object_keys(state)) as keys, at
    from state_checkpoints where user_id = ${identity.user} order by at desc, id desc`
  return rows.map(({ id, at, ...rest }) => ({ checkpoint: id, ...rest, at: at.toISOString() }))
}

/**
 * Puts the caller's values back as they were: those that came since are dropped.
 *
 * @returns the checkpoint; undefined where there is none of that label or index
 */
export async function restoreCheckpoint(
  { label, index }: { label: string | undefined; index: number },
  call: Pick<Call, 'db' | 'identity'>,
) {
  const { db, identity } = call
  await oneAtATime(`state of ${identity.user}`, call)
  const all = await listCheckpoints(call)
  const wanted = label === undefined ? all[index] : all.find((each) => each.label === label)
  if (wanted === undefined) return undefined
  await db`delete from states where user_id = ${identity.user}`
  await db`
    insert into states (tenant_id, user_id, key, value)
    select ${identity.tenant}, ${identity.user}, key, value
    from json_each((select state from state_checkpoints where id = ${wanted.checkpoint}))`
  return wanted
}
