/**
 * Works through a durable consumer for ever, some messages at a time: across reconnects, and across streams that were lost
 * and made anew. Processes that run at once share the consumer, so each message goes to one of them; where the consumer has
 * a priority group with pinned clients, all messages go to one process, until that has been silent for too long.
 */
import { backoff, pause } from '../pause.ts'
import type { Delivery } from './delivery.ts'
import type { NatsLink } from './link.ts'
import { pull } from './pull.ts'

export interface ConsumeOptions {
  link: NatsLink
  stream: string
  consumer: string
  /** Messages in hand at once. */
  concurrency: number
  /** Ends the loop: what was fetched and not begun goes to another at once. */
  stop: AbortSignal
  /** Answers the delivery, one way or another; a throw leaves it to be delivered again. */
  handle(delivery: Delivery): Promise<void>
  /** Called with every outcome, so that changes can be logged. */
  report(state: 'works' | 'interrupted' | 'fails and is tried again', error?: unknown): void
  /** Awaited before messages are asked for; the consumer may be made here. */
  prepare?(): Promise<unknown>
  /** How often the work on a message is reported as in progress. */
  workingMs?: number
  /** Whether answers are repeated until the server has confirmed them. */
  confirmed?: boolean | undefined
  /** How long the server holds a request for messages. */
  expiresMs?: number
  /** Priority group of a consumer that serves one client at a time (ADR-42). */
  group?: string | undefined
}

/** In the headers of each message to the client that is served. */
const PIN_HEADER = 'Nats-Pin-Id'

/** Resolves when `stop` aborted and every message in hand is done with. */
export async function consume(options: ConsumeOptions): Promise<void> {
  const {
    link,
    stream,
    consumer,
    concurrency,
    stop,
    report,
    prepare,
    confirmed,
    expiresMs = 30_000,
    group,
  } = options
  const inHand = new Set<Promise<void>>()
  let pin: string | undefined
  let failures = 0
  let isKnownToWork = false

  function take(delivery: Delivery): void {
    pin = delivery.headers?.get(PIN_HEADER) || undefined
    if (stop.aborted) return void delivery.nak()
    const work: Promise<void> = handleAlive(delivery, options)
      .then(
        () => report('works'),
        (error: unknown) => report('fails and is tried again', error),
      )
      .finally(() => inHand.delete(work))
    inHand.add(work)
  }

  async function askOnce(): Promise<void> {
    await prepare?.()
    const batch = concurrency - inHand.size
    const end = await pull(link, { stream, consumer, batch, expiresMs, confirmed, group, pin }, take, stop)
    if (end === 'unpinned') pin = undefined
    if (end === 'absent') throw new Error(`Consumer "${consumer}" on ${stream} does not answer`)
    if (!isKnownToWork && end !== 'lost') report('works')
    isKnownToWork = true
  }

  while ((await link.ready(stop)) !== undefined && !stop.aborted) {
    if (inHand.size >= concurrency) await Promise.race(inHand)
    else {
      try {
        await askOnce()
        failures = 0
      } catch (error) {
        // That NATS is unavailable is for others to report.
        if (link.nc !== undefined) report('interrupted', error)
        isKnownToWork = false
        failures += 1
        await pause(backoff(failures, 25, 2000), stop)
      }
    }
  }
  await Promise.all(inHand)
  // The next one need not wait until this one has been silent for too long.
  if (pin !== undefined)
    link.nc?.publish(`$JS.API.CONSUMER.UNPIN.${stream}.${consumer}`, JSON.stringify({ group }))
}

async function handleAlive(delivery: Delivery, { handle, workingMs }: ConsumeOptions): Promise<void> {
  const beat = workingMs === undefined ? undefined : setInterval(() => delivery.working(), workingMs)
  try {
    await handle(delivery)
  } finally {
    clearInterval(beat)
  }
}
