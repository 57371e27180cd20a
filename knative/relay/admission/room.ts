/**
 * How many jobs may be put into `INFERENCE` now: as many as there are free slots, and a few that lie ready.
 *
 * The queue in NATS is first come first served, so whatever is in it has its order already. Only what waits in the databases can
 * still be put in another, so the queue is kept short: what lies ready bridges the time from the end of a job to the
 * admission of the next, and no more: where jobs are short, as many as end within it. A worker asks for one message for each free slot, so the requests that wait are the slots.
 */
import { WORKERS_CONSUMER } from '../../../shared/nats/streams.ts'
import { NotStored } from '../outbox.ts'
import type { StreamLink } from '../stream-link.ts'

/** One job lies ready for so many slots, and at least one. */
const SLOTS_FOR_ONE_READY = 16
/** From the end of a job until its slot has asked for the next; jobs that end meanwhile are reported together. */
const ASKS_AGAIN_MS = 4
/** From the end of a job to the admission of the next, on a busy machine. */
const BRIDGE_MS = 25
/** Of the slots: whoever comes next waits for fewer jobs than there are slots, however short they are. */
const MOST_READY = 1 / 2

/** Room in `INFERENCE`, and the slots that workers have, busy or free. */
export interface Space {
  free: number
  slots: number
}

/** Shared by all databases of one relay, so taken one at a time. */
export interface Room {
  take<T>(work: (space: Space) => Promise<T>): Promise<T>
  /** Calls `freed` when a worker has ended a job; answers how to stop that. */
  watch(freed: () => void): () => void
}

/** @param cap jobs in `INFERENCE` at most, however many slots there are */
export function createRoom(link: StreamLink, cap: number): Room {
  let last: Promise<unknown> = Promise.resolve()
  const watching = new Set<() => void>()
  let reporting: NodeJS.Timeout | undefined
  /** When jobs ended, of late. */
  const ends: number[] = []
  const endedOfLate = () => {
    const since = performance.now() - BRIDGE_MS
    while (ends[0] !== undefined && ends[0] < since) ends.shift()
    return ends.length
  }
  const report = () => {
    reporting = undefined
    for (const freed of watching) freed()
  }
  link.nats.subscribe(`$JS.EVENT.METRIC.CONSUMER.ACK.INFERENCE.${WORKERS_CONSUMER}`, () => {
    ends.push(performance.now())
    endedOfLate()
    reporting ??= setTimeout(report, ASKS_AGAIN_MS)
  })
  return {
    take(work) {
      const turn = last.then(async () => work(await spaceIn(link, cap, endedOfLate())))
      last = turn.catch(() => {})
      return turn
    },
    watch(freed) {
      watching.add(freed)
      return () => void watching.delete(freed)
    },
  }
}

/** How many jobs lie ready for so many slots, where `ended` have ended of late. */
export function readyFor(slots: number, ended = 0): number {
  return Math.max(1, Math.ceil(slots / SLOTS_FOR_ONE_READY), Math.min(ended, Math.floor(slots * MOST_READY)))
}

async function spaceIn(link: StreamLink, cap: number, ended: number): Promise<Space> {
  try {
    const manager = await link.nats.manager()
    const { num_waiting, num_ack_pending, num_pending } = await manager.consumers.info(
      'INFERENCE',
      WORKERS_CONSUMER,
    )
    const slots = num_waiting + num_ack_pending
    const free = Math.min(
      num_waiting + readyFor(slots, ended) - num_pending,
      cap - num_ack_pending - num_pending,
    )
    return { free: Math.max(0, free), slots: Math.max(1, slots) }
  } catch (error) {
    link.doubt()
    throw new NotStored('INFERENCE does not answer', { cause: error })
  }
}
