/**
 * Events on NATS: the connection, CloudEvents in NATS binary mode, and the streams they are kept in.
 *
 * In binary mode the attributes are `ce-` headers and the body is the data alone, so a reader can tell an event
 * from other messages, and forward it over HTTP, without parsing the body. `Nats-Msg-Id` is the event id: a
 * publish that is repeated within the streams' window is stored once.
 */
import { isDeepStrictEqual } from 'node:util'
import {
  AckPolicy,
  connect,
  DeliverPolicy,
  DiscardPolicy,
  headers as createHeaders,
  nanos,
  NatsError,
  RetentionPolicy,
  StorageType,
  type ConnectionOptions,
  type ConsumerConfig,
  type JetStreamManager,
  type MsgHdrs,
  type NatsConnection,
  type StreamConfig,
} from 'nats'
import { Failure } from '../failures.ts'
import type { KgentsEvent } from './event.ts'
import { BROKER_CONSUMER, JOB_ATTEMPTS, STREAMS, WORKERS_CONSUMER, type StreamName } from './streams.ts'

/** The header by which JetStream recognises a message that it has already stored. */
export const MESSAGE_ID_HEADER = 'Nats-Msg-Id'

/** Two minutes: how long a stream remembers the message ids it has stored. */
const DUPLICATE_WINDOW_MILLISECONDS = 120_000

/** What an event is read from: a delivered message has `headers`, one looked up in a stream has `header`. */
export interface EventCarrier {
  headers?: MsgHdrs | undefined
  header?: MsgHdrs | undefined
  data: Uint8Array
}

/**
 * Opens a connection that waits for the first server and then reconnects for ever.
 *
 * @param url one or several servers, separated by commas; the first may carry `user:password@` or `token@`
 * @param name shown by the server in its list of connections
 */
export function openNats(
  url: string,
  name: string,
  options: { inboxPrefix?: string } = {},
): Promise<NatsConnection> {
  const servers = url
    .split(',')
    .map((server) => new URL(server.includes('://') ? server : `nats://${server}`))
  return connect({
    ...readCredentials(servers[0]),
    servers: servers.map((server) => server.host),
    name,
    ...(servers.some((server) => server.protocol === 'tls:') ? { tls: {} } : {}),
    ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix }),
    reconnectTimeWait: 250,
    maxReconnectAttempts: -1,
    waitOnFirstConnect: true,
    // A rotated password must not end the process: it is asked again until it fits.
    ignoreAuthErrorAbort: true,
    // A stack trace for each request would cost more than the request.
    noAsyncTraces: true,
  })
}

function readCredentials(server: URL | undefined): Pick<ConnectionOptions, 'user' | 'pass' | 'token'> {
  if (server === undefined || server.username === '') return {}
  const user = decodeURIComponent(server.username)
  return server.password === '' ? { token: user } : { user, pass: decodeURIComponent(server.password) }
}

/** Attributes that travel as `ce-` headers; `datacontenttype` travels as `content-type`. */
const REQUIRED = ['id', 'source', 'type', 'time', 'tenantid'] as const
const OPTIONAL = ['subject', 'function', 'originid', 'traceparent', 'signature'] as const

/** Writes an event for NATS; the headers include `Nats-Msg-Id`. */
export function toNats(event: KgentsEvent): { headers: MsgHdrs; payload: Uint8Array } {
  const headers = createHeaders()
  headers.append(MESSAGE_ID_HEADER, event.id)
  headers.append('content-type', event.datacontenttype)
  headers.append('ce-specversion', event.specversion)
  for (const name of [...REQUIRED, ...OPTIONAL]) {
    const value = event[name]
    if (value !== undefined) headers.append(`ce-${name}`, encodeHeader(value))
  }
  return { headers, payload: Buffer.from(JSON.stringify(event.data ?? null)) }
}

/** Whether a message is an event, and not, say, a token chunk. */
export function isEventMessage(message: EventCarrier): boolean {
  return (message.headers ?? message.header)?.has('ce-type') ?? false
}

/**
 * Reads an event that `toNats` wrote. Attributes that kgents does not know are left out. Nothing is believed
 * yet: `verifyEvent` tells whether the event is what it claims.
 *
 * @throws Failure EVENT_SYNTAX
 */
export function fromNats(message: EventCarrier): KgentsEvent {
  const headers = message.headers ?? message.header
  const read = (name: string) => decodeHeader(headers?.get(`ce-${name}`) ?? '')
  if (read('specversion') !== '1.0') throw unreadable('it has no "ce-specversion: 1.0" header')
  const attributes: Record<string, string> = {}
  for (const name of REQUIRED) {
    const value = read(name)
    if (value === '') throw unreadable(`attribute "${name}" is missing`)
    attributes[name] = value
  }
  for (const name of OPTIONAL) {
    const value = read(name)
    if (value !== '') attributes[name] = value
  }
  return {
    specversion: '1.0',
    ...(attributes as Pick<KgentsEvent, (typeof REQUIRED)[number] | (typeof OPTIONAL)[number]>),
    datacontenttype: 'application/json',
    data: readData(message.data),
  }
}

