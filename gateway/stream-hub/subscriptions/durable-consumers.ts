/**
 * The JetStream consumers behind at-least-once subscriptions. All that is known of such a subscription is kept in its
 * consumer, so that any hub can go on with it, take its acknowledgements, and end it.
 *
 * A consumer's name begins with the tenant of the verified credential: whatever id a caller sends, it names a consumer
 * of its own tenant or none.
 */
import { AckPolicy, DeliverPolicy, NatsError, type NatsConnection } from 'nats'
import { z } from 'zod'
import { SubscriptionTerms } from '../../../shared/events/subscription.ts'
import { orUndefined } from '../../../shared/nats/or-undefined.ts'
import { Failure } from '../../../shared/failures.ts'
import type { NatsLink } from '../../../shared/nats/link.ts'
import { addConsumer } from './add-consumer.ts'
import { natsUnavailable } from './event-feeds.ts'
import { startOf, type Origin } from './replay.ts'

export interface DurableTimes {
  /** After which a delivery that is not acknowledged is repeated. */
  ackWaitMs: number
  /** After which a subscription that nobody reads ends. */
  abandonedMs: number
}

/** Whose subscription it is. */
export interface Owner {
  tenant: string
  user: string
}

export interface DurableConsumers {
  /** The terms of the subscription as they were granted; undefined where `owner` has none of that id. */
  find(owner: Owner, id: string): Promise<SubscriptionTerms | undefined>
  /** @throws Failure QUOTA_EXCEEDED */
  create(terms: SubscriptionTerms, subjects: readonly string[], origin: Origin | undefined): Promise<void>
  /** Whether each of `acks` was taken. To be asked only of a subscription that was found. */
  acknowledge(owner: Owner, id: string, acks: readonly string[]): Promise<boolean[]>
  delete(owner: Owner, id: string): Promise<void>
}

const STREAM = 'AGENTESE'
const METADATA = 'kgents-terms'
/** Each costs the event streams memory and disk, whoever reads it or not. */
const MAX_PER_TENANT = 50
/** The server says nothing of an acknowledgement that it cannot place. */
const ACK_ANSWER_MS = 2_000

const NamesPage = z.object({ total: z.number(), consumers: z.array(z.string()).nullable() })

export function consumerName(tenant: string, id: string): string {
  return `sub-${tenant}-${id}`
}

export function createDurableConsumers(link: NatsLink, times: DurableTimes): DurableConsumers {
  function connection(): NatsConnection {
    if (link.nc === undefined) throw natsUnavailable()
    return link.nc
  }
  const manager = () => connection().jetstreamManager({ checkAPI: false })

  return {
    async find({ tenant, user }, id) {
      const name = consumerName(tenant, id)
      const { config } = (await orUndefined((await manager()).consumers.info(STREAM, name))) ?? {}
      if (config === undefined) return undefined
      const terms = SubscriptionTerms.parse(JSON.parse(config.metadata?.[METADATA] ?? '{}'))
      return terms.user === user ? terms : undefined
    },

    async create(terms, subjects, origin) {
      await checkQuota(connection(), terms.tenant)
      const start =
        origin === undefined ? { deliver_policy: DeliverPolicy.New } : await startOf(origin, connection())
      const name = consumerName(terms.tenant, terms.id)
      await addConsumer(connection(), name, subjects, {
        durable_name: name,
        ack_policy: AckPolicy.Explicit,
        ack_wait: times.ackWaitMs * 1e6,
        max_ack_pending: terms.buffer,
        inactive_threshold: times.abandonedMs * 1e6,
        metadata: { tenant: terms.tenant, user: terms.user, [METADATA]: JSON.stringify(terms) },
        ...start,
      })
    },

    async acknowledge({ tenant }, id, acks) {
      const nc = connection()
      const prefix = `$JS.ACK.${STREAM}.${consumerName(tenant, id)}`
      return Promise.all(acks.map((ack) => acknowledgeOne(nc, `${prefix}.${ack}`)))
    },

    async delete({ tenant }, id) {
      await orUndefined((await manager()).consumers.delete(STREAM, consumerName(tenant, id)))
    },
  }
}

async function acknowledgeOne(nc: NatsConnection, subject: string): Promise<boolean> {
  try {
    await nc.request(subject, '+ACK', { timeout: ACK_ANSWER_MS })
    return true
  } catch (error) {
    if (error instanceof NatsError) return false
    throw error
  }
}

async function checkQuota(nc: NatsConnection, tenant: string): Promise<void> {
  const names = (await listNames(nc)).filter((name) => name.startsWith(consumerName(tenant, '')))
  if (names.length < MAX_PER_TENANT) return
  throw new Failure(
    'QUOTA_EXCEEDED',
    `Cannot begin another subscription: your tenant has ${names.length} of at most ${MAX_PER_TENANT} at-least-once`,
    { suggestion: 'End one with DELETE /v1/agentese/subscribe/{id}, or leave one alone for an hour' },
  )
}

async function listNames(nc: NatsConnection): Promise<string[]> {
  const names: string[] = []
  for (;;) {
    const request = JSON.stringify({ offset: names.length })
    const page = NamesPage.parse((await nc.request(`$JS.API.CONSUMER.NAMES.${STREAM}`, request)).json())
    names.push(...(page.consumers ?? []))
    if (names.length >= page.total || (page.consumers ?? []).length === 0) return names
  }
}
