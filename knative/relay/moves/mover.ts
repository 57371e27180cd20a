/**
 * Moves tenants between the pool and silos of their own, as placements say, and keeps the people in silos up to date.
 *
 * Every relay that has the owner's connection does so; a lock in the session that writes the copy lets one at a time move a
 * tenant, and is gone with that session.
 */
import type { Sql } from 'postgres'
import { catalog } from '../../../functions/catalog.ts'
import { moveAs } from '../../../shared/database/copy-tenant.ts'
import { dropSilo, makeSilo } from '../../../shared/database/silo-databases.ts'
import { siloUrl } from '../../../shared/database/silos.ts'
import { pause } from '../../../shared/pause.ts'
import type { Log } from '../../../shared/telemetry/log.ts'
import { createStateLog } from '../../../shared/telemetry/state-log.ts'
import { copyPeople, sumPeople } from './people.ts'
import { advance, noteFailure, readDue, type Placement } from './placement.ts'
import * as fence from './fence.ts'
import { openAsMover, openSession } from './session.ts'
import { giveWay, STEPS, type Move } from './steps.ts'

const INTERVAL_MS = 1000
const MOVE_LOCK = 7_264_035
const CENTRAL = catalog.filter(({ database }) => database === 'central').map(({ name }) => name)

/** @param poolUrl of the owner */
export async function moveTenants(poolUrl: string, log: Log, stop: AbortSignal): Promise<void> {
  const report = createStateLog(log, 'moves of tenants')
  const people = new Map<string, string>()
  let pool: Sql | undefined
  while (!stop.aborted) {
    try {
      pool ??= await openAsMover(poolUrl)
      for (const placement of await readDue(pool)) {
        if (!stop.aborted) await moveOn(placement, pool, poolUrl, log)
      }
      await updatePeople(pool, poolUrl, people, log)
      report('works')
    } catch (error) {
      report('fails and is tried again', error)
      await pool?.end({ timeout: 1 })
      pool = undefined
    }
    await pause(INTERVAL_MS, stop)
  }
  await pool?.end({ timeout: 1 })
}

/** Takes a move as far as it goes. */
async function moveOn(placement: Placement, pool: Sql, poolUrl: string, log: Log): Promise<void> {
  const { tenant, database, wanted } = placement
  if (wanted === 'none') return erase(placement, pool, poolUrl)
  const sessions: Sql[] = []
  const session = async (url: string) => {
    const sql = openSession(url)
    sessions.push(sql)
    await moveAs(sql, tenant)
    return sql
  }
  let move: Move | undefined
  try {
    if (placement.step === 'create' && wanted === 'silo') await makeSilo(poolUrl, database)
    const silo = () => session(siloUrl(database, poolUrl))
    const to = await (wanted === 'silo' ? silo() : session(poolUrl))
    const [row] = await to<
      { free: boolean }[]
    >`select pg_try_advisory_lock(${MOVE_LOCK}, hashtext(${tenant})) as free`
    if (row?.free !== true) return
    // What is to be dropped need not be there any more.
    const from = await (wanted === 'silo' || placement.step === 'clean' ? session(poolUrl) : silo())
    move = { placement, poolUrl, pool, from, to, central: CENTRAL }
    await run(move, log)
  } catch (error) {
    log.error({ err: error, tenant, step: placement.step }, 'A step of a move failed')
    const back = await (move === undefined ? placement.step : giveWay(move).catch(() => placement.step))
    await noteFailure(pool, placement, error, back)
  } finally {
    await Promise.all(sessions.map((sql) => sql.end({ timeout: 1 })))
  }
}

async function run(move: Move, log: Log): Promise<void> {
  const { placement, pool } = move
  for (;;) {
    const next = await STEPS[placement.step](move)
    if (next === undefined || !(await advance(pool, placement, next))) return
    const { tenant, wanted } = placement
    log.info({ tenant, to: wanted, step: next }, 'A tenant is being moved')
    Object.assign(placement, { step: next, seconds: 0 })
  }
}

/** For a tenant that is deleted; it need not have a silo any more. */
async function erase({ tenant, database }: Placement, pool: Sql, poolUrl: string): Promise<void> {
  if (database !== '') await dropSilo(poolUrl, database)
  await fence.open(pool, tenant)
  await pool`delete from placements where tenant_id = ${tenant} and wanted = 'none'`
}

/** A silo that is unavailable keeps no other from its people. */
async function updatePeople(pool: Sql, poolUrl: string, known: Map<string, string>, log: Log): Promise<void> {
  for (const { tenant, database, sum } of await sumPeople(pool)) {
    if (known.get(tenant) === sum) continue
    let silo: Sql | undefined
    try {
      silo = await openAsMover(siloUrl(database, poolUrl))
      await copyPeople(pool, silo, tenant)
      known.set(tenant, sum)
    } catch (error) {
      log.warn({ err: error, tenant }, 'The people of a silo are not up to date')
    } finally {
      await silo?.end({ timeout: 1 })
    }
  }
}
