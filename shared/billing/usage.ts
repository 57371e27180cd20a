/** What a tenant used in a period, by meter. */
import type { Db } from '../database/database.ts'
import type { Usage } from './invoices/lines.ts'
import type { Period } from './invoices/months.ts'

/** Amounts as decimals. */
export async function periodUsage(_db: Db, _period: Period): Promise<Usage> {
  return {}
}
