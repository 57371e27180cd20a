/** What a tenant used in a period, by meter, as decimals. */
import type { Db } from '../database/database.ts'
import { usageIn } from '../metering/usage.ts'
import type { Usage } from './invoices/lines.ts'
import type { Period } from './invoices/months.ts'

export function periodUsage(db: Db, { start, end }: Period): Promise<Usage> {
  return usageIn(db, { from: start, to: end })
}
