/**
 * What a handler may need. Its contract declares it, and the rest follows: the members of the call that the handler is
 * given (`call.ts`), the secrets that its process gets, and what its network policy lets it reach.
 */

/** What a process connects to. `redis` is its REST front, and `outside` the public Internet. */
export type Dependency = 'postgres' | 'redis' | 'functions' | 'outside' | 'nats-monitoring'

interface Consequences {
  /** Members of a call. */
  gives: readonly string[]
  /** Environment variables. */
  secrets: readonly string[]
  reaches: readonly Dependency[]
}

export const NEEDS = {
  /** Rows of the tenant, and its ledger. */
  postgres: {
    gives: ['db', 'transact', 'inOwn', 'charge'],
    secrets: ['DATABASE_URL'],
    reaches: ['postgres'],
  },
  /** To publish events, and to believe those that come in. */
  events: { gives: ['emit', 'passOn', 'changed'], secrets: ['EVENT_SIGNING_KEY'], reaches: [] },
  /** To ask a model; the answer comes as an event. */
  inference: {
    gives: ['infer', 'release', 'begin', 'hasModel'],
    secrets: ['EVENT_SIGNING_KEY'],
    reaches: [],
  },
  /** To end jobs. */
  jobs: { gives: ['endJob'], secrets: ['DATABASE_URL', 'EVENT_SIGNING_KEY'], reaches: ['postgres'] },
  /** To know what other functions there are. */
  catalog: { gives: ['catalog', 'nodesOf', 'findAspect', 'hasNode'], secrets: [], reaches: [] },
  /** To call other functions in the name of a caller. */
  functions: { gives: ['dispatch'], secrets: ['DISPATCH_SIGNING_KEY'], reaches: ['functions'] },
  /** To deliver events to other functions, as they were signed. */
  deliveries: { gives: ['deliver'], secrets: [], reaches: ['functions'] },
  /** To find out who somebody is that has no credential yet. */
  'sign-in': {
    gives: ['ofNoTenant', 'browser', 'caller'],
    secrets: ['DATABASE_URL'],
    reaches: ['postgres'],
  },
  /** To issue platform tokens, and to sign in the name of the platform. */
  tokens: { gives: ['issueToken', 'attest'], secrets: ['PLATFORM_SIGNING_KEY'], reaches: [] },
  /** To make a tenant for whoever signs up. */
  registration: {
    gives: ['signUp'],
    secrets: ['DATABASE_URL', 'EVENT_SIGNING_KEY'],
    reaches: ['postgres', 'redis'],
  },
  'public-keys': { gives: ['publicKeys'], secrets: [], reaches: [] },
  /** To keep what tenants keep secret. */
  secrets: { gives: ['secretBox'], secrets: ['TOOL_SECRET_KEY'], reaches: [] },
  'webhook-secrets': { gives: ['webhookSecret'], secrets: ['WEBHOOK_SIGNING_KEY'], reaches: [] },
  /** To check an address that a tenant names, without sending anything to it. */
  destinations: { gives: ['privateOrigins'], secrets: [], reaches: [] },
  /** To send requests to addresses that tenants name. */
  outside: { gives: ['requestOutside', 'resolveText'], secrets: [], reaches: ['outside'] },
  /** To read traces where an operator has them kept. */
  'trace-store': { gives: ['traceStore'], secrets: ['CLICKHOUSE_URL'], reaches: ['outside'] },
  /** To have invoices paid. */
  payments: {
    gives: ['payments'],
    secrets: ['DATABASE_URL', 'STRIPE_API_KEY', 'STRIPE_WEBHOOK_SECRET'],
    reaches: ['postgres', 'outside'],
  },
  /** To act for a tenant that no caller names: on the word of somebody else whom the platform believes, or to let people in. */
  'any-tenant': { gives: ['actFor'], secrets: ['DATABASE_URL', 'EVENT_SIGNING_KEY'], reaches: ['postgres'] },
  /** To show anybody what can be bought. */
  plans: { gives: ['offeredPlans'], secrets: ['DATABASE_URL'], reaches: ['postgres'] },
  /** To look after the parts of the platform. */
  health: {
    gives: ['probe', 'metrics', 'streamBacklog'],
    secrets: ['DATABASE_URL', 'UPSTASH_REDIS_REST_TOKEN'],
    reaches: ['postgres', 'redis', 'nats-monitoring'],
  },
  /** Rate limits of callers; no handler uses it. */
  redis: { gives: [], secrets: ['UPSTASH_REDIS_REST_TOKEN'], reaches: ['redis'] },
} as const satisfies Record<string, Consequences>

export type Need = keyof typeof NEEDS

/** The members of a call that `N` gives. */
export type Gives<N extends Need> = (typeof NEEDS)[N]['gives'][number]

const ALL = Object.keys(NEEDS) as Need[] // reason: the keys of an object that has no others

/** Secrets that a platform may be without: those of the payment provider, and where traces are kept besides PostgreSQL. */
export const OPTIONAL_SECRETS: readonly string[] = [
  'STRIPE_API_KEY',
  'STRIPE_WEBHOOK_SECRET',
  'CLICKHOUSE_URL',
]
/** Secrets that a process starts without; where there is no Redis, each limits by itself. */
export const DISPENSABLE_SECRETS: readonly string[] = ['UPSTASH_REDIS_REST_TOKEN', ...OPTIONAL_SECRETS]

/** Each need once, in the order of the table. */
export function distinctNeeds(needs: readonly Need[]): Need[] {
  return ALL.filter((need) => needs.includes(need))
}

/** Environment variables with the secrets that come with `needs`, each once. */
export function secretsFor(needs: readonly Need[]): string[] {
  return [...new Set(needs.flatMap((need) => NEEDS[need].secrets))]
}

/** What a process with `needs` connects to, each once. */
export function dependenciesOf(needs: readonly Need[]): Dependency[] {
  return [...new Set(needs.flatMap((need) => NEEDS[need].reaches))]
}
