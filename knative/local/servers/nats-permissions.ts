/**
 * What each part may do on NATS. Subjects are listed, everything else is refused; each user receives replies under an
 * inbox prefix of its own, so that nobody reads a neighbour's replies.
 *
 * Not a defence by itself: whoever may ask JetStream for a message chooses the subject that the answer goes to. What
 * an event says is therefore believed for its signature, never for its subject.
 */

import { BROKER_CONSUMER } from '../../../shared/events/nats.ts'

export type NatsUser = 'relay' | 'hub' | 'worker' | 'webhooks'

interface Permissions {
  publish: { allow: string[]; deny?: string[] }
  subscribe: { allow: string[] }
}

/** Inbox prefix of a user; clients set it as their `inboxPrefix`. */
export function inboxPrefix(user: NatsUser): string {
  return `_INBOX_${user}`
}

/** Reading a stream without leaving anything behind: single messages, batches, and consumers that vanish. */
function readingOf(stream: string): string[] {
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}.>`,
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.INFO.${stream}.>`,
    `$JS.API.CONSUMER.DELETE.${stream}.>`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.>`,
    `$JS.ACK.${stream}.>`,
    `$JS.FC.${stream}.>`,
  ]
}

/** All that one can do with a consumer, or to it, but look at it. */
function usingOf(stream: string, consumer: string): string[] {
  return [
    `$JS.API.CONSUMER.CREATE.${stream}.${consumer}`,
    `$JS.API.CONSUMER.CREATE.${stream}.${consumer}.>`,
    `$JS.API.CONSUMER.DELETE.${stream}.${consumer}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
    `$JS.ACK.${stream}.${consumer}.>`,
  ]
}

export const PERMISSIONS: Record<NatsUser, Permissions> = {
  /** Owns the streams and publishes what functions wrote to their outbox; it never deletes a whole stream. */
  relay: {
    publish: {
      allow: [
        '$JS.API.>',
        '$JS.ACK.>',
        '$JS.FC.>',
        'agentese.>',
        'events.>',
        'inference.>',
        'tokens.>',
        'sinks.changed',
      ],
      deny: ['$JS.API.STREAM.DELETE.>', '$JS.API.STREAM.PURGE.>'],
    },
    subscribe: { allow: [`${inboxPrefix('relay')}.>`, '$JS.EVENT.ADVISORY.>'] },
  },
  /**
   * Shows streams to the clients that they belong to, and keeps a consumer for each subscription that is acknowledged. It
   * publishes one thing: that an event never was. The relay's own consumer is out of its reach.
   */
  hub: {
    publish: {
      allow: [
        '$JS.API.INFO',
        ...readingOf('TOKENS'),
        ...readingOf('AGENTESE'),
        '$JS.API.CONSUMER.NAMES.AGENTESE',
        'events.*.io.kgents.subscription.dead',
      ],
      deny: usingOf('AGENTESE', BROKER_CONSUMER),
    },
    subscribe: { allow: [`${inboxPrefix('hub')}.>`] },
  },
  /** Takes jobs, tells what became of them, and hears of cancellations; sees nobody's events. */
  worker: {
    publish: {
      allow: [
        '$JS.API.INFO',
        '$JS.API.STREAM.INFO.INFERENCE',
        '$JS.API.CONSUMER.INFO.INFERENCE.workers',
        '$JS.API.CONSUMER.MSG.NEXT.INFERENCE.workers',
        '$JS.ACK.INFERENCE.workers.>',
        ...readingOf('TOKENS'),
        'tokens.>',
        'events.*.io.kgents.inference.>',
      ],
    },
    subscribe: { allow: [`${inboxPrefix('worker')}.>`, 'events.*.io.kgents.job.cancelled'] },
  },
  /**
   * Takes what the consumers of webhooks hold, and tells what became of it. A consumer's name is one token of a subject, so
   * the ones that are not its own are named.
   */
  webhooks: {
    publish: {
      allow: [
        '$JS.API.INFO',
        ...['AGENTESE', 'EVENTS'].flatMap((stream) => [
          `$JS.API.CONSUMER.LIST.${stream}`,
          `$JS.API.CONSUMER.INFO.${stream}.*`,
          `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
          `$JS.ACK.${stream}.>`,
        ]),
        ...['failed', 'recovered', 'dead', 'disabled'].map(
          (what) => `events.*.io.kgents.subscription.${what}`,
        ),
      ],
      deny: ['AGENTESE', 'EVENTS'].flatMap((stream) => [
        `$JS.API.CONSUMER.MSG.NEXT.${stream}.${BROKER_CONSUMER}`,
        `$JS.ACK.${stream}.${BROKER_CONSUMER}.>`,
      ]),
    },
    subscribe: { allow: [`${inboxPrefix('webhooks')}.>`, 'sinks.changed'] },
  },
}
