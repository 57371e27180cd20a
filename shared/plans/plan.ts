/**
 * A plan: what a tenant may use and what it pays, as one version of it says. Versions are rows of the table `plans` that never
 * change, so whoever holds one may keep it for ever; a customer keeps the version that was bought.
 */
import { z } from 'zod'
import { TIERS } from './tiers.ts'

/**
 * What a plan either has or has not. `soul.reflect` to `soul.explore` are the modes of a dialogue, `soul.deep` is its largest
 * budget, `silo` a database of one's own.
 */
export const FEATURES = [
  'soul.reflect',
  'soul.advise',
  'soul.challenge',
  'soul.explore',
  'soul.gatekeeper',
  'soul.deep',
  'dialectic',
  'collaboration',
  'rbac',
  'audit_logs',
  'analytics',
  'sso',
  'scim',
  'silo',
  'custom_models',
  'on_premise',
  'white_label',
] as const
export type Feature = (typeof FEATURES)[number]

/** What use past the included amount is priced by. */
export const METERS = ['tokens', 'api_calls', 'sessions', 'storage_gb_months', 'gpu_seconds'] as const
export type Meter = (typeof METERS)[number]

const Rate = z.int().positive()
const Bound = z.int().min(0).nullable().describe('Null is without limit')

/** Included amounts and bounds; months and days are those of the calendar in UTC. */
export const Limits = z.strictObject({
  /** Requests that a tenant may make in the long run, and at once after it has been quiet. */
  requestsPerMinute: Rate,
  requestsPerHour: Rate,
  requestsAtOnce: Rate,
  apiCallsPerDay: Bound,
  /** In and out. */
  tokensPerMonth: Bound,
  sessionsPerMonth: Bound,
  agents: Bound,
  entities: Bound,
  tools: Bound,
  /** Webhooks. */
  subscriptions: Bound,
  /** People; services that act by keys of the tenant take none. */
  seats: Bound,
  storageBytes: Bound,
  /** For how many days records of the audit are kept. */
  auditDays: Bound,
})
export type Limits = z.infer<typeof Limits>
export type Limit = keyof Limits
/** Limits that a tenant may be without. */
export type Bounded = { [K in Limit]: null extends Limits[K] ? K : never }[Limit]

/** `cents` for each `per` units of a meter: a decimal, since a unit may cost a part of a cent. */
const Price = z.strictObject({ cents: z.string().regex(/^\d{1,9}(\.\d{1,6})?$/), per: z.int().positive() })

const Cents = z.int().min(0).nullable().describe('Whole cents of a US dollar; null where it is agreed')

export const Plan = z.strictObject({
  id: z.enum(TIERS),
  version: z.int().min(1),
  name: z.string().trim().min(1).max(100),
  /** When it can be bought from. */
  effectiveAt: z.iso.datetime(),
  price: z.strictObject({ monthCents: Cents, yearCents: Cents }),
  trialDays: z.int().min(0).max(366),
  limits: Limits,
  features: z.array(z.enum(FEATURES)),
  /** What use past the included amount costs, for tenants that allow it; a meter without a price ends at its limit. */
  overage: z.partialRecord(z.enum(METERS), Price),
})
export type Plan = z.infer<typeof Plan>

/** A tenant and what it has bought. */
export interface Subscriber {
  tenant: string
  plan: Plan
  /** Whether it pays for use past what the plan includes. */
  overage?: boolean | undefined
}

/** What the tenant may use of a meter in a period; null is without limit, which it is where further use is paid for. */
export function grantedOf({ plan, overage }: Subscriber, limit: Bounded, meter: Meter): number | null {
  return overage === true && plan.overage[meter] !== undefined ? null : plan.limits[limit]
}
