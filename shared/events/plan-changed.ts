/** The event of a tenant that has come to another plan, or to another version of its plan. */
import { z } from 'zod'
import { TIERS } from '../plans/tiers.ts'

export const PLAN_CHANGED = 'io.kgents.tenants.plan_changed'

const Bought = z.strictObject({ plan: z.enum(TIERS), version: z.int() })

export const PlanChanged = z.strictObject({ tenant: z.uuid(), from: Bought, to: Bought })
