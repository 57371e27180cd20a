/**
 * Events that could not be delivered: to the dead letter sink where there is one, with what went wrong in extension
 * attributes; else, and where the sink fails too, to a file, one JSON line each.
 */
import { closeSync, writeSync } from 'node:fs'
import { openPrivate } from '../log-file.ts'
import { withAttributes, type BrokerEvent } from './broker-event.ts'

export interface DeadLetters {
  write(trigger: string, event: BrokerEvent): void
  close(): void
}

/** Longest `knativeerrordata`, in characters of base64. */
const MAX_ERROR_DATA = 1024
/** What Knative calls the status of an attempt that was not answered. */
const NO_RESPONSE = -1

/** Opens the file that takes what has no other place to go. */
export function openDeadLetters(path: string): DeadLetters {
  const descriptor = openPrivate(path)
  return {
    write(trigger, { attributes, data }) {
      const line = { time: new Date().toISOString(), trigger, attributes, data: data.toString() }
      writeSync(descriptor, `${JSON.stringify(line)}\n`)
    },
    close: () => closeSync(descriptor),
  }
}

/** The event, with the address where it could not be delivered and what the last answer was. */
export function toDeadLetter(
  event: BrokerEvent,
  destination: URL,
  status: number | undefined,
  body: string,
): BrokerEvent {
  return withAttributes(event, {
    knativeerrordest: destination.href,
    knativeerrorcode: String(status ?? NO_RESPONSE),
    knativeerrordata: Buffer.from(body).toString('base64').slice(0, MAX_ERROR_DATA),
  })
}