function readData(payload: Uint8Array): unknown {
  if (payload.length === 0) return null
  try {
    return JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString())
  } catch (error) {
    throw unreadable('its data is not JSON', error)
  }
}

function unreadable(reason: string, cause?: unknown): Failure {
  return new Failure('EVENT_SYNTAX', `Cannot read the event from NATS: ${reason}`, { cause })
}

/** CloudEvents' HTTP binding, 3.1.3.2: what is not printable ASCII, and `"` and `%`, is percent-encoded. */
function encodeHeader(value: string): string {
  return /^[!#$&-~]*$/.test(value)
    ? value
    : value.replace(/[^!#$&-~]+/gu, (part) => encodeURIComponent(part.toWellFormed()))
}

function decodeHeader(value: string): string {
  if (!value.includes('%')) return value
  try {
    return decodeURIComponent(value)
  } catch {
    throw unreadable(`header value "${value}" is not percent-encoded UTF-8`)
  }
}

/** What a deployment decides about streams. */
export interface StreamSettings {
  /** Copies of each stream and its consumers; more than one needs a cluster. */
  replicas?: number
  /** How long a worker may stay silent before its job is given to another. */
  ackWaitSeconds?: number
  /** Subjects of the events that go to the Broker; absent is all. */
  brokerSubjects?: readonly string[] | undefined
}

/** A stream as it is now; `createdAt` changes when it was lost and made anew. */
export interface StreamState {
  name: string
  createdAt: Date
}

/**
 * Creates the streams of `STREAMS` and their durable consumers, or brings those that exist up to date. Safe to
 * run at any time and from several processes at once.
 */
export async function ensureStreams(
  nc: NatsConnection,
  settings: StreamSettings = {},
): Promise<StreamState[]> {
  const { replicas = 1, ackWaitSeconds = 15, brokerSubjects } = settings
  const manager = await nc.jetstreamManager()
  const states: StreamState[] = []
  for (const name of Object.keys(STREAMS) as StreamName[]) {
    states.push(await ensureStream(manager, streamConfig(name, replicas)))
  }
  const workers = { max_deliver: JOB_ATTEMPTS, ack_wait: nanos(ackWaitSeconds * 1000) }
  await ensureConsumer(manager, 'INFERENCE', { durable_name: WORKERS_CONSUMER, ...workers })
  for (const stream of ['AGENTESE', 'EVENTS']) {
    const filter = brokerSubjects === undefined ? {} : { filter_subjects: subjectsOf(stream, brokerSubjects) }
    await ensureConsumer(manager, stream, {
      durable_name: BROKER_CONSUMER,
      ack_wait: nanos(30_000),
      ...filter,
    })
  }
  return states
}

/** A consumer without a filter takes everything, so one that is to take nothing asks for what never comes. */
function subjectsOf(stream: string, wanted: readonly string[]): string[] {
  const prefix = `${stream.toLowerCase()}.`
  const subjects = wanted.filter((subject) => subject.startsWith(prefix))
  return subjects.length > 0 ? subjects : [`${prefix}none`]
}

function streamConfig(name: StreamName, replicas: number): WantedStream {
  const { subjects, retention, storage, maxAgeSeconds } = STREAMS[name]
  return {
    name,
    subjects: [...subjects],
    retention: retention === 'workqueue' ? RetentionPolicy.Workqueue : RetentionPolicy.Limits,
    storage: storage === 'memory' ? StorageType.Memory : StorageType.File,
    max_age: nanos(maxAgeSeconds * 1000),
    num_replicas: replicas,
  }
}

type WantedStream = Partial<StreamConfig> & { name: string }

/** Creates a stream, or updates it where it differs from `wanted`. Unread work is never dropped silently. */
export async function ensureStream(manager: JetStreamManager, wanted: WantedStream): Promise<StreamState> {
  const config = {
    duplicate_window: nanos(DUPLICATE_WINDOW_MILLISECONDS),
    allow_direct: true,
    discard: wanted.retention === RetentionPolicy.Workqueue ? DiscardPolicy.New : DiscardPolicy.Old,
    ...wanted,
  }
  const found = await orUndefined(manager.streams.info(config.name))
  const info =
    found === undefined
      ? await manager.streams.add(config)
      : differs(found.config, config)
        ? await manager.streams.update(config.name, config)
        : found
  return { name: config.name, createdAt: new Date(info.created) }
}

/** Creates a durable pull consumer with explicit acknowledgement, or updates it where it differs from `wanted`. */
export async function ensureConsumer(
  manager: JetStreamManager,
  stream: string,
  wanted: Partial<ConsumerConfig> & { durable_name: string },
): Promise<void> {
  const config = {
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    max_ack_pending: 1000,
    ...wanted,
  }
  const found = await orUndefined(manager.consumers.info(stream, config.durable_name))
  if (found === undefined) await manager.consumers.add(stream, config)
  else if (differs(found.config, config)) await manager.consumers.update(stream, config.durable_name, config)
}

function differs(found: object, wanted: object): boolean {
  const present: Record<string, unknown> = { ...found }
  return Object.entries(wanted).some(([name, value]) => !isDeepStrictEqual(present[name], value))
}

async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.code === 404) return undefined
    throw error
  }
}
