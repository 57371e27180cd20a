/** The plans by id and version. A version never changes, so a process that has read it keeps it for ever. */
import type { Sql } from 'postgres'
import { Failure } from '../failures.ts'
import { readPlan, type PlanRow } from './plan-row.ts'
import type { Plan } from './plan.ts'
import { TIERS, type Tier } from './tiers.ts'

export type FindPlan = (id: Tier, version: number) => Promise<Plan>

/**
 * Creates the finder of plans in `sql`.
 *
 * It throws Failure DEPENDENCY_UNAVAILABLE for a version that is not there: this database lags behind the one that named it.
 */
export function createPlanBook(sql: Sql): FindPlan {
  const known = new Map<string, Promise<Plan>>()
  return (id, version) => {
    const name = `${id}@${version}`
    const kept = known.get(name)
    if (kept !== undefined) return kept
    const reading = read(sql, id, version)
    known.set(name, reading)
    reading.catch(() => known.delete(name))
    return reading
  }
}

async function read(sql: Sql, id: Tier, version: number): Promise<Plan> {
  const [row] = await sql<PlanRow[]>`select * from find_plan(${id}, ${version}) where id is not null`
  if (row !== undefined) return readPlan(row)
  throw new Failure('DEPENDENCY_UNAVAILABLE', `Cannot find version ${version} of plan "${id}"`, {
    retryAfterSeconds: 1,
  })
}

/** What can be bought now, from the smallest plan to the largest. */
export async function readOffered(sql: Sql): Promise<Plan[]> {
  const rows = await sql<PlanRow[]>`select * from offered_plans()`
  return rows.map(readPlan).toSorted((a, b) => TIERS.indexOf(a.id) - TIERS.indexOf(b.id))
}
