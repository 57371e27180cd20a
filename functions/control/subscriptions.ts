/**
 * Webhooks: a tenant's events, sent to an address of its choice. Here subscriptions are made, shown and ended, and what the
 * sender reports of them is written down; the relay makes a durable consumer of each, and the sender delivers.
 *
 * They belong to the tenant: whoever may create one can read all, with the address, which may itself be a secret.
 */
import { z } from 'zod'
import { isAdministrative, type Observer } from '../../shared/agentese/observer.ts'
import type { Call } from '../../shared/contract/call.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { defineOperation, route, trigger } from '../../shared/contract/define-operation.ts'
import { oneAtATime } from '../../shared/database/one-at-a-time.ts'
import {
  DeadLetter,
  KINDS,
  REDELIVER,
  REPORTS,
  SinkReport,
  SUBSCRIPTION_CHANGES,
} from '../../shared/events/webhook.ts'
import { isReserved, messageIdOf, type KgentsEvent } from '../../shared/events/event.ts'
import { Failure } from '../../shared/failures.ts'
import { readDestination } from '../../shared/egress/destination.ts'
import { NextCursor } from '../../shared/contract/pages.ts'
import { newId } from '../../shared/new-id.ts'
import { DEAD_ORDER, listDead, takeDead } from './subscriptions/dead-letters.ts'
import { buryEvent, disable, noteFailure, noteRecovery } from './subscriptions/reports.ts'
import {
  describe,
  find,
  list,
  NEWEST_FIRST,
  present,
  Subscription,
  type SubscriptionRow,
} from './subscriptions/rows.ts'
import { NewSubscription } from './subscriptions/new-subscription.ts'

/** Rotations of one secret within a day. */
const MAX_ROTATIONS = 10
/** How long rotations are kept: a little longer than what they replaced signs. */
const RETIRING = '25 hours'

const SubscriptionId = z.strictObject({ id: z.uuid() })
const limit = wholeNumber(1, 100).default(20)
const SubscriptionAnswer = z.strictObject({ subscription: Subscription })
type SubscriptionAnswer = z.infer<typeof SubscriptionAnswer>
/** The only answers with the secret in them, which is written down nowhere. */
const SECRET = {
  output: SubscriptionAnswer.extend({ secret: z.string() }),
  reveal: ({ subscription }: SubscriptionAnswer, { webhookSecret }: Pick<Call, 'webhookSecret'>) => ({
    subscription,
    secret: webhookSecret(subscription.id, subscription.rotation),
  }),
}
/** By its `webhook-id`, which is its id in the list of dead events. */
const Sent = z.strictObject({ event: z.uuid() })

