/** Health as operators need it: which part is down, and which is behind. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { BROKER_CONSUMER } from '../../../shared/nats/streams.ts'
import { operate } from '../tenants/operate.ts'

/** An event that waits longer, and more of them, mean that the relay or a function does not keep up. */
const MAX_WAIT_SECONDS = 10
const MAX_PENDING = 1000

const STATUS = ['ok', 'degraded', 'error', 'not_configured'] as const

export const PlatformHealth = z.strictObject({
  status: z.enum(['ok', 'degraded']).describe('degraded where any part is down, or behind'),
  reasons: z.array(z.string()).describe('Why it is degraded'),
  components: z.record(
    z.string(),
    z.strictObject({
      status: z.enum(STATUS),
      detail: z.string().optional(),
      latency_ms: z.number().optional(),
    }),
  ),
  outbox: z.strictObject({ waiting: z.int(), lag_seconds: z.number() }),
  jobs: z.strictObject({ waiting: z.int(), oldest_wait_seconds: z.number() }),
  dead_letters: z.int(),
  streams: z
    .array(
      z.strictObject({
        stream: z.string(),
        messages: z.int(),
        consumers: z.array(z.strictObject({ name: z.string(), pending: z.int(), unacknowledged: z.int() })),
      }),
    )
    .nullable()
    .describe('Null where NATS does not report them'),
})
type PlatformHealth = z.infer<typeof PlatformHealth>

interface BacklogRow {
  outbox_waiting: number
  outbox_lag: number
  jobs_waiting: number
  jobs_wait: number
  dead_letters: number
}

export async function readHealth({
  db,
  identity,
  probe,
  streamBacklog,
}: Pick<Call, 'db' | 'identity' | 'probe' | 'streamBacklog'>): Promise<PlatformHealth> {
  const [components, streams, [backlog]] = await Promise.all([
    probe(),
    streamBacklog(),
    operate(db<[BacklogRow]>`
      select outbox_waiting, coalesce(extract(epoch from now() - outbox_oldest), 0)::float8 as outbox_lag, jobs_waiting,
        coalesce(extract(epoch from now() - jobs_oldest), 0)::float8 as jobs_wait, dead_letters
      from backlog_for_operator(${identity.user})`),
  ])
  const facts: Omit<PlatformHealth, 'status' | 'reasons'> = {
    components,
    outbox: { waiting: backlog.outbox_waiting, lag_seconds: Math.max(0, backlog.outbox_lag) },
    jobs: { waiting: backlog.jobs_waiting, oldest_wait_seconds: Math.max(0, backlog.jobs_wait) },
    dead_letters: backlog.dead_letters,
    streams:
      streams === undefined ? null : streams.map((each) => ({ ...each, consumers: [...each.consumers] })),
  }
  const reasons = reasonsOf(facts)
  return { status: reasons.length === 0 ? 'ok' : 'degraded', reasons, ...facts }
}

/** Everything that is not as it should be, in words. */
export function reasonsOf({
  components,
  outbox,
  streams,
}: Omit<PlatformHealth, 'status' | 'reasons'>): string[] {
  const down = Object.entries(components)
    .filter(([, { status }]) => status === 'error' || status === 'degraded')
    .map(([name, { status, detail = 'is down' }]) => `${name} is ${status}: ${detail}`)
  const behind = (streams ?? []).flatMap(({ stream, consumers }) =>
    consumers
      .filter(({ name, pending }) => name === BROKER_CONSUMER && pending > MAX_PENDING)
      .map(({ pending }) => `${stream} is behind: ${pending} events wait for the Broker`),
  )
  const late =
    outbox.lag_seconds > MAX_WAIT_SECONDS
      ? [`outbox is behind: the oldest event has waited ${Math.round(outbox.lag_seconds)} s`]
      : []
  const unknown =
    streams === null && components['nats']?.status === 'ok' ? ['streams are unknown: NATS reports none'] : []
  return [...down, ...late, ...behind, ...unknown]
}
