/** Subscriptions as they are stored and shown. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import { DeliveryError, KINDS } from '../../../shared/events/webhook.ts'
import { Failure } from '../../../shared/failures.ts'

const LastError = DeliveryError.extend({
  /** The event whose delivery failed, and which attempt that was. */
  event: z.string().optional(),
  attempt: z.int().optional(),
  at: z.string(),
})

export const Subscription = z.strictObject({
  id: z.uuid(),
  patterns: z.array(z.string()),
  types: z.array(z.enum(KINDS)),
  events: z.array(z.string()),
  sink: z.string(),
  description: z.string().optional(),
  status: z.enum(['active', 'disabled']),
  disabled_reason: z.string().optional(),
  created_at: z.string(),
  /** How often its secret was made anew. */
  rotation: z.int(),
  rotated_at: z.string().optional(),
  delivery: z.strictObject({
    state: z.enum(['untried', 'delivering', 'failing']),
    last_error: LastError.optional(),
    /** Events that no attempt could deliver. */
    dead: z.int(),
  }),
})

export interface SubscriptionRow {
  id: string
  patterns: string[]
  kinds: (typeof KINDS)[number][]
  events: string[]
  sink: string
  description: string | null
  status: 'active' | 'disabled'
  disabled_reason: string | null
  created_at: Date
  rotation: number
  rotated_at: Date | null
  delivery: 'untried' | 'delivering' | 'failing'
  last_error: z.infer<typeof LastError> | null
  dead: number
}

/** @throws Failure NOT_FOUND */
export async function find(id: string, call: Pick<Call, 'db'>): Promise<SubscriptionRow> {
  const [row] = await select(call, id)
  return present(row, id)
}

/** UUIDs of version 7 sort by time. */
export const NEWEST_FIRST = orderBy({ id: 'uuid' }, 'desc')

export async function list(bounds: Bounds, call: Pick<Call, 'db'>) {
  const { page, next_cursor } = await NEWEST_FIRST.readPage(call.db, select(call), bounds)
  return {
    subscriptions: page.map(describe),
    next_cursor,
  }
}

function select({ db }: Pick<Call, 'db'>, id?: string) {
  return db<SubscriptionRow[]>`
    select s.*, (select count(*)::int from webhook_dead_letters d where d.subscription_id = s.id) as dead
    from webhook_subscriptions s
    where (${id ?? null}::uuid is null or s.id = ${id ?? null})`
}

/** @throws Failure NOT_FOUND where there is no such row, or not for this tenant */
export function present(row: SubscriptionRow | undefined, id: string): SubscriptionRow {
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', `Cannot find subscription "${id}"`, {
    suggestion: 'GET /v1/subscriptions lists them',
  })
}

export function describe(row: SubscriptionRow): z.infer<typeof Subscription> {
  const { id, patterns, kinds, events, sink, description, status, disabled_reason } = row
  const { created_at, rotation, rotated_at } = row
  return {
    id,
    patterns,
    types: kinds,
    events,
    sink,
    ...(description === null ? {} : { description }),
    status,
    ...(disabled_reason === null ? {} : { disabled_reason }),
    created_at: created_at.toISOString(),
    rotation,
    ...(rotated_at === null ? {} : { rotated_at: rotated_at.toISOString() }),
    delivery: {
      state: row.delivery,
      ...(row.last_error === null ? {} : { last_error: row.last_error }),
      dead: row.dead,
    },
  }
}
