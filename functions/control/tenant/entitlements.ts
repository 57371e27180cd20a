/** What a tenant's plan includes, and how much of it is used. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { periodOf } from '../../../shared/plans/allowance.ts'
import { dayOf } from '../../../shared/plans/call-leases.ts'
import { FEATURES, Limits, type Limit, type Plan } from '../../../shared/plans/plan.ts'

/** By the names of the API, from the table of the plan. */
const NAMES = {
  requests_per_minute: 'requestsPerMinute',
  requests_per_hour: 'requestsPerHour',
  requests_at_once: 'requestsAtOnce',
  api_calls_per_day: 'apiCallsPerDay',
  tokens_per_month: 'tokensPerMonth',
  sessions_per_month: 'sessionsPerMonth',
  agents: 'agents',
  entities: 'entities',
  tools: 'tools',
  subscriptions: 'subscriptions',
  seats: 'seats',
  storage_bytes: 'storageBytes',
  audit_days: 'auditDays',
} as const satisfies Record<string, Limit>
type Name = keyof typeof NAMES

type Shape = { [N in Name]: (typeof Limits.shape)[(typeof NAMES)[N]] }

export const PlanLimits = z.strictObject(
  // reason: each name has the schema of its limit
  Object.fromEntries(Object.entries(NAMES).map(([name, limit]) => [name, Limits.shape[limit]])) as Shape,
)

export function limitsOf({ limits }: Plan): z.infer<typeof PlanLimits> {
  // reason: as above
  return Object.fromEntries(Object.entries(NAMES).map(([name, limit]) => [name, limits[limit]])) as z.infer<
    typeof PlanLimits
  >
}

/** The limits of a plan by their own names. */
export function limitsIn(given: z.infer<typeof PlanLimits>): Record<string, number | null> {
  return Object.fromEntries(Object.entries(NAMES).map(([name, limit]) => [limit, given[name as Name]]))
}

export const Features = z.array(z.enum(FEATURES))

export const Used = z.strictObject({
  api_calls_today: z.int().describe('Also those that are set aside for processes in blocks'),
  tokens_this_month: z.number().describe('Also those that jobs under way have reserved'),
  sessions_this_month: z.int(),
  agents: z.int(),
  entities: z.int(),
  tools: z.int(),
  subscriptions: z.int(),
  seats: z.int(),
  storage_bytes: z.int(),
})

/** What this transaction's tenant uses of its plan now. */
export async function usedBy({ db }: Pick<Call, 'db'>): Promise<z.infer<typeof Used>> {
  const now = new Date()
  const [used] = await db<[z.infer<typeof Used>]>`
    select
      (select coalesce(sum(spent + reserved), 0)::int from allowances
        where resource = 'api_calls' and period = ${dayOf(now)}) as api_calls_today,
      (select coalesce(sum(spent + reserved), 0)::float8 from allowances
        where resource = 'tokens' and period = ${periodOf(now)}) as tokens_this_month,
      (select coalesce(sum(spent + reserved), 0)::int from allowances
        where resource = 'sessions' and period = ${periodOf(now)}) as sessions_this_month,
      (select coalesce(sum(held), 0)::int from holdings where kind = 'agent') as agents,
      (select coalesce(sum(held), 0)::int from holdings where kind = 'entity') as entities,
      (select coalesce(sum(held), 0)::int from holdings where kind = 'tool') as tools,
      (select count(*)::int from webhook_subscriptions) as subscriptions,
      (select count(*)::int from users where kind = 'person' and removed_at is null) as seats,
      (select coalesce(sum(bytes), 0)::float8 from storage) as storage_bytes`
  return used
}
