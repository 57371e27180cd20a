/**
 * Hands every event of `AGENTESE` and `EVENTS` to the Broker, as a binary CloudEvent over HTTP.
 *
 * NATS binary mode and HTTP binary mode have the same headers and the same body, so an event passes through
 * unread. It is acknowledged when the Broker took it. What the Broker may take later is delivered again, later and
 * later; what it refuses for good ends with a log line. Knative promises no order, and none is kept here.
 */
import { Agent } from 'undici'
import { isEventMessage } from '../../shared/nats/event-message.ts'
import { BROKER_CONSUMER } from '../../shared/nats/streams.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import type { Delivery } from '../../shared/nats/delivery.ts'
import type { Metrics } from './metrics.ts'
import { backoff } from '../../shared/pause.ts'
import { postEvent } from './post-event.ts'
import { createStateLog } from '../../shared/telemetry/state-log.ts'
import type { StreamLink } from './stream-link.ts'

const FIRST_RETRY_MS = 100
const MAX_RETRY_MS = 10_000
/** As Knative does it: these may be answered otherwise later, any other 4xx will not. */
const RETRIED = new Set([404, 408, 409, 429])

export interface ForwardOptions {
  link: StreamLink
  brokerUrl: string
  concurrency: number
  log: Log
  metrics: Metrics
  stop: AbortSignal
}

/** Forwards both streams until `stop` aborts, then finishes what is in hand. */
export async function forwardEvents(options: ForwardOptions): Promise<void> {
  const { link, brokerUrl, concurrency, log, metrics, stop } = options
  const agent = new Agent({ connections: concurrency * 2, pipelining: 1 })
  const reportBroker = createStateLog(log, `Broker ${new URL(brokerUrl).host}`)

  async function handle(message: Delivery): Promise<void> {
    if (!isEventMessage(message)) return refuse(message, 'it is not an event')
    const answer = await postEvent(agent, brokerUrl, httpHeaders(message), message.data)
    if (typeof answer === 'number' && answer >= 200 && answer < 300) {
      await message.ack()
      metrics.add('relay_forwarded_total')
      return reportBroker('takes events')
    }
    if (typeof answer === 'number' && answer < 500 && !RETRIED.has(answer)) {
      return refuse(message, `the Broker answered ${answer}`)
    }
    await message.nak(backoff(message.attempt - 1, FIRST_RETRY_MS, MAX_RETRY_MS))
    metrics.add('relay_forward_retries_total')
    reportBroker('does not take events', typeof answer === 'number' ? new Error(`HTTP ${answer}`) : answer)
  }

  async function refuse(message: Delivery, reason: string): Promise<void> {
    log.error(
      { subject: message.subject, seq: message.sequence, reason },
      'An event cannot be forwarded and is dropped',
    )
    metrics.add('relay_forward_rejected_total')
    await message.term(reason)
  }

  const forward = (stream: string) =>
    link.consume({
      stream,
      consumer: BROKER_CONSUMER,
      concurrency,
      stop,
      handle,
      report: createStateLog(log, `forwarding of ${stream}`),
    })
  await Promise.all([forward('AGENTESE'), forward('EVENTS')])
  await agent.close()
}

/** The event's attributes, and the trace once more where HTTP tools look for it. */
function httpHeaders(message: Delivery): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, [value]] of message.headers ?? []) {
    const lower = name.toLowerCase()
    if (value !== undefined && (lower.startsWith('ce-') || lower === 'content-type')) headers[lower] = value
  }
  const trace = headers['ce-traceparent']
  if (trace !== undefined) headers['traceparent'] = trace
  return headers
}
