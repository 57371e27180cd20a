/**
 * What each part may do on NATS. Subjects are listed, everything else is refused; each user receives replies under an
 * inbox prefix of its own, so that nobody reads a neighbour's replies.
 *
 * Not a defence by itself: whoever may ask JetStream for a message chooses the subject that the answer goes to. What
 * an event says is therefore believed for its signature, never for its subject.
 */

export type NatsUser = 'relay' | 'hub' | 'worker'

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

export const PERMISSIONS: Record<NatsUser, Permissions> = {
  /** Owns the streams and publishes what functions wrote to their outbox; it never deletes a whole stream. */
  relay: {
    publish: {
      allow: ['$JS.API.>', '$JS.ACK.>', '$JS.FC.>', 'agentese.>', 'events.>', 'inference.>', 'tokens.>'],
      deny: ['$JS.API.STREAM.DELETE.>', '$JS.API.STREAM.PURGE.>'],
    },
    subscribe: { allow: [`${inboxPrefix('relay')}.>`, '$JS.EVENT.ADVISORY.>'] },
  },
  /** Shows streams to the clients that they belong to; publishes nothing. */
  hub: {
    publish: { allow: ['$JS.API.INFO', ...readingOf('TOKENS'), ...readingOf('AGENTESE')] },
    subscribe: { allow: [`${inboxPrefix('hub')}.>`, 'tokens.>', 'agentese.>', 'events.>'] },
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
}
