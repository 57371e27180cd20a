/**
 * Publishes many messages to JetStream at once, with every acknowledgement awaited.
 *
 * The client's own `publish` makes an error object, a timer and three promises for each message, in case it fails. Here
 * one subscription receives all acknowledgements, and one timer serves a batch.
 */
import { ErrorCode, NatsError, type Msg, type MsgHdrs } from 'nats'
import type { NatsLink } from './link.ts'

export interface Outgoing {
  subject: string
  headers: MsgHdrs
  payload: Uint8Array
}

/** Undefined where the message is stored, or why it is not known to be. */
export type Outcome = Error | undefined

/** Sends all messages together; resolves with one outcome for each. */
export type PublishAll = (messages: readonly Outgoing[]) => Promise<Outcome[]>

/** @param timeoutMs how long acknowledgements may take */
export function createPublisher(link: NatsLink, timeoutMs: number): PublishAll {
  const inbox = link.newInbox()
  /** What waits for its acknowledgement, by the subject that it comes on. */
  const waiting = new Map<string, (outcome: Outcome) => void>()
  let last = 0
  link.subscribe(`${inbox}.*`, (error, message) =>
    waiting.get(message.subject)?.(error ?? readOutcome(message)),
  )

  return async (messages) => {
    const { nc } = link
    if (nc === undefined || messages.length === 0) return messages.map(unknown)
    const outcomes: Outcome[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    const replies = messages.map(() => `${inbox}.${(last += 1)}`)
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
        settle(error instanceof Error ? error : unknown())
      }
    }
    const timer = setTimeout(resolve, timeoutMs)
    const unwatch = link.watch(() => resolve())
    await promise
    clearTimeout(timer)
    unwatch()
    for (const [index, reply] of replies.entries()) if (waiting.delete(reply)) outcomes[index] = unknown()
    return outcomes
  }
}

function unknown(): NatsError {
  return new NatsError('JetStream did not acknowledge', ErrorCode.Timeout)
}

function readOutcome(message: Msg): Outcome {
  if (message.headers?.code === 503) return NatsError.errorForCode(ErrorCode.NoResponders)
  const { error } = message.json<{ error?: { code: number; description: string } }>()
  return error === undefined ? undefined : new NatsError(error.description, String(error.code))
}
