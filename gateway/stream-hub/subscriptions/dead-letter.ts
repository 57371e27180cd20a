/**
 * Reports to the system bus an event that its subscriber never acknowledged. The hub holds no key, so this event is not
 * signed: functions do not take it. The event in it is the original with its own signature.
 */
import type { JetStreamClient } from 'nats'
import { v5 as uuidv5 } from 'uuid'
import { toNats } from '../../../shared/nats/event-message.ts'
import { eventSubject } from '../../../shared/nats/subjects.ts'
import type { KgentsEvent } from '../../../shared/events/event.ts'
import type { SubscriberEvent } from './subscriber-event.ts'

const TYPE = 'io.kgents.subscription.dead'

/** Resolves when the event is stored. Its id follows from what it is about, so that it is stored once however often it is tried. */
export async function publishDeadLetter(
  js: JetStreamClient,
  { path, sequence, event }: SubscriberEvent,
  subscription: string,
  deliveries: number,
): Promise<void> {
  const { headers, payload } = toNats({
    specversion: '1.0',
    id: uuidv5(`${TYPE}:${subscription}:${event.id}`, uuidv5.URL),
    source: '/stream-hub',
    type: TYPE,
    time: new Date().toISOString(),
    subject: path,
    datacontenttype: 'application/json',
    tenantid: event.tenantid,
    ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
    data: { subscription, deliveries, sequence, event },
  } satisfies KgentsEvent)
  await js.publish(eventSubject(event.tenantid, TYPE), payload, { headers })
}
