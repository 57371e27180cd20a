/**
 * The steps of a move, in their order; each can be repeated, so a move goes on wherever it was interrupted.
 *
 * create  the silo is made, and both databases are to ask about the tenant (`served_tenant`)
 * copy    rows are copied while the tenant works, until little is left
 * fence   its writes wait, in the database itself: what was sent is published, what waits is held, what was used is counted, the rest is copied and verified
 * switch  where it was refuses everything of it; from now on it is served elsewhere
 * open    where it is now serves it
 * keep    the old copy stays a while, for reads of processes that have not noticed yet
 * clean   the old copy is deleted
 *
 * Until `switch` a failure goes back to `copy` and lowers the fence; from there on there is no way back, and none is needed.
 */
import { setTimeout } from 'node:timers/promises'
import type { Sql } from 'postgres'
import { copyDifferences, deleteRows } from '../../../shared/database/copy-tenant.ts'
import { dropSilo } from '../../../shared/database/silo-databases.ts'
import * as fence from './fence.ts'
import { copyPeople } from './people.ts'
import type { Placement, Step } from './placement.ts'

export interface Move {
  placement: Placement
  /** Of the owner. */
  poolUrl: string
  pool: Sql
  from: Sql
  to: Sql
  /** Functions whose rows stay in the pool. */
  central: readonly string[]
}

/** What one run may still find under way when writes are to wait, and runs at most. */
const LITTLE = 500
const MAX_RUNS = 8
/** The outbox is published in milliseconds; a relay or NATS that is unavailable ends the attempt. */
const DRAIN_MS = 5000
const POLL_MS = 20
/** In the pool: longer than a process believes where a tenant is, and than its calls take. */
const POOL_KEPT_SECONDS = 60
/** Longer than published events are kept, which are published again when NATS has lost its streams. */
const SILO_KEPT_SECONDS = 3900

/** Each answers the next step, or nothing where it is to be tried again later. */
export const STEPS: Record<Step, (move: Move) => Promise<Step | undefined>> = {
  async create({ placement: { tenant, wanted }, pool, from, to }) {
    if (wanted === 'silo') await copyPeople(pool, to, tenant)
    await fence.watch(to, tenant, 'all')
    await fence.watch(from, tenant, 'nothing')
    await fence.untilNoticed(from)
    return 'copy'
  },

  async copy(move) {
    let changed = Infinity
    for (let runs = 0; changed > LITTLE && runs < MAX_RUNS; runs += 1) changed = await copy(move)
    return 'fence'
  },

  async fence(move) {
    const { placement, from } = move
    const { tenant } = placement
    await fence.raise(from, tenant)
    await move.pool`update placements set fenced_at = clock_timestamp() where tenant_id = ${tenant}`
    await drain(from)
    await holdJobs(from)
    await countUsage(from)
    for (let runs = 0; (await copy(move)) > 0; runs += 1) {
      if (runs === MAX_RUNS) throw new Error('the copy is not equal')
    }
    return 'switch'
  },

  async switch({ placement, pool, from }) {
    const { tenant, wanted } = placement
    if (!(await fence.close(from, tenant))) throw new Error('the fence has ended')
    await pool`update placements set lives_in = ${wanted} where tenant_id = ${tenant}`
    return 'open'
  },

  async open({ placement: { tenant }, pool, from, to }) {
    await to`update jobs set admitted_at = null where status = 'queued' and admitted_at = 'infinity' and message is not null`
    await fence.open(to, tenant)
    await pool`
      update placements set fenced_ms = extract(epoch from clock_timestamp() - fenced_at) * 1000 where tenant_id = ${tenant}`
    // The relay of the old copy would end them, or queue them again.
    await from`update jobs set status = 'cancelled', charges = '{}' where status in ('queued', 'running')`
    return 'keep'
  },

  async keep({ placement: { wanted, seconds } }) {
    return seconds < (wanted === 'silo' ? POOL_KEPT_SECONDS : SILO_KEPT_SECONDS) ? undefined : 'clean'
  },

  async clean({ placement: { wanted, database }, poolUrl, from, central }) {
    if (wanted === 'silo') await deleteRows(from, central)
    else await dropSilo(poolUrl, database)
    return 'done'
  },

  done: async () => undefined,
}

/** Where the move goes on after a failure. */
export async function giveWay({ placement: { tenant, step }, from }: Move): Promise<Step> {
  if (step !== 'fence' && step !== 'switch') return step
  const [row] = await from<
    { refuses: string }[]
  >`select refuses from moved_tenants where tenant_id = ${tenant}`
  if (row?.refuses === 'all') return 'switch'
  await from`update jobs set admitted_at = null where status = 'queued' and admitted_at = 'infinity' and message is not null`
  await fence.lower(from, tenant)
  return 'copy'
}

async function copy({ placement: { tenant }, pool, from, to, central }: Move): Promise<number> {
  const changed = await copyDifferences({ from, to, central })
  await pool`update placements set rows_copied = rows_copied + ${changed} where tenant_id = ${tenant}`
  return changed
}

/** Waits until all that was written before is published. */
async function drain(from: Sql): Promise<void> {
  const [now] = await from<{ at: Date }[]>`select clock_timestamp() as at`
  const until = performance.now() + DRAIN_MS
  for (;;) {
    const waiting = await from`
      select from outbox where published_at is null and created_at <= ${now?.at ?? null} limit 1`
    if (waiting.length === 0) return
    if (performance.now() > until) throw new Error('the outbox is not published: is the relay at work?')
    await setTimeout(POLL_MS)
  }
}

/** Counts what was used until now, where it was used; whatever runs longer there ends the attempt. */
async function countUsage(from: Sql): Promise<void> {
  const [now] = await from<{ bound: string }[]>`select pg_current_xact_id()::text as bound`
  const until = performance.now() + DRAIN_MS
  for (;;) {
    const [row] = await from<
      { all: boolean }[]
    >`select count_usage_before(${now?.bound ?? ''}::text::xid8) as all`
    if (row?.all === true) return
    if (performance.now() > until) throw new Error('the usage is not counted: what runs for so long?')
    await setTimeout(POLL_MS)
  }
}

/** Jobs that wait are admitted where the tenant is served next, and nowhere else. */
async function holdJobs(from: Sql): Promise<void> {
  await from`update jobs set admitted_at = 'infinity' where status = 'queued' and admitted_at is null`
}
