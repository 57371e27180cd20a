/**
 * A second copy of the streams, on a server elsewhere that is a leaf node of the first: every message under its number, as
 * soon as it is stored. When the first is lost, its mirrors become the streams.
 */
import {
  AckPolicy,
  DeliverPolicy,
  nanos,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type NatsConnection,
} from 'nats'
import { orUndefined } from '../../shared/nats/or-undefined.ts'
import { BROKER_CONSUMER, STREAMS, type StreamName } from '../../shared/nats/streams.ts'
import { MIRRORED } from '../nats-accounts.ts'

/** Under which the first server's streams are reached from a leaf node: its JetStream domain is `kgents`. */
const PRIMARY_API = '$JS.kgents.API'

/** How far back events go to the Broker once more: as far as the outbox has them, and the inbox knows them. */
const FORWARD_AGAIN_MS = 3_600_000

export interface MirrorState {
  stream: StreamName
  /** Messages that the first server has and this one has not. */
  lag: number
  /** Milliseconds since the first server was last heard of. */
  silentMs: number
}

/** Makes the mirrors that are missing, on the server that is to hold them. */
export async function ensureMirrors(nc: NatsConnection): Promise<MirrorState[]> {
  const manager = await nc.jetstreamManager()
  return await Promise.all(MIRRORED.map((stream) => ensureMirror(manager, stream)))
}

async function ensureMirror(manager: JetStreamManager, stream: StreamName): Promise<MirrorState> {
  const found =
    (await orUndefined(manager.streams.info(stream))) ??
    (await manager.streams.add({
      name: stream,
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      max_age: nanos(STREAMS[stream].maxAgeSeconds * 1000),
      num_replicas: 1,
      mirror: { name: stream, external: { api: PRIMARY_API, deliver: '' } },
    }))
  if (found.mirror === undefined) throw new Error(`Cannot mirror "${stream}": it is a stream of its own here`)
  const { lag, active } = found.mirror
  return { stream, lag, silentMs: active < 0 ? Infinity : active / 1e6 }
}

/**
 * Makes streams of the mirrors, once nobody publishes to the first server any more. The Broker gets the events of the last
 * hour again, each of which its functions know by its id.
 */
export async function promoteMirrors(nc: NatsConnection): Promise<{ stream: StreamName; lastSeq: number }[]> {
  const manager = await nc.jetstreamManager()
  const promoted: { stream: StreamName; lastSeq: number }[] = []
  for (const stream of MIRRORED) {
    const { config, state } = await manager.streams.info(stream)
    if (config.mirror !== undefined) await manager.streams.update(stream, asStream(stream))
    await startBroker(manager, stream)
    promoted.push({ stream, lastSeq: state.last_seq })
  }
  return promoted
}

/** The client sends what there is with this laid over it: a member without a value is not sent, and so is gone. */
function asStream(stream: StreamName) {
  return { mirror: undefined, subjects: [...STREAMS[stream].subjects] }
}

/** The relay would make its consumer from the first message on: days of events that the Broker has had. */
async function startBroker(manager: JetStreamManager, stream: StreamName): Promise<void> {
  const found = await orUndefined(manager.consumers.info(stream, BROKER_CONSUMER))
  if (found !== undefined) return
  await manager.consumers.add(stream, {
    durable_name: BROKER_CONSUMER,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: new Date(Date.now() - FORWARD_AGAIN_MS).toISOString(),
  })
}
