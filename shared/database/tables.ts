/**
 * Which database the rows of each table are in, once a tenant has a database of its own (a silo).
 *
 * `tenant`: they move with the tenant, since a call writes them together with its state, mark, charges and events.
 * `central`: they stay in the pool whatever happens, since a credential is checked before its tenant's database is known, and
 *   operators, money and the audit see all tenants; operations on them say `database: 'central'` in their contract.
 * `people`: they are in the pool, and a silo has a copy for what refers to them; the relay keeps it up to date.
 * `each`: every database has its own rows, which never move.
 */
export const TABLES: Readonly<Record<string, 'tenant' | 'central' | 'people' | 'each'>> = {
  agents: 'tenant',
  aliases: 'tenant',
  allowances: 'tenant',
  api_keys: 'central',
  audit: 'central',
  audit_heads: 'central',
  capabilities: 'tenant',
  changes: 'tenant',
  charges: 'tenant',
  compositions: 'tenant',
  concepts: 'tenant',
  consents: 'tenant',
  dead_letters: 'tenant',
  entities: 'tenant',
  entity_relations: 'tenant',
  entropy_grants: 'tenant',
  entropy_pools: 'tenant',
  event_mapping_runs: 'tenant',
  event_mappings: 'tenant',
  governance_decisions: 'tenant',
  gratitude: 'tenant',
  holdings: 'tenant',
  idempotency_keys: 'tenant',
  inbox: 'tenant',
  invitations: 'central',
  jobs: 'tenant',
  kgent_messages: 'tenant',
  kgent_sessions: 'tenant',
  marks: 'tenant',
  memories: 'tenant',
  memory_checkpoints: 'tenant',
  memory_consolidations: 'tenant',
  migrations: 'each',
  moved_tenants: 'each',
  // What a move finds in it is published before the tenant is served elsewhere.
  outbox: 'each',
  placements: 'central',
  recall_entries: 'tenant',
  recall_models: 'tenant',
  relay_sleep: 'each',
  schedules: 'tenant',
  semaphores: 'tenant',
  souls: 'tenant',
  state_checkpoints: 'tenant',
  states: 'tenant',
  tenants: 'people',
  tool_origins: 'tenant',
  tool_secrets: 'tenant',
  tools: 'tenant',
  users: 'people',
  webhook_dead_letters: 'tenant',
  webhook_subscriptions: 'tenant',
}

export const MOVING = Object.keys(TABLES).filter((name) => TABLES[name] === 'tenant')
export const CENTRAL = Object.keys(TABLES).filter((name) => TABLES[name] === 'central')
export const PEOPLE = Object.keys(TABLES).filter((name) => TABLES[name] === 'people')
