/**
 * Creates consumers of the stream `AGENTESE` on one or several subjects. The client library sends those on several
 * subjects by way of an older API, under which the server knows no names but durable ones.
 */
import type { ConsumerConfig, NatsConnection } from 'nats'
import { z } from 'zod'

const STREAM = 'AGENTESE'

const Answer = z.union([
  z.object({ error: z.object({ code: z.int(), description: z.string().default('') }) }),
  z.object({ num_pending: z.int() }),
])

/** Answers how many stored messages it has before it. The same config once more changes nothing; another one is an error. */
export async function addConsumer(
  nc: NatsConnection,
  name: string,
  subjects: readonly string[],
  config: Partial<ConsumerConfig>,
): Promise<number> {
  const [only = '', ...others] = subjects
  const filter = others.length === 0 ? { filter_subject: only } : { filter_subjects: subjects }
  const request = { stream_name: STREAM, action: 'create', config: { ...config, ...filter, name } }
  const message = await nc.request(
    `$JS.API.CONSUMER.CREATE.${STREAM}.${name}${suffixOf(subjects)}`,
    JSON.stringify(request),
  )
  const answer = Answer.parse(message.json())
  if ('error' in answer) throw new Error(`Cannot create consumer "${name}": ${answer.error.description}`)
  return answer.num_pending
}

/** A single filter is part of the request's subject, so that permissions can tell it. */
function suffixOf(subjects: readonly string[]): string {
  return subjects.length === 1 ? `.${subjects[0]}` : ''
}
