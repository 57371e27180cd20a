/**
 * What has happened to conversations of a tenant, from JetStream: what is stored from a sequence on, then what is added. The filter
 * names the tenant, so another tenant's events never reach a reader; the consumer leaves nothing behind.
 */
import { consumerOpts, type JsMsg } from 'nats'
import type { NatsLink } from '../../shared/nats/link.ts'
import { eventSubject } from '../../shared/nats/subjects.ts'
import { natsUnavailable } from './subscriptions/event-feeds.ts'

const STREAM = 'EVENTS'

/** The sequence of the latest event of all. @throws Failure DEPENDENCY_UNAVAILABLE */
export async function latestSequence(link: NatsLink): Promise<number> {
  try {
    const { state } = await (await link.manager()).streams.info(STREAM)
    return state.last_seq
  } catch (cause) {
    throw natsUnavailable(cause)
  }
}

export interface SessionLog {
  /** How many events were stored, and not delivered yet, when it was opened. */
  stored: number
  stop(): void
}

/**
 * Reads from `sequence` on; a sequence that the stream has not come to is of one that was lost, and this one is read from its start.
 *
 * @throws Failure DEPENDENCY_UNAVAILABLE
 */
export async function readSessionLog(
  link: NatsLink,
  { tenant, sequence, latest }: { tenant: string; sequence: number; latest: number },
  onMessage: (message: JsMsg) => void,
): Promise<SessionLog> {
  const from = sequence > latest + 1 ? 1 : Math.max(1, sequence)
  const options = consumerOpts()
    .bindStream(STREAM)
    .orderedConsumer()
    .startSequence(from)
    .callback((_error, message) => {
      if (message !== null) onMessage(message)
    })
  try {
    const subject = eventSubject(tenant, 'io.kgents.session.*')
    const subscription = await link.jetstream().subscribe(subject, options)
    const { num_pending, delivered } = await subscription.consumerInfo()
    return { stored: num_pending + delivered.consumer_seq, stop: () => subscription.unsubscribe() }
  } catch (cause) {
    throw natsUnavailable(cause)
  }
}
