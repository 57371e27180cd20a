/**
 * The accounts of the NATS servers on a cluster: one for each zone of trust, none of which sees a message of another.
 *
 * `KGENTS` is the platform's: its parts share streams, so they share an account, and permissions of users part them.
 * `KNATIVE` is eventing-natss's, which reads its address, and so its password, from a ConfigMap: whoever reads that one
 * reaches the channels of the Broker and no stream of ours; a bound keeps channels that nobody empties from filling the
 * disks that the platform's streams are on. `SYS` is for operators, and holds no messages.
 */
import type { Component } from '../shared/contract/component.ts'
import { inboxPrefixOf } from '../shared/nats/connect.ts'
import { BROKER_CONSUMER, STREAMS, type StreamName } from '../shared/nats/streams.ts'
import { natsUsersOf, passwordVariableOf, type NatsUser } from './nats-users.ts'

/** The account of the platform's own streams. */
const PLATFORM_ACCOUNT = 'KGENTS'
const SYSTEM_ACCOUNT = 'SYS'

/** Who logs in beside the parts, by the account. */
export const BACKUP_USER = 'backup'
export const RESTORE_USER = 'restore'
export const MIRROR_USER = 'mirror'
export const CHANNEL_USER = 'knative'
const OPERATOR_USER = 'operator'

/**
 * The streams that are backed up and mirrored: those with a history. What is in `INFERENCE` is in PostgreSQL too, and a copy
 * of a work queue repeats jobs that were done since; tokens are gone after ten minutes anyway.
 */
export const MIRRORED = (Object.keys(STREAMS) as StreamName[]).filter(
  (name) => STREAMS[name].retention === 'limits' && STREAMS[name].storage === 'file',
)

const GIBIBYTE = 1024 ** 3

/** Without permissions it may do all in its account. */
interface AccountUser extends Partial<NatsUser> {
  name: string
  /** Kinds of connections that it may open; absent is all. */
  connections?: readonly string[]
}

interface NatsAccount {
  name: string
  /** Of all copies of all its streams together; the three servers have 9 GiB each. Absent is what others leave. */
  maxFileBytes?: number
  users: readonly AccountUser[]
}

/** The accounts of a cluster with these parts. */
export function natsAccountsOf(components: readonly Component[]): NatsAccount[] {
  return [
    {
      name: PLATFORM_ACCOUNT,
      users: [...natsUsersOf(components), backupUser(), restoreUser(), mirrorUser()],
    },
    { name: 'KNATIVE', maxFileBytes: 6 * GIBIBYTE, users: [{ name: CHANNEL_USER }] },
    { name: SYSTEM_ACCOUNT, users: [{ name: OPERATOR_USER }] },
  ]
}

/** Reads whole streams, and changes nothing. */
function backupUser(): NatsUser {
  return userOf(BACKUP_USER, [
    '$JS.API.INFO',
    '$JS.API.STREAM.NAMES',
    '$JS.API.STREAM.INFO.*',
    '$JS.API.STREAM.SNAPSHOT.*',
    '$JS.SNAPSHOT.ACK.>',
  ])
}

/** Brings back the streams that were lost, in the place of those that the relay has made since, and makes mirrors. */
function restoreUser(): NatsUser {
  return userOf(RESTORE_USER, [
    '$JS.API.INFO',
    '$JS.API.STREAM.NAMES',
    '$JS.API.STREAM.INFO.*',
    '$JS.SNAPSHOT.RESTORE.>',
    ...MIRRORED.flatMap((stream) => [
      `$JS.API.STREAM.RESTORE.${stream}`,
      `$JS.API.STREAM.CREATE.${stream}`,
      `$JS.API.STREAM.DELETE.${stream}`,
      `$JS.API.CONSUMER.CREATE.${stream}.${BROKER_CONSUMER}`,
      `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.${BROKER_CONSUMER}`,
    ]),
  ])
}

function userOf(name: string, allow: string[]): NatsUser {
  return { name, permissions: { publish: { allow }, subscribe: { allow: [`${inboxPrefixOf(name)}.>`] } } }
}

/** A server elsewhere that copies the streams; no client can log in as it. */
function mirrorUser(): AccountUser {
  return { name: MIRROR_USER, connections: ['LEAFNODE'] }
}

/** The accounts in the format of NATS. A file that is included sees no variables of another, so it includes them itself. */
export function natsAccountsFile(accounts: readonly NatsAccount[]): string {
  const text = JSON.stringify(
    {
      accounts: Object.fromEntries(accounts.map((account) => [account.name, toSettings(account)])),
      system_account: SYSTEM_ACCOUNT,
    },
    null,
    2,
  )
  return `include ./users.conf\n${text.slice(2, -2).replaceAll(/"(\$[A-Z_]+_NATS_PASSWORD)"/g, '$1')}\n`
}

function toSettings({ name: account, maxFileBytes, users }: NatsAccount) {
  const holdsMessages = account !== SYSTEM_ACCOUNT
  return {
    ...(holdsMessages
      ? { jetstream: maxFileBytes === undefined ? 'enabled' : { max_file: maxFileBytes } }
      : {}),
    users: users.map(({ name, permissions, connections }) => ({
      user: name,
      password: `$${passwordVariableOf(name)}`,
      ...(permissions === undefined ? {} : { permissions }),
      ...(connections === undefined ? {} : { allowed_connection_types: connections }),
    })),
  }
}

/** Who needs a password on the servers, in their order. */
export function natsUserNames(accounts: readonly NatsAccount[]): string[] {
  return accounts.flatMap(({ users }) => users.map(({ name }) => name))
}