export const subscriptions = defineOperation({
  name: 'subscriptions',
  summary: 'Sends events to webhooks',
  routes: {
    create: route({
      route: 'POST /v1/subscriptions',
      summary: 'Send events to an address; the secret that signs them is shown here and never again',
      permission: 'subscriptions:write',
      scopes: ['subscription:write'],
      needs: ['postgres', 'events', 'destinations', 'webhook-secrets'],
      input: NewSubscription,
      ...SECRET,
      examples: [
        {
          summary: 'Everything that happens in the void, and orders of the shop',
          input: {
            patterns: ['void.**'],
            types: [...KINDS],
            events: ['com.example.order.*'],
            sink: 'https://hooks.example.com/kgents',
          },
        },
      ],
      writes: true,
      status: () => 201,
      statuses: [201],
      handle: (wanted, call) => create(wanted, call),
    }),

    list: route({
      route: 'GET /v1/subscriptions',
      summary: 'All subscriptions of your tenant, newest first',
      permission: 'subscriptions:write',
      scopes: ['subscription:read'],
      needs: ['postgres'],
      input: z.strictObject({ limit, cursor: NEWEST_FIRST.Cursor.optional() }),
      output: z.strictObject({ subscriptions: z.array(Subscription), next_cursor: NextCursor }),
      handle: (page, call) => list(page, call),
    }),

    get: route({
      route: 'GET /v1/subscriptions/:id',
      summary: 'One subscription, and how its deliveries go',
      permission: 'subscriptions:write',
      scopes: ['subscription:read'],
      needs: ['postgres'],
      input: SubscriptionId,
      output: SubscriptionAnswer,
      handle: async ({ id }, call) => ({ subscription: describe(await find(id, call)) }),
    }),

    delete: route({
      route: 'DELETE /v1/subscriptions/:id',
      summary: 'End a subscription; what waits to be delivered is dropped',
      permission: 'subscriptions:write',
      scopes: ['subscription:delete'],
      needs: ['postgres', 'events'],
      input: SubscriptionId,
      output: SubscriptionAnswer,
      writes: true,
      async handle({ id }, call) {
        const row = await find(id, call)
        await call.db`delete from webhook_subscriptions where id = ${id}`
        call.emit(SUBSCRIPTION_CHANGES.deleted, { subscription: id })
        return { subscription: describe(row) }
      },
    }),

    rotate: route({
      route: 'POST /v1/subscriptions/:id/rotate',
      summary: 'Make a new secret; deliveries are signed with the old one as well for a day',
      permission: 'subscriptions:write',
      scopes: ['subscription:write'],
      needs: ['postgres', 'events', 'webhook-secrets'],
      input: SubscriptionId,
      ...SECRET,
      writes: true,
      handle: ({ id }, call) => rotate(id, call),
    }),

    test: route({
      route: 'POST /v1/subscriptions/:id/test',
      summary: 'Send a test event',
      permission: 'subscriptions:write',
      scopes: ['subscription:write'],
      needs: ['postgres', 'events'],
      input: SubscriptionId,
      output: Sent,
      writes: true,
      status: () => 202,
      statuses: [202],
      async handle({ id }, call) {
        checkActive(await find(id, call))
        return send(id, testEvent(id, call), call)
      },
    }),

    dead: route({
      route: 'GET /v1/subscriptions/:id/dead',
      summary: 'Events that no attempt could deliver, newest first',
      permission: 'subscriptions:write',
      scopes: ['subscription:read'],
      needs: ['postgres'],
      input: SubscriptionId.extend({ limit, cursor: DEAD_ORDER.Cursor.optional() }),
      output: z.strictObject({ dead: z.array(z.unknown()), next_cursor: NextCursor }),
      handle: (page, call) => listDead(page, call),
    }),

    retry: route({
      route: 'POST /v1/subscriptions/:id/dead/:event/retry',
      summary: 'Send such an event again, with as many attempts as a new one',
      permission: 'subscriptions:write',
      scopes: ['subscription:write'],
      needs: ['postgres', 'events'],
      input: z.strictObject({ id: z.uuid(), event: z.uuid() }),
      output: Sent,
      writes: true,
      status: () => 202,
      statuses: [202],
      async handle({ id, event }, call) {
        checkActive(await find(id, call))
        return send(id, await takeDead(id, event, call), call)
      },
    }),
  },
  triggers: [
    trigger({
      name: 'failed',
      attributes: { type: REPORTS.failed },
      needs: ['postgres'],
      data: SinkReport,
      handle: (report, call) => noteFailure(report, call),
    }),
    trigger({
      name: 'recovered',
      attributes: { type: REPORTS.recovered },
      needs: ['postgres'],
      data: SinkReport,
      handle: (report, call) => noteRecovery(report, call),
    }),
    trigger({
      name: 'disabled',
      attributes: { type: REPORTS.disabled },
      needs: ['postgres', 'events'],
      data: SinkReport,
      handle: ({ subscription: id, error }, call) => disable(id, error?.message ?? 'The sink is gone', call),
    }),
    trigger({
      name: 'dead',
      attributes: { type: REPORTS.dead },
      needs: ['postgres', 'events'],
      data: DeadLetter,
      handle: (letter, call) => buryEvent(letter, call),
    }),
  ],
})

