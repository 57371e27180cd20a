/** What the sender reports, written down. Reports may come late and in any order; the newest wins. */
import type { Call } from '../../../shared/contract/call.ts'
import { messageIdOf } from '../../../shared/events/event.ts'
import { SUBSCRIPTION_CHANGES, type DeadLetter, type SinkReport } from '../../../shared/events/webhook.ts'

/** Dead letters that are kept of a subscription; one that has so many is given up. */
const MAX_DEAD = 1000

export async function noteFailure(report: SinkReport, { db }: Pick<Call, 'db'>): Promise<void> {
  const { subscription: id, at, error, event, attempt } = report
  await db`
    update webhook_subscriptions
    set delivery = 'failing', last_error = ${db.json({ ...error, event, attempt, at })}, reported_at = ${at}
    where id = ${id} and reported_at < ${at}`
}

export async function noteRecovery(
  { subscription: id, at }: SinkReport,
  { db }: Pick<Call, 'db'>,
): Promise<void> {
  await db`
    update webhook_subscriptions set delivery = 'delivering', reported_at = ${at}
    where id = ${id} and reported_at < ${at}`
}

/** Ends deliveries for good; the relay removes the consumers. */
export async function disable(
  id: string,
  reason: string,
  { db, emit }: Pick<Call, 'db' | 'emit'>,
): Promise<void> {
  const rows = await db`
    update webhook_subscriptions set status = 'disabled', disabled_reason = ${reason}
    where id = ${id} and status = 'active' returning id`
  if (rows.length > 0) emit(SUBSCRIPTION_CHANGES.disabled, { subscription: id, reason })
}

export async function buryEvent(
  { subscription: id, event, error, attempts }: DeadLetter,
  call: Pick<Call, 'db' | 'identity' | 'emit'>,
): Promise<void> {
  const { db, identity } = call
  // Nothing is written where the subscription is not there any more, or is not this tenant's.
  await db`
    insert into webhook_dead_letters (tenant_id, subscription_id, event_id, event, error, attempts)
    select ${identity.tenant}, id, ${messageIdOf(event)}, ${JSON.stringify(event)}, ${db.json(error)}, ${attempts}
    from webhook_subscriptions where id = ${id}
    on conflict (subscription_id, event_id) do update
    set error = excluded.error, attempts = excluded.attempts, at = now()`
  const [counted] = await db<{ count: number }[]>`
    select count(*)::int as count from webhook_dead_letters where subscription_id = ${id}`
  if ((counted?.count ?? 0) >= MAX_DEAD) await disable(id, `${MAX_DEAD} events could not be delivered`, call)
}
