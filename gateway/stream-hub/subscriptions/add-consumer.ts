/**
 * Creates consumers of the stream `AGENTESE` on one or several subjects. The client library sends those on several
 * subjects by way of an older API, under which the server knows no names but durable ones.
 */
import type { ConsumerConfig, NatsConnection } from 'nats'
import { z } from 'zod'
import { Failure } from '../../../shared/failures.ts'

const STREAM = 'AGENTESE'
/** JetStream's code for a name that is taken by a consumer of another config. */
const NAME_TAKEN = 10_148

const Answer = z.union([
  z.object({ error: z.object({ err_code: z.int(), description: z.string().default('') }) }),
  z.object({ num_pending: z.int() }),
])

/**
 * Answers how many stored messages it has before it. The same config once more changes nothing.
 *
 * @throws Failure STATE_CONFLICT where the name is that of another one
 */
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
  if ('error' in answer && answer.error.err_code === NAME_TAKEN) {
    throw new Failure('STATE_CONFLICT', 'Cannot begin the subscription: its id is taken', {
      suggestion: 'Choose another id, or leave it out',
    })
  }
  if ('error' in answer) throw new Error(`Cannot create consumer "${name}": ${answer.error.description}`)
  return answer.num_pending
}

/** A single filter is part of the request's subject, so that permissions can match it. */
function suffixOf(subjects: readonly string[]): string {
  return subjects.length === 1 ? `.${subjects[0]}` : ''
}
