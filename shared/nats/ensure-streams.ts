/** Creates the streams and their durable consumers as `STREAMS` has them, and brings those that exist up to date. */
import { isDeepStrictEqual } from 'node:util'
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  nanos,
  NatsError,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type JetStreamManager,
  type NatsConnection,
  type StreamConfig,
} from 'nats'
import { covers } from './subjects.ts'
import { orUndefined } from './or-undefined.ts'
import { BROKER_CONSUMER, JOB_ATTEMPTS, STREAMS, WORKERS_CONSUMER, type StreamName } from './streams.ts'

/** Two minutes: how long a stream remembers the message ids it has stored. */
const DUPLICATE_WINDOW_MS = 120_000

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
  await ensureConsumer(manager, 'INFERENCE', {
    durable_name: WORKERS_CONSUMER,
    ...workers,
    // The relay is notified of each job that ends: a slot is free.
    sample_freq: '100%',
  })
  for (const stream of ['AGENTESE', 'EVENTS'] as const) {
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
function subjectsOf(stream: StreamName, wanted: readonly string[]): string[] {
  const [all] = STREAMS[stream].subjects
  const subjects = wanted.filter((subject) => covers(all, subject))
  return subjects.length > 0 ? subjects : [all.replace('>', 'none')]
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
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
    allow_direct: true,
    discard: wanted.retention === RetentionPolicy.Workqueue ? DiscardPolicy.New : DiscardPolicy.Old,
    ...wanted,
  }
  const found = await orUndefined(manager.streams.info(config.name))
  const info =
    found === undefined
      ? await manager.streams.add(config)
      : differs(found.config, config)
        ? await changing(`the stream "${config.name}"`, manager.streams.update(config.name, config))
        : found
  return { name: config.name, createdAt: new Date(info.created) }
}

/** Creates a durable pull consumer with explicit acknowledgement, or updates it where it differs from `wanted`. */
export async function ensureConsumer(
  manager: JetStreamManager,
  stream: string,
  wanted: Partial<ConsumerConfig> & { durable_name: string },
): Promise<void> {
  const config = { ack_policy: AckPolicy.Explicit, max_ack_pending: 1000, ...wanted }
  const found = await orUndefined(manager.consumers.info(stream, config.durable_name))
  // Where it begins is decided once: a promoted mirror has one that does not begin with the first message.
  if (found === undefined)
    await manager.consumers.add(stream, { deliver_policy: DeliverPolicy.All, ...config })
  else if (differs(found.config, config))
    await changing(
      `the consumer "${config.durable_name}" of ${stream}`,
      manager.consumers.update(stream, config.durable_name, config),
    )
}

/** The server says why something cannot be changed, and not what. */
async function changing<T>(what: string, update: Promise<T>): Promise<T> {
  try {
    return await update
  } catch (error) {
    if (error instanceof NatsError) error.message = `Cannot change ${what}: ${error.message}`
    throw error
  }
}

function differs(found: object, wanted: object): boolean {
  const present: Record<string, unknown> = { ...found }
  return Object.entries(wanted).some(([name, value]) => !isDeepStrictEqual(present[name], value))
}
