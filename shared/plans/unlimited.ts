/** The plan of the platform itself, where it acts for a tenant and for no person in it: what it does is counted, never refused. */
import { FEATURES, type Plan } from './plan.ts'

const RATE = 1_000_000

export const UNLIMITED: Plan = Object.freeze({
  id: 'enterprise',
  version: 1,
  name: 'Platform',
  effectiveAt: new Date(0).toISOString(),
  price: { monthCents: null, yearCents: null },
  trialDays: 0,
  limits: {
    requestsPerMinute: RATE,
    requestsPerHour: RATE,
    requestsAtOnce: RATE,
    apiCallsPerDay: null,
    tokensPerMonth: null,
    sessionsPerMonth: null,
    agents: null,
    entities: null,
    tools: null,
    subscriptions: null,
    seats: null,
    storageBytes: null,
    auditDays: null,
  },
  features: [...FEATURES],
  overage: {},
})
