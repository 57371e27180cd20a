/**
 * Reads the token logs of jobs from JetStream: everything that stands in a log, then what is added, in the order of
 * the log. The order matters more than indices: a worker that was thought dead may write late.
 *
 * Each reader has an ordered push consumer of its own. It leaves nothing behind on the server, costs one request to
 * open (2 ms) and delivers in about as much. When NATS was unavailable, every log is opened again from its start, because
 * the stream lives in memory and may be another one now; readers skip what they have seen.
 */
import { consumerOpts, type JetStreamSubscription, type JsMsg } from 'nats'
import type { NatsLink } from '../../shared/nats/link.ts'
import { fromNats, isEventMessage } from '../../shared/nats/event-message.ts'
import { tokensSubject } from '../../shared/nats/subjects.ts'
import type { KgentsEvent } from '../../shared/events/event.ts'
import { TokenMessage } from '../../shared/inference/messages.ts'
import type { Log } from '../../shared/telemetry/log.ts'

export interface LogReader {
  onMessage(message: TokenMessage): void
  /** The job has ended; nothing follows. */
  onClosed(event: KgentsEvent): void
  /** The log was lost from sight for a while, and is read again from its start. */
  onReopened(): void
}

export interface TokenLogs {
  readonly connected: boolean
  /** Reads a log until the returned function is called. While NATS is unavailable nothing comes. */
  read(tenant: string, job: string, reader: LogReader): () => void
  /** Whether the closing event stands in the log; false where NATS cannot answer. */
  isClosed(tenant: string, job: string): Promise<boolean>
}

const STREAM = 'TOKENS'
/** Between attempts to open a log while NATS is there: the stream may not exist yet. */
const RETRY_MS = 500

export function createTokenLogs(link: NatsLink, log: Log): TokenLogs {
  return {
    get connected() {
      return link.nc !== undefined
    },
    read: (tenant, job, reader) => readLog(link, log, { tenant, job }, reader),
    async isClosed(tenant, job) {
      try {
        const manager = await link.manager()
        return isEventMessage(
          await manager.streams.getMessage(STREAM, { last_by_subj: tokensSubject(tenant, job) }),
        )
      } catch {
        return false // no such message, no such stream, or no NATS: the log says nothing
      }
    },
  }
}

/** Opens the log again whenever NATS comes back, until the returned function is called. */
function readLog(
  link: NatsLink,
  log: Log,
  { tenant, job }: { tenant: string; job: string },
  reader: LogReader,
): () => void {
  const subject = tokensSubject(tenant, job)
  let stopped = false
  let turn = 0
  let subscription: JetStreamSubscription | undefined
  let retry: NodeJS.Timeout | undefined

  const deliver = (message: JsMsg, origin: number) => {
    if (stopped || origin !== turn) return
    const read = readMessage(message, log)
    if (read === undefined) return
    if ('event' in read) reader.onClosed(read.event)
    else reader.onMessage(read.message)
  }

  async function open(): Promise<void> {
    clearTimeout(retry)
    subscription?.unsubscribe()
    subscription = undefined
    const origin = ++turn
    if (link.nc === undefined || stopped) return
    try {
      const opened = await link.jetstream().subscribe(
        subject,
        options((message) => deliver(message, origin)),
      )
      if (stopped || origin !== turn) opened.unsubscribe()
      else subscription = opened
    } catch (error) {
      if (stopped || origin !== turn) return
      log.debug({ err: error, job }, 'a token log could not be opened yet')
      retry = setTimeout(() => void open(), RETRY_MS)
    }
  }

  const again = () => {
    reader.onReopened()
    void open()
  }
  const unwatch = link.watch((nc) => nc !== undefined && again())
  void open()
  return () => {
    stopped = true
    clearTimeout(retry)
    unwatch()
    subscription?.unsubscribe()
  }
}

/** The stream is named, or the client would first ask which it is. */
function options(callback: (message: JsMsg) => void) {
  return consumerOpts()
    .bindStream(STREAM)
    .orderedConsumer()
    .deliverAll()
    .callback((_error, message) => {
      if (message !== null) callback(message)
    })
}

/** A message that nobody should have written is passed over: it must not end a stream. */
function readMessage(
  message: JsMsg,
  log: Log,
): { event: KgentsEvent } | { message: TokenMessage } | undefined {
  try {
    if (isEventMessage(message)) return { event: fromNats(message) }
    return { message: TokenMessage.parse(message.json()) }
  } catch (error) {
    log.warn({ err: error, subject: message.subject }, 'a token message could not be read')
    return undefined
  }
}
