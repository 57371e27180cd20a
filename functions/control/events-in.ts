/**
 * Events from a tenant's own systems. Each is taken once, however often it is sent, and goes on to whoever listens: webhook
 * sinks, streams, Triggers, and the tenant's mappings.
 *
 * Each event of a batch is judged alone: good ones are taken, and the answer lists the others. A request of which nothing
 * could be taken is a failure.
 */
import { z } from 'zod'
import type { Call } from '../../shared/contract/call.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import type { Db } from '../../shared/database/database.ts'
import { messageIdOf } from '../../shared/events/event.ts'
import { readTenantEvent, type TenantEvent } from '../../shared/events/tenant-event.ts'
import { Failure } from '../../shared/failures.ts'
import { MAPPING_MATCHED, matchesEvent, MAX_RUNS } from './event-mappings/matching.ts'

const MAX_BATCH = 100

const Rejected = z.strictObject({ index: z.int(), code: z.string(), message: z.string() })

const Taken = z.strictObject({
  accepted: z.int(),
  duplicates: z.int(),
  rejected: z.array(Rejected),
})

export const eventsIn = defineOperation({
  name: 'events-in',
  summary: "Takes events from a tenant's own systems",
  routes: {
    take: route({
      route: 'POST /v1/events',
      summary: 'Send CloudEvents: one, binary or structured, or a batch of up to 100',
      permission: 'events:write',
      scopes: ['event:emit'],
      needs: ['postgres', 'events'],
      body: 'cloudevents',
      input: z.strictObject({ events: z.array(z.unknown()).max(MAX_BATCH) }),
      output: Taken,
      examples: [
        {
          summary: 'An order was made',
          input: {
            events: [
              {
                specversion: '1.0',
                id: 'order-17',
                source: '/shop',
                type: 'com.example.order.created',
                data: { total: 12 },
              },
            ],
          },
        },
      ],
      writes: true,
      status: () => 202,
      statuses: [202],
      handle: ({ events }, call) => take(events, call),
    }),
  },
})

async function take(
  sent: unknown[],
  call: Pick<Call, 'db' | 'identity' | 'emit' | 'passOn'>,
): Promise<z.infer<typeof Taken>> {
  const { events, rejected } = await readAll(sent, call.identity.tenant)
  checkSome(events, rejected)
  const fresh = await withoutKnown(events, call)
  const mappings = await mappingsOf(call.db)
  let runs = 0
  for (const event of fresh) {
    const matched = mappings.filter((mapping) => matchesEvent(mapping, event)).map(({ id }) => id)
    runs += matched.length
    if (runs > MAX_RUNS) throw tooManyRuns()
    const message = call.passOn(event)
    if (matched.length > 0) call.emit(MAPPING_MATCHED, { mappings: matched, message, event })
  }
  return { accepted: fresh.length, duplicates: events.length - fresh.length, rejected }
}

async function readAll(sent: unknown[], tenant: string) {
  const events: TenantEvent[] = []
  const rejected: z.infer<typeof Rejected>[] = []
  for (const [index, raw] of sent.entries()) {
    try {
      events.push(await readTenantEvent(raw, tenant))
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      rejected.push({ index, code: error.code, message: error.message })
    }
  }
  return { events, rejected }
}

function checkSome(events: readonly TenantEvent[], rejected: readonly z.infer<typeof Rejected>[]): void {
  const [first] = rejected
  if (first === undefined || events.length > 0) return
  // The code is one that `readTenantEvent` has thrown.
  throw new Failure(first.code as Failure['code'], first.message, {
    suggestion: 'Send a CloudEvent 1.0 with specversion, id, source and type',
    ...(rejected.length > 1 ? { details: { rejected } } : {}),
  })
}

/**
 * Those that were not taken before: source and id together are what an event is known by. In one statement and in order,
 * so that two batches with the same events wait for each other and never in a circle.
 */
async function withoutKnown(
  events: readonly TenantEvent[],
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<TenantEvent[]> {
  const { tenant } = identity
  const byKey = new Map<string, TenantEvent>()
  for (const event of events) {
    const key = messageIdOf(event)
    // What is twice in a batch is the first of the two.
    if (!byKey.has(key)) byKey.set(key, event)
  }
  const rows = await db<{ event_id: string }[]>`
    insert into inbox (tenant_id, consumer, event_id)
    select ${tenant}::uuid, 'events-in', key::uuid from jsonb_array_elements_text(${db.json([...byKey.keys()])}) as key
    order by key on conflict do nothing returning event_id`
  const fresh = new Set(rows.map(({ event_id }) => event_id))
  return [...byKey].flatMap(([key, event]) => (fresh.has(key) ? [event] : []))
}

function mappingsOf(db: Db) {
  return db<
    { id: string; type: string; source: string | null }[]
  >`select id, type, source from event_mappings`
}

/** A mapping multiplies what one request costs, so how often it may is limited for each request. */
function tooManyRuns(): Failure {
  return new Failure(
    'QUOTA_EXCEEDED',
    `Cannot take these events: your mappings would make more than ${MAX_RUNS} calls`,
    {
      suggestion: 'Send fewer events at once, or map fewer of them',
      details: { limit: MAX_RUNS },
    },
  )
}
