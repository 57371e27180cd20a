/** Events that could not be delivered: shown without their data, and taken out to be sent again. */
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import type { KgentsEvent } from '../../../shared/events/event.ts'
import { parseKept } from '../../../shared/exact-json.ts'
import type { DeliveryError } from '../../../shared/events/webhook.ts'
import { Failure } from '../../../shared/failures.ts'
import { find } from './rows.ts'

interface DeadRow {
  event_id: string
  event: string
  error: DeliveryError
  attempts: number
  at: Date
}

export const DEAD_ORDER = orderBy({ at: 'timestamptz', event_id: 'uuid' }, 'desc')

export async function listDead({ id, ...bounds }: Bounds & { id: string }, call: Pick<Call, 'db'>) {
  await find(id, call)
  const letters = call.db<DeadRow[]>`
    select event_id, event, error, attempts, at from webhook_dead_letters where subscription_id = ${id}`
  const { page, next_cursor } = await DEAD_ORDER.readPage(call.db, letters, bounds)
  return {
    dead: page.map(describe),
    next_cursor,
  }
}

function describe({ event_id: id, event, error, attempts, at }: DeadRow) {
  const { data: _data, data_base64: _base64, ...attributes } = parseKept(event) as Record<string, unknown>
  return { id, event: attributes, error, attempts, at: at.toISOString() }
}

/**
 * Takes a dead event out; the one who takes it sends it.
 *
 * @throws Failure NOT_FOUND
 */
export async function takeDead(id: string, event: string, { db }: Pick<Call, 'db'>): Promise<KgentsEvent> {
  const [row] = await db<{ event: string }[]>`
    delete from webhook_dead_letters where subscription_id = ${id} and event_id = ${event} returning event`
  if (row !== undefined) return parseKept(row.event) as KgentsEvent
  throw new Failure('NOT_FOUND', `Cannot find dead event "${event}"`, {
    suggestion: `GET /v1/subscriptions/${id}/dead lists them`,
  })
}
