/** Streams that stand where others are to be brought back. */
import type { JetStreamManager, StreamInfo } from 'nats'
import { orUndefined } from '../../shared/nats/or-undefined.ts'

export interface Room {
  /** Deletes what the relay has made since the loss; to be called right before the stream is brought back. */
  clear(stream: string): Promise<void>
}

/**
 * Looks at the streams that are to be brought back, before any of them is touched. One that was made after `since`, the time
 * that the copy is of, and has nothing older than itself was made by the relay since the loss, and what it has is in the
 * outbox. Any other was not lost, or was brought back before.
 *
 * @throws Error where there is such a one
 */
export async function findRoom(manager: JetStreamManager, since: ReadonlyMap<string, Date>): Promise<Room> {
  const present = new Set<string>()
  for (const [stream, time] of since) {
    const found = await orUndefined(manager.streams.info(stream))
    if (found === undefined) continue
    if (!isNew(found, time))
      throw new Error(
        `Cannot bring back "${stream}": there is one since ${found.created}, which was not lost`,
      )
    present.add(stream)
  }
  return {
    async clear(stream) {
      if (present.has(stream)) await manager.streams.delete(stream)
    },
  }
}

function isNew({ created, state }: StreamInfo, since: Date): boolean {
  const made = new Date(created)
  return made > since && (state.messages === 0 || new Date(state.first_ts) >= made)
}
