/** Transactions of the ledger as they are shown: what was moved between which accounts, of which grant, and for what. */
import { z } from 'zod'
import { MAX_SOURCE } from '../../../shared/billing/ledger/credits.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import type { Db } from '../../../shared/database/database.ts'

export const TRANSACTION_KINDS = ['grant', 'hold', 'capture', 'release', 'spend', 'refund', 'expiry'] as const

/** What a transaction is made for. */
export const Source = z
  .string()
  .min(1)
  .max(MAX_SOURCE)
  .refine((text) => !text.includes('\0'), 'has a character that no source has')

const Entry = z.strictObject({
  account: z.string().describe('Such as credits:prepaid, held, usage, expired, sales'),
  grant: z.uuid(),
  amount: z.number().describe('Negative where the account gives'),
})

export const LedgerTransaction = z.strictObject({
  seq: z.int().describe('From 1 on, without gaps'),
  kind: z.enum(TRANSACTION_KINDS),
  source: z.string(),
  about: z.string().optional().describe('The source of what is refunded'),
  amount: z.number(),
  at: z.string(),
  entries: z.array(Entry),
})

interface TransactionRow {
  seq: string
  kind: (typeof TRANSACTION_KINDS)[number]
  source: string
  about: string | null
  amount: number
  at: Date
  entries: z.infer<typeof Entry>[]
}

export const LATEST_FIRST = orderBy({ seq: 'bigint' }, 'desc')

interface Wanted extends Bounds {
  source?: string | undefined
  kind?: TransactionRow['kind'] | undefined
  from?: string | undefined
  to?: string | undefined
}

export async function listTransactions({ source, kind, from, to, ...bounds }: Wanted, db: Db) {
  // As conditions of their own, so that the index of what is given is used.
  const ofSource = source === undefined ? db`` : db`and (t.source = ${source} or t.about = ${source})`
  const ofKind = kind === undefined ? db`` : db`and t.kind = ${kind}`
  const since = from === undefined ? db`` : db`and t.at >= ${from}::timestamptz`
  const until = to === undefined ? db`` : db`and t.at < ${to}::timestamptz`
  const rows = db<TransactionRow[]>`
    select t.seq, t.kind, t.source, t.about, t.amount::float8, t.at, (
      select coalesce(jsonb_agg(jsonb_build_object('account', e.account, 'grant', e.grant_id, 'amount', e.amount)
        order by e.grant_id, e.amount), '[]')
      from ledger_entries e where e.tenant_id = t.tenant_id and e.seq = t.seq) as entries
    from ledger_transactions t where true ${ofSource} ${ofKind} ${since} ${until}`
  const { page, next_cursor } = await LATEST_FIRST.readPage(db, rows, bounds)
  return { transactions: page.map(describe), next_cursor }
}

function describe({ seq, about, at, ...row }: TransactionRow): z.infer<typeof LedgerTransaction> {
  return { ...row, seq: Number(seq), at: at.toISOString(), ...(about === null ? {} : { about }) }
}
