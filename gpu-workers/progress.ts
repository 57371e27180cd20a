/**
 * What the token log of a job says: which text stands, and under which index and attempt to go on.
 *
 * A worker that was thought dead may still write for a while. So what counts is the order in the log and the
 * attempt: once a higher attempt has announced itself, messages of lower ones are void, whatever their index.
 */
import type { TokenMessage } from '../shared/inference/messages.ts'

export interface Progress {
  /** The text since the last restart. */
  text: string
  /** Completion tokens that the text took. */
  tokens: number
  /** The index of the next message. */
  nextIndex: number
  /** The highest attempt that has written; 0 where none has. */
  attempt: number
  /** Whether nothing is missing: old messages expire, and then the rest cannot be continued. */
  whole: boolean
}

/** Reads a log, oldest message first. Repeated messages, as after a reconnect, count once. */
export function readProgress(messages: Iterable<TokenMessage>): Progress {
  const progress: Progress = { text: '', tokens: 0, nextIndex: 0, attempt: 0, whole: true }
  for (const message of messages) {
    if (message.attempt < progress.attempt || message.index < progress.nextIndex) continue
    if (message.kind === 'restart') {
      Object.assign(progress, { text: '', tokens: 0, whole: true })
    } else if (message.index > progress.nextIndex) {
      progress.whole = false
    }
    if (message.kind === 'chunk') {
      progress.text += message.text
      progress.tokens = message.tokens
    }
    progress.nextIndex = message.index + 1
    progress.attempt = message.attempt
  }
  return progress
}
