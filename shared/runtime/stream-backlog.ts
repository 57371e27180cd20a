/** What waits in the streams, as the monitoring of NATS reports it. */
import { z } from 'zod'
import type { StreamBacklog } from '../contract/platform.ts'
import { sendRequest } from '../send-request.ts'
import type { FunctionConfig } from './config.ts'

const LIMIT_MS = 1000

/** The part of `/jsz` that is used. */
const Report = z.object({
  account_details: z
    .array(
      z.object({
        stream_detail: z
          .array(
            z.object({
              name: z.string(),
              state: z.object({ messages: z.int() }),
              consumer_detail: z
                .array(z.object({ name: z.string(), num_pending: z.int(), num_ack_pending: z.int() }))
                .default([]),
            }),
          )
          .default([]),
      }),
    )
    .default([]),
})

/** Undefined where NATS does not answer, or is not configured. */
export async function readStreamBacklog({
  NATS_MONITORING_URL: url,
}: Pick<FunctionConfig, 'NATS_MONITORING_URL'>): Promise<StreamBacklog[] | undefined> {
  if (url === undefined) return undefined
  try {
    const asking = new URL('/jsz?accounts=true&streams=true&consumers=true', url)
    const { status, text } = await sendRequest(asking, { method: 'GET', timeoutMs: LIMIT_MS })
    if (status !== 200) return undefined
    const { account_details } = Report.parse(JSON.parse(text))
    return account_details.flatMap(({ stream_detail }) => stream_detail.map(describe))
  } catch {
    return undefined
  }
}

type Stream = z.infer<typeof Report>['account_details'][number]['stream_detail'][number]

function describe({ name, state, consumer_detail }: Stream): StreamBacklog {
  const consumers = consumer_detail.map((consumer) => ({
    name: consumer.name,
    pending: consumer.num_pending,
    unacknowledged: consumer.num_ack_pending,
  }))
  return { stream: name, messages: state.messages, consumers }
}
