/**
 * Durable consumers for webhooks: one on each stream that a subscription reads, made, updated and removed so that they
 * agree with the rows. The rows are the truth.
 *
 * A consumer starts where its subscription began, so it does not matter when it is made; one that was lost with its stream
 * begins there again, and sinks know the ids of what they have. Read when an event reports that a row has changed, when a
 * stream is another one than before, and now and then: people lose the right to have a subscription without an event.
 */
import { createHash } from 'node:crypto'
import {
  AckPolicy,
  DeliverPolicy,
  nanos,
  NatsError,
  type ConsumerConfig,
  type ConsumerInfo,
  type JetStreamManager,
} from 'nats'
import type { Sql } from 'postgres'
import type { StreamState } from '../../shared/nats/ensure-streams.ts'
import { patternSubjects, ownEventSubject, withoutCovered, eventSubject } from '../../shared/nats/subjects.ts'
import { archetypesFor, GUEST } from '../../shared/agentese/observer.ts'
import { parsePattern } from '../../shared/agentese/pattern.ts'
import { permissionsOf, ROLES, type Role } from '../../shared/identity/permissions.ts'
import {
  REDELIVER,
  SINK_GROUP,
  SINK_PREFIX,
  SINKS_CHANGED,
  SUBSCRIPTION_CHANGES,
  type SinkMetadata,
} from '../../shared/events/webhook.ts'
import { CREDENTIALS_REVOKED } from '../../shared/events/credentials.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import type { Metrics } from './metrics.ts'
import { createStateLog } from '../../shared/telemetry/state-log.ts'
import type { StreamLink } from './stream-link.ts'

const INTERVAL_MS = 60_000
/** After trouble with JetStream. */
const RETRY_MS = 2000
/** Longer than a delivery may take. */
const ACK_WAIT_MS = 60_000
/** Events of one subscription that may be under way or wait for their next attempt. */
const MAX_PENDING = 1000
/** Silence after which another sender gets the events of a subscription; longer than a delivery may take. */
const PINNED_MS = 35_000

const STREAMS = ['AGENTESE', 'EVENTS'] as const
type Stream = (typeof STREAMS)[number]

/** Roles whose holders may have a subscription. */
const ALLOWED_ROLES = ROLES.filter((role) => permissionsOf([role]).includes('subscriptions:write'))

export interface Sinks {
  /** Called for every event that is published; reads again where one is about a subscription. */
  notice(subjects: readonly string[]): void
  /** Makes consumers agree with rows where they may not. Trouble with JetStream is for the next time. */
  check(states: readonly StreamState[]): Promise<void>
}

interface SubscriptionRow {
  id: string
  tenant_id: string
  user_id: string
  archetype: string
  /** Of the person, as they are now. */
  roles: Role[]
  patterns: string[]
  kinds: string[]
  events: string[]
  sink: string
  rotation: number
  rotated_at: Date | null
  earlier_rotations: string[]
  created_at: Date
}

export interface SinksOptions {
  sql: Sql
  link: StreamLink
  log: Log
  metrics: Metrics
}

export function createSinks({ sql, link, log, metrics }: SinksOptions): Sinks {
  const report = createStateLog(log, 'consumers of webhooks')
  let next = 0
  let streams = ''
  let database: string | undefined
  let running = false

  /** Beside the turns of the relay: thousands of consumers take longer than a session may be silent. */
  async function reconcile(rows: readonly SubscriptionRow[], from: Source): Promise<void> {
    running = true
    try {
      const manager = await link.nats.manager()
      let changed = 0
      for (const stream of STREAMS) changed += await agree(manager, stream, wanted(rows, stream, from), log)
      metrics.set('relay_webhook_subscriptions', rows.length)
      if (changed > 0) link.nats.nc?.publish(SINKS_CHANGED)
      report('agree')
    } catch (error) {
      next = performance.now() + RETRY_MS
      if (link.connected) report('cannot be looked after', error)
    } finally {
      running = false
    }
  }

  const wanted = (rows: readonly SubscriptionRow[], stream: Stream, from: Source): Wanted => ({
    ...from,
    consumers: new Map(rows.flatMap((row) => consumerOf(row, stream, from.database, log))),
  })

  return {
    notice(subjects) {
      if (subjects.some(isAboutSubscription)) next = 0
    },
    async check(states) {
      const known = states.map(({ name, createdAt }) => `${name} ${createdAt.getTime()}`).join()
      if (running || (performance.now() < next && known === streams)) return
      // Before the rows are read: what changes meanwhile is looked at again.
      next = performance.now() + INTERVAL_MS
      streams = known
      database ??= await identify(sql)
      const [rows, moved] = await Promise.all([readRows(sql), readMoved(sql)])
      void reconcile(rows, { database, moved })
    },
  }
}

/** Where rows are from. */
interface Source {
  database: string
  /** Tenants that are served in another database now, which looks after their consumers. */
  moved: ReadonlySet<string>
}

/** The consumers that one stream is to have. */
interface Wanted extends Source {
  consumers: Map<string, Partial<ConsumerConfig>>
}

/** A person or a tenant that is gone has no webhooks either. */
const CHANGES = [...Object.values(SUBSCRIPTION_CHANGES), CREDENTIALS_REVOKED]

function isAboutSubscription(subject: string): boolean {
  return CHANGES.some((type) => subject.endsWith(`.${type}`))
}

