/**
 * Takes jobs from the queue one by one, and tells JetStream what became of each.
 *
 * The client library has calls for both; ours differ where a worker needs it: giving up a pull on shutdown loses
 * no message that is already under way, and an acknowledgement is repeated until the server has confirmed it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createInbox, nanos, type Msg, type NatsConnection } from 'nats'
import type { Link } from './link.ts'

/** One delivery of one message; exactly one of `ack`, `nak` and `term` ends it. */
export class Delivery {
  readonly data: Uint8Array
  /** 1 for the first delivery of the message. */
  readonly attempt: number
  readonly #nc: NatsConnection
  readonly #reply: string

  constructor(nc: NatsConnection, message: Msg) {
    this.#nc = nc
    this.data = message.data
    this.#reply = message.reply ?? ''
    this.attempt = readAttempt(this.#reply)
  }

  /** Tells that the work goes on; without this the message is given to another worker after the ack wait. */
  working(): void {
    if (!this.#nc.isClosed()) this.#nc.publish(this.#reply, '+WPI')
  }

  /** The message is done with. */
  ack(): Promise<boolean> {
    return this.#confirm('+ACK')
  }

  /** The message is to be delivered again, after a delay. */
  nak(delaySeconds = 0): Promise<boolean> {
    return this.#confirm(`-NAK ${JSON.stringify({ delay: nanos(delaySeconds * 1000) })}`)
  }

  /** The message is never to be delivered again. */
  term(reason: string): Promise<boolean> {
    return this.#confirm(`+TERM ${reason}`)
  }

  /** Gives up after some seconds: then the message comes again, which every consumer of ours can bear. */
  async #confirm(verb: string): Promise<boolean> {
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        await this.#nc.request(this.#reply, verb, { timeout: 2000 })
        return true
      } catch {
        if (this.#nc.isClosed()) return false
        await sleep(200)
      }
    }
    return false
  }
}

/** `$JS.ACK.[domain.account.]stream.consumer.delivered.…`: nine tokens, or eleven and more with the domain. */
function readAttempt(reply: string): number {
  const tokens = reply.split('.')
  return Number(tokens[tokens.length >= 11 ? 6 : 4] ?? 1)
}

export interface TakeOptions {
  stream: string
  consumer: string
  /** How long the server holds the request when there is no message. */
  expiresSeconds: number
  /** Ends the wait; a message that is already on its way is still returned. */
  signal: AbortSignal
}

/** What came of asking: a message, none in time, or no consumer to ask. */
export type Taken = Delivery | 'none' | 'absent'

/** Statuses of a pull that ran its course: nothing there, or nothing came in time. */
const NOTHING = new Set([404, 408])

export function takeDelivery({ nc, inboxPrefix, watch }: Link, options: TakeOptions): Promise<Taken> {
  const { stream, consumer, expiresSeconds, signal } = options
  const inbox = createInbox(inboxPrefix)
  const { promise, resolve } = Promise.withResolvers<Taken>()
  let over = false
  const finish = (taken: Taken) => {
    over = true
    resolve(taken)
  }
  const subscription = nc.subscribe(inbox, {
    callback: (error, message) => {
      if (error) return finish('absent')
      const status = message.subject === inbox ? (message.headers?.code ?? 0) : undefined
      if (status !== undefined) return finish(NOTHING.has(status) ? 'none' : 'absent')
      // Asked twice across a reconnect: the second message goes straight back.
      if (over) return void new Delivery(nc, message).nak()
      finish(new Delivery(nc, message))
    },
  })
  const ask = () => {
    const request = JSON.stringify({ batch: 1, expires: nanos(expiresSeconds * 1000) })
    nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, request, { reply: inbox })
  }
  // Draining waits for the server to have seen the end of the subscription, and so for all that it sent before.
  const giveUp = () => void drained(subscription).then(() => finish('none'))
  const timer = setTimeout(giveUp, expiresSeconds * 1000 + 2000)
  const unwatch = watch((connected) => connected && !over && ask())
  signal.addEventListener('abort', giveUp, { once: true })
  if (signal.aborted) giveUp()
  else ask()
  return promise.finally(() => {
    clearTimeout(timer)
    unwatch()
    signal.removeEventListener('abort', giveUp)
    void drained(subscription)
  })
}

async function drained(subscription: { drain(): Promise<void>; isClosed(): boolean }): Promise<void> {
  try {
    if (!subscription.isClosed()) await subscription.drain()
  } catch {
    // Not connected, or drained already: nothing can arrive any more.
  }
}
