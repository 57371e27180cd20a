/** Revenue of tenants beside the cost of their tokens. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import { Failure } from '../../../shared/failures.ts'
import { operate } from '../tenants/operate.ts'

/** Months of one call. */
const MAX_MONTHS = 24

export const Month = z.string().regex(/^(19|20|21)\d\d-(0[1-9]|1[0-2])$/, 'is no month such as 2026-11')

export const Margin = z.strictObject({
  tenant: z.strictObject({ id: z.uuid(), slug: z.string(), tier: z.string() }),
  month: z.string(),
  revenue_cents: z.int().describe('Invoiced in that month, without what was credited'),
  tokens: z.number(),
  cost_cents: z.number(),
  margin_cents: z.number(),
})

interface MarginRow {
  id: string
  slug: string
  tier: string
  month: string
  revenue_cents: number
  tokens: number
  cost_cents: number
  margin_cents: number
}

export const BY_MONTH = orderBy({ month: Month, slug: 'text' }, 'asc')

interface Wanted extends Bounds {
  from?: string | undefined
  to?: string | undefined
  cents_per_1000_tokens: string
}

/** @throws Failure TYPE_MISMATCH for too many months */
export async function listMargins(
  { from, to, cents_per_1000_tokens: cents, ...bounds }: Wanted,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
) {
  const first = from ?? to ?? new Date().toISOString().slice(0, 7)
  const last = to ?? first
  checkMonths(first, last)
  const rows = db<MarginRow[]>`
    select id, slug, tier, month, revenue_cents::float8, tokens::float8, cost::float8 as cost_cents,
      (revenue_cents - cost)::float8 as margin_cents
    from (
      select *, round(tokens * ${cents}::text::numeric / 1000, 6) as cost from margins_for_operator(${identity.user}, ${first}, ${last})
    ) months`
  const { page, next_cursor } = await operate(BY_MONTH.readPage(db, rows, bounds))
  return { margins: page.map(describe), next_cursor }
}

function checkMonths(first: string, last: string): void {
  const monthOf = (text: string) => Number(text.slice(0, 4)) * 12 + Number(text.slice(5))
  const months = monthOf(last) - monthOf(first) + 1
  if (months >= 1 && months <= MAX_MONTHS) return
  throw new Failure(
    'TYPE_MISMATCH',
    `Cannot read the months from "${first}" to "${last}": they are ${months} of 1 to ${MAX_MONTHS}`,
    {
      suggestion: 'Ask for fewer months, the first one first',
    },
  )
}

function describe({ id, slug, tier, ...row }: MarginRow): z.infer<typeof Margin> {
  return { tenant: { id, slug, tier }, ...row }
}