/** Distinguishes the consumers of this database's tenants from those of others on the same NATS. */
async function identify(sql: Sql): Promise<string> {
  const [row] = await sql<{ id: string }[]>`
    select (select system_identifier from pg_control_system()) || '.' || oid as id
    from pg_database where datname = current_database()`
  return row?.id ?? ''
}

/** Subscriptions that are to be delivered: active, of a tenant that is, and of a person who may still have one. */
function readRows(sql: Sql): Promise<SubscriptionRow[]> {
  return sql<SubscriptionRow[]>`
    select s.id, s.tenant_id, s.user_id, s.archetype, to_json(u.roles) as roles, s.patterns, s.kinds, s.events, s.sink,
      s.rotation, s.rotated_at, s.earlier_rotations, s.created_at
    from webhook_subscriptions s
    join users u on u.id = s.user_id
    join tenants t on t.id = s.tenant_id
    where not exists (select from moved_tenants m where m.tenant_id = s.tenant_id and m.refuses = 'all')
      and s.status = 'active' and t.status not in ('paused', 'canceled') and t.suspended_at is null and u.removed_at is null
      and to_jsonb(u.roles) ?| ${`{${ALLOWED_ROLES.join(',')}}`}::text::text[]`
}

async function readMoved(sql: Sql): Promise<Set<string>> {
  const rows = await sql<{ tenant: string }[]>`
    select tenant_id as tenant from moved_tenants where refuses = 'all'`
  return new Set(rows.map(({ tenant }) => tenant))
}

/** Returns how many consumers were made, updated or removed. */
async function agree(
  manager: JetStreamManager,
  stream: Stream,
  { database, moved, consumers }: Wanted,
  log: Log,
): Promise<number> {
  const existing = await listSinks(manager, stream)
  let changed = 0
  for (const [name, config] of consumers) {
    const found = existing.get(name)
    if (found?.config.metadata?.['revision'] === config.metadata?.['revision']) continue
    try {
      if (found === undefined) await manager.consumers.add(stream, config)
      else await manager.consumers.update(stream, name, config)
      changed += 1
    } catch (error) {
      if (!(error instanceof NatsError) || error.api_error === undefined) throw error
      // One that JetStream refuses must not keep the others from theirs.
      log.error({ err: error, consumer: name, stream }, 'The consumer of a webhook cannot be made')
    }
  }
  for (const [name, { config }] of existing) {
    const { metadata } = config
    if (consumers.has(name) || metadata?.['database'] !== database) continue
    if (moved.has(metadata['tenant'] ?? '')) continue
    await manager.consumers.delete(stream, name)
    changed += 1
  }
  return changed
}

async function listSinks(manager: JetStreamManager, stream: Stream): Promise<Map<string, ConsumerInfo>> {
  const found = new Map<string, ConsumerInfo>()
  for await (const info of manager.consumers.list(stream)) {
    if (info.name.startsWith(SINK_PREFIX)) found.set(info.name, info)
  }
  return found
}

function consumerOf(
  row: SubscriptionRow,
  stream: Stream,
  database: string,
  log: Log,
): [name: string, config: Partial<ConsumerConfig>][] {
  const subjects = subjectsOf(row, stream, log)
  if (subjects.length === 0) return []
  const name = `${SINK_PREFIX}${row.id}`
  const config = {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: row.created_at.toISOString(),
    filter_subjects: subjects,
    ack_wait: nanos(ACK_WAIT_MS),
    max_ack_pending: MAX_PENDING,
    // The client's types do not have these yet; it passes them on.
    priority_groups: [SINK_GROUP],
    priority_policy: 'pinned_client',
    priority_timeout: nanos(PINNED_MS),
  }
  const facts: Omit<Record<keyof SinkMetadata, string>, 'revision'> & { database: string } = {
    tenant: row.tenant_id,
    subscription: row.id,
    sink: row.sink,
    rotation: String(row.rotation),
    rotations: [row.rotated_at?.toISOString() ?? [], row.earlier_rotations].flat().join(','),
    kinds: row.kinds.join(','),
    user: row.user_id,
    archetype: archetypeOf(row),
    database,
  }
  const revision = createHash('sha256')
    .update(JSON.stringify([config, facts]))
    .digest('base64url')
  return [[name, { ...config, metadata: { ...facts, revision } }]]
}

/** The archetype of its maker: where its roles no longer allow it, what they allow now. */
function archetypeOf({ archetype, roles }: SubscriptionRow): string {
  const allowed: readonly string[] = archetypesFor(roles)
  return allowed.includes(archetype) ? archetype : (allowed[0] ?? GUEST.archetype)
}

/** Every subscription reads `EVENTS`: what is sent again, or as a test, comes that way. */
function subjectsOf(
  { id, tenant_id: tenant, patterns, events }: SubscriptionRow,
  stream: Stream,
  log: Log,
): string[] {
  try {
    return withoutCovered(
      stream === 'AGENTESE'
        ? patterns.flatMap((pattern) => patternSubjects(tenant, parsePattern(pattern)))
        : [eventSubject(tenant, REDELIVER), ...events.map((type) => ownEventSubject(tenant, type))],
    )
  } catch (error) {
    log.error({ err: error, subscription: id }, 'A subscription cannot be read')
    return []
  }
}
