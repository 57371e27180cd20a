/** One delivery of one message by a JetStream consumer; exactly one of `ack`, `nak` and `term` ends it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { nanos, type Msg, type MsgHdrs, type NatsConnection } from 'nats'

const CONFIRMATION_MS = 2000
const CONFIRMATIONS = 3

export class Delivery {
  readonly subject: string
  readonly headers: MsgHdrs | undefined
  readonly data: Uint8Array
  /** 1 for the first delivery of the message. */
  readonly attempt: number
  /** Of the message in its stream. */
  readonly sequence: number
  /** What names this delivery to its consumer. */
  readonly token: string
  readonly #nc: NatsConnection
  readonly #reply: string
  readonly #confirmed: boolean

  /** @param confirmed whether an answer is repeated until the server has confirmed it */
  constructor(nc: NatsConnection, message: Msg, confirmed = false) {
    this.#nc = nc
    this.#reply = message.reply ?? ''
    this.#confirmed = confirmed
    this.subject = message.subject
    this.headers = message.headers
    this.data = message.data
    const place = readPlace(this.#reply)
    this.attempt = Number(place[0] ?? 1)
    this.sequence = Number(place[1])
    this.token = place.join('.')
  }

  json(): unknown {
    return JSON.parse(Buffer.from(this.data.buffer, this.data.byteOffset, this.data.byteLength).toString())
  }

  /** Says that the work goes on; after the wait for its acknowledgement a silent one is delivered to another. */
  working(): void {
    if (!this.#nc.isClosed()) this.#nc.publish(this.#reply, '+WPI')
  }

  /** The message is done with. */
  ack(): Promise<boolean> {
    return this.#answer('+ACK')
  }

  /** The message is to be delivered again, after a delay. */
  nak(delayMs = 0): Promise<boolean> {
    return this.#answer(`-NAK ${JSON.stringify({ delay: nanos(delayMs) })}`)
  }

  /** The message is never to be delivered again. */
  term(reason: string): Promise<boolean> {
    return this.#answer(`+TERM ${reason}`)
  }

  /** Without a confirmation in time the message comes again, which every consumer of ours can bear. */
  async #answer(answer: string): Promise<boolean> {
    for (let left = CONFIRMATIONS; left > 0 && !this.#nc.isClosed(); left -= 1) {
      try {
        if (this.#confirmed) await this.#nc.request(this.#reply, answer, { timeout: CONFIRMATION_MS })
        else this.#nc.publish(this.#reply, answer)
        return true
      } catch {
        await sleep(200)
      }
    }
    return false
  }
}

/**
 * `$JS.ACK.[domain.account.]<stream>.<consumer>.<attempt>.<stream sequence>.<consumer sequence>.<time>.<pending>`: nine
 * tokens, or eleven and more with the domain.
 */
function readPlace(reply: string): string[] {
  const tokens = reply.split('.')
  return tokens.length >= 11 ? tokens.slice(6, 11) : tokens.slice(4, 9)
}
