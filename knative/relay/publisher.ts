/**
 * Publishes many messages to JetStream at once, with every acknowledgement awaited.
 *
 * The client's own `publish` makes an error object, a timer and three promises for each message, in case it fails. Here
 * one subscription receives all acknowledgements, and one timer serves a batch.
 */
import { createInbox, ErrorCode, NatsError, type Msg, type MsgHdrs, type NatsConnection } from 'nats'

export interface Outgoing {
  subject: string
  headers: MsgHdrs
  payload: Uint8Array
}

/** Undefined where the message is stored, or why it is not known to be. */
export type Outcome = Error | undefined

export interface Publisher {
  /** Sends all messages together; resolves with one outcome for each. */
  publishAll(messages: readonly Outgoing[]): Promise<Outcome[]>
  /** Ends every wait for acknowledgements: a connection that was lost brings none. */
  giveUp(): void
}

/** @param timeoutMs how long acknowledgements may take */
export function createPublisher(nc: NatsConnection, inboxPrefix: string, timeoutMs: number): Publisher {
  const inbox = createInbox(inboxPrefix)
  /** What waits for its acknowledgement, by the subject that it comes on. */
  const waiting = new Map<string, (outcome: Outcome) => void>()
  const batches = new Set<() => void>()
  let next = 0
  nc.subscribe(`${inbox}.*`, {
    callback: (error, message) => waiting.get(message.subject)?.(error ?? readOutcome(message)),
  })

  return {
    async publishAll(messages) {
      if (messages.length === 0) return []
      const unknown = new Error('NATS did not acknowledge')
      const outcomes: Outcome[] = messages.map(() => unknown)
      const { promise, resolve } = Promise.withResolvers<void>()
      const replies = messages.map(() => `${inbox}.${(next += 1)}`)
      let missing = messages.length
      for (const [index, { subject, headers, payload }] of messages.entries()) {
        const reply = replies[index] ?? ''
        const settle = (outcome: Outcome) => {
          outcomes[index] = outcome
          waiting.delete(reply)
          missing -= 1
          if (missing === 0) resolve()
        }
        waiting.set(reply, settle)
        try {
          nc.publish(subject, payload, { headers, reply })
        } catch (error) {
          settle(error instanceof Error ? error : new Error('NATS cannot be sent to', { cause: error }))
        }
      }
      const timer = setTimeout(resolve, timeoutMs)
      batches.add(resolve)
      await promise
      clearTimeout(timer)
      batches.delete(resolve)
      for (const reply of replies) waiting.delete(reply)
      return outcomes
    },
    giveUp() {
      for (const end of batches) end()
    },
  }
}

function readOutcome(message: Msg): Outcome {
  if (message.headers?.code === 503) return NatsError.errorForCode(ErrorCode.NoResponders)
  const { error } = message.json<{ error?: { code: number; description: string } }>()
  return error === undefined ? undefined : new NatsError(error.description, String(error.code))
}
