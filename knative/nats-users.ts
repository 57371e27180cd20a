/**
 * The NATS users of the parts, and what each may do. Subjects are listed, everything else is refused; each user receives
 * replies under an inbox prefix of its own, so that nobody reads a neighbour's replies.
 *
 * Not a defence by itself: whoever may ask JetStream for a message chooses the subject that the answer goes to. What
 * an event says is therefore believed for its signature, never for its subject.
 */
import { inboxPrefixOf } from '../shared/nats/connect.ts'
import { type Component, type NatsUse } from '../shared/contract/component.ts'

export interface NatsUser {
  name: string
  permissions: {
    publish: { allow: string[]; deny?: string[] }
    subscribe: { allow: string[] }
  }
}

/** The users of those of `components` that use NATS. */
export function natsUsersOf(components: readonly Component[]): NatsUser[] {
  return components.flatMap((component) => {
    const { name, nats } = component
    return nats === undefined ? [] : [{ name, permissions: permissionsOf(component, nats, components) }]
  })
}

/** What a server on one machine reads of `users`; the password of each is what `passwordOf` says. */
export function authorizationOf(users: readonly NatsUser[], passwordOf: (user: string) => string) {
  return {
    users: users.map(({ name, permissions }) => ({ user: name, password: passwordOf(name), permissions })),
  }
}

/** The variable with a user's password, in the configuration of the servers. */
export function passwordVariableOf(user: string): string {
  return `${user.toUpperCase().replaceAll('-', '_')}_NATS_PASSWORD`
}

function permissionsOf(
  component: Component,
  nats: NatsUse,
  components: readonly Component[],
): NatsUser['permissions'] {
  const deny = [...deniedManagement(nats), ...reservedFor(component, nats, components)]
  return {
    publish: { allow: [...nats.publish, ...apiOf(nats)], ...(deny.length === 0 ? {} : { deny }) },
    subscribe: { allow: [`${inboxPrefixOf(component.name)}.>`, ...nats.subscribe] },
  }
}

/** The requests to JetStream that a use of it takes. */
function apiOf({ reads = [], keeps = [], takes = [], manages = false }: NatsUse): string[] {
  if (manages) return ['$JS.API.>', '$JS.ACK.>', '$JS.FC.>']
  const requests = [
    ...[...reads, ...keeps].flatMap(readingOf),
    ...keeps.map((stream) => `$JS.API.CONSUMER.NAMES.${stream}`),
    ...takes.flatMap(({ stream, consumer }) => takingFrom(stream, consumer)),
  ]
  return requests.length === 0 ? [] : ['$JS.API.INFO', ...requests]
}

/** Whoever manages streams never deletes a whole one, and empties only those that it says. */
function deniedManagement({ manages = false, purges = [] }: NatsUse): string[] {
  if (!manages) return []
  return ['$JS.API.STREAM.DELETE.>', ...(purges.length === 0 ? ['$JS.API.STREAM.PURGE.>'] : [])]
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

/** Taking messages from a consumer that somebody else has made, and acknowledging them. */
function takingFrom(stream: string, consumer: string): string[] {
  const found = consumer === '*' ? `CONSUMER.LIST.${stream}` : `STREAM.INFO.${stream}`
  return [
    `$JS.API.${found}`,
    `$JS.API.CONSUMER.INFO.${stream}.${consumer}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
    `$JS.API.CONSUMER.UNPIN.${stream}.${consumer}`,
    `$JS.ACK.${stream}.${consumer}.>`,
  ]
}

/** A consumer's name is one token of a subject, so those that belong to another part are named. */
function reservedFor(
  component: Component,
  { reads = [], keeps = [], takes = [], manages = false }: NatsUse,
  components: readonly Component[],
): string[] {
  if (manages) return []
  const anyOf = takes.filter(({ consumer }) => consumer === '*').map(({ stream }) => stream)
  const wide = new Set([...reads, ...keeps, ...anyOf])
  return components
    .filter((other) => other !== component)
    .flatMap(({ nats }) => nats?.takes ?? [])
    .filter(({ stream, consumer }) => consumer !== '*' && wide.has(stream))
    .flatMap(({ stream, consumer }) => usingOf(stream, consumer))
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
