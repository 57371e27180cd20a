/**
 * A second copy of the streams, on a server elsewhere that is a leaf node of the first ones: every message under its number,
 * as soon as it is stored. When the first ones have lost their disks, the streams come back from here.
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
import { findRoom } from './room.ts'
import { copyStream, type StreamMeta } from './stream-archive.ts'

/** Under which the first servers' streams are reached from a leaf node: their JetStream domain is `kgents`. */
const PRIMARY_API = '$JS.kgents.API'

/** How far back events go to the Broker once more: as far as the outbox has them, and less than the inbox knows them. */
const FORWARD_AGAIN_MS = 3_600_000

export interface MirrorState {
  stream: StreamName
  /** Messages that the first servers have and this one has not. */
  lag: number
  /** Milliseconds since the first servers were last heard of. */
  silentMs: number
}

/** Makes the mirrors that are missing, on the server that is to hold them. */
export async function ensureMirrors(mirror: NatsConnection): Promise<MirrorState[]> {
  const manager = await mirror.jetstreamManager()
  return await Promise.all(MIRRORED.map((stream) => ensureMirror(manager, stream)))
}

async function ensureMirror(manager: JetStreamManager, stream: StreamName): Promise<MirrorState> {
  const found = await orUndefined(manager.streams.info(stream))
  if (found === undefined) {
    await manager.streams.add({
      name: stream,
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      max_age: nanos(STREAMS[stream].maxAgeSeconds * 1000),
      num_replicas: 1,
      mirror: { name: stream, external: { api: PRIMARY_API, deliver: '' } },
    })
    return { stream, lag: 0, silentMs: 0 }
  }
  if (found.mirror === undefined) throw new Error(`Cannot mirror "${stream}": it is a stream of its own here`)
  const { lag, active } = found.mirror
  return { stream, lag, silentMs: active < 0 ? Infinity : active / 1e6 }
}

/**
 * Makes the streams anew on `primary`, as the mirror has them. The mirror goes on following them: their numbers are its own.
 * The Broker gets the events of the last hour again, each of which its functions know by its id.
 *
 * @throws Error where one is there that was not lost
 */
export async function restoreFromMirror(
  mirror: NatsConnection,
  primary: NatsConnection,
  replicas: number,
): Promise<StreamMeta[]> {
  const [from, to] = [await mirror.jetstreamManager(), await primary.jetstreamManager()]
  const newest = new Map<StreamName, Date>()
  for (const stream of MIRRORED) {
    const { state } = await from.streams.info(stream)
    // Where nothing was ever in it, the relay makes it.
    if (state.last_seq > 0) newest.set(stream, new Date(state.last_ts))
  }
  const room = await findRoom(to, newest)
  const restored: StreamMeta[] = []
  for (const stream of newest.keys()) {
    await room.clear(stream)
    restored.push(
      await copyStream(mirror, primary, stream, ({ mirror: _mirror, ...config }) => ({
        ...config,
        subjects: STREAMS[stream].subjects,
        num_replicas: replicas,
      })),
    )
    await startBroker(to, stream)
  }
  return restored
}

/** The relay would make its consumer from the first message on: days of events that the Broker has had. */
async function startBroker(manager: JetStreamManager, stream: StreamName): Promise<void> {
  await manager.consumers.add(stream, {
    durable_name: BROKER_CONSUMER,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: new Date(Date.now() - FORWARD_AGAIN_MS).toISOString(),
  })
}