async function create(
  wanted: NewSubscription,
  call: Pick<Call, 'db' | 'identity' | 'observer' | 'emit' | 'privateOrigins'>,
): Promise<SubscriptionAnswer> {
  const { db, identity, observer, privateOrigins } = call
  if (identity.scopes !== undefined) {
    throw new Failure(
      'SCOPE_MISSING',
      'Cannot subscribe with a narrowed token: a webhook delivers every event',
      {
        suggestion: 'Use your API key, or a token without scopes',
      },
    )
  }
  checkMayFollowPeople(wanted, observer)
  readDestination(wanted.sink, { allow: privateOrigins, privateAllowed: privateOrigins })
  await oneAtATime('webhook subscriptions', call)
  const [counted] = await db<{ count: number }[]>`select count(*)::int as count from webhook_subscriptions`
  const { id: plan, limits } = identity.plan
  if (limits.subscriptions !== null && (counted?.count ?? 0) >= limits.subscriptions) {
    throw new Failure(
      'QUOTA_EXCEEDED',
      `Cannot subscribe: plan "${plan}" has ${limits.subscriptions} subscriptions`,
      {
        suggestion: 'End one that is not needed, or move to a larger plan',
        details: { resource: 'subscription', tier: plan, limit: limits.subscriptions },
      },
    )
  }
  const { patterns, types: kinds, events, sink, description = null } = wanted
  const id = newId()
  const [row] = await db<SubscriptionRow[]>`
    insert into webhook_subscriptions (id, tenant_id, user_id, archetype, patterns, kinds, events, sink, description)
    values (${id}, ${identity.tenant}, ${identity.user}, ${observer.archetype}, ${db.json(patterns)}, ${db.json(kinds)},
      ${db.json(events)}, ${new URL(sink).href}, ${description})
    returning *, 0 as dead`
  call.emit(SUBSCRIPTION_CHANGES.created, { subscription: id })
  return { subscription: describe(present(row, id)) }
}

/** What happens to the people of a tenant has their addresses in it, which only admins see. */
function checkMayFollowPeople({ events }: NewSubscription, { archetype }: Observer): void {
  if (!events.some(isReserved) || isAdministrative(archetype)) return
  throw new Failure('AFFORDANCE_DENIED', `Cannot subscribe to events about people as "${archetype}"`, {
    suggestion: 'Look as an admin',
  })
}

/** Each secret that is replaced signs for a day more, so how many there may be at once is limited. */
async function rotate(id: string, call: Pick<Call, 'db' | 'emit'>): Promise<SubscriptionAnswer> {
  const [rotated] = await call.db`
    update webhook_subscriptions set rotation = rotation + 1, rotated_at = now(), earlier_rotations = recent.times
    from (
      select s.id, coalesce(jsonb_agg(at order by at desc) filter (where at > now() - ${RETIRING}::interval), '[]') as times
      from webhook_subscriptions s, lateral (
        select s.rotated_at as at union all select time::timestamptz from jsonb_array_elements_text(s.earlier_rotations) as time
      ) rotations
      where s.id = ${id} group by s.id
    ) recent
    where webhook_subscriptions.id = recent.id and jsonb_array_length(recent.times) < ${MAX_ROTATIONS}
    returning webhook_subscriptions.id`
  const row = await find(id, call)
  if (rotated === undefined) {
    throw new Failure(
      'QUOTA_EXCEEDED',
      `Cannot rotate the secret: it was rotated ${MAX_ROTATIONS} times within a day`,
      {
        suggestion: 'Wait until the first of these secrets is no longer good, or make a new subscription',
      },
    )
  }
  call.emit(SUBSCRIPTION_CHANGES.rotated, { subscription: id })
  return { subscription: describe(row) }
}

function checkActive({ id, status }: SubscriptionRow): void {
  if (status === 'active') return
  throw new Failure('STATE_CONFLICT', `Cannot send to subscription "${id}": it is disabled`, {
    suggestion: 'Make a new subscription',
  })
}

function testEvent(id: string, { identity }: Pick<Call, 'identity'>): KgentsEvent {
  return {
    specversion: '1.0',
    id: newId(),
    source: '/functions/subscriptions',
    type: 'io.kgents.subscription.test',
    time: new Date().toISOString(),
    subject: id,
    datacontenttype: 'application/json',
    tenantid: identity.tenant,
    data: { message: 'This is a test of your webhook' },
  }
}

/** By way of the outbox and the sender, as every event. */
function send(subscription: string, event: KgentsEvent, call: Pick<Call, 'emit'>): z.infer<typeof Sent> {
  call.emit(REDELIVER, { subscription, event })
  return { event: messageIdOf(event) }
}
