/** How far a mirror is behind, while somebody publishes. */
import type { JetStreamManager, NatsConnection } from 'nats'
import { MIRRORED } from '../../nats-accounts.ts'

export interface Lag {
  medianMs: number
  maxMs: number
  samples: number
}

/**
 * Looks again and again at the newest message of the first server, and how long after that the mirror has it: the time of
 * both questions is in it, so the lag itself is shorter.
 */
export async function measureLag(
  primary: NatsConnection,
  mirror: NatsConnection,
  seconds: number,
): Promise<Lag> {
  const [from, to] = [await primary.jetstreamManager(), await mirror.jetstreamManager()]
  const samples: number[] = []
  const until = performance.now() + seconds * 1000
  while (performance.now() < until) {
    for (const stream of MIRRORED) {
      const began = performance.now()
      const newest = await lastOf(from, stream)
      while ((await lastOf(to, stream)) < newest);
      samples.push(performance.now() - began)
    }
  }
  const sorted = samples.toSorted((a, b) => a - b)
  return {
    medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0,
    maxMs: sorted.at(-1) ?? 0,
    samples: sorted.length,
  }
}

async function lastOf(manager: JetStreamManager, stream: string): Promise<number> {
  return (await manager.streams.info(stream)).state.last_seq
}
