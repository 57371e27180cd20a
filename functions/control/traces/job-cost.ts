/** SQL: what a job has cost in US dollars, by the catalogue of models; null where that is not known. */
import type { Db } from '../../../shared/database/database.ts'

export function jobCost(db: Db) {
  return db`null::float8`
}
