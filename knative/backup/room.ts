/** Streams that stand where one is to be brought back. */
import type { JetStreamManager } from 'nats'
import { orUndefined } from '../../shared/nats/or-undefined.ts'

/**
 * Deletes the stream if it was made after `newest`, the time of the last message that is to come back: then the relay has made
 * it since the loss, and what it has is in the outbox.
 *
 * @throws Error where it is older: it was not lost
 */
export async function makeRoom(manager: JetStreamManager, stream: string, newest: Date): Promise<void> {
  const found = await orUndefined(manager.streams.info(stream))
  if (found === undefined) return
  if (new Date(found.created) <= newest)
    throw new Error(`Cannot bring back "${stream}": there is one since ${found.created}, which was not lost`)
  await manager.streams.delete(stream)
}
