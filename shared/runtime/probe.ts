/** Probes each dependency of the platform, all at once and each within a second. */
import type { Sql } from 'postgres'
import type { ComponentHealth } from '../contract/platform.ts'
import { sendRequest, type SentRequest } from '../send-request.ts'
import type { FunctionConfig } from './config.ts'

const LIMIT_MS = 1000
/** Events that wait longer than this mean that the relay, or NATS, is unavailable. */
const LAG_LIMIT_SECONDS = 10
/** Counting happens every two seconds. */
const METERING_LIMIT_SECONDS = 60
/** Events that wait to be exported. */
const MAX_EXPORTS_WAITING = 1000

export function createProbe(config: FunctionConfig, sql: Sql) {
  return async (): Promise<Record<string, ComponentHealth>> => {
    const [postgres, redis, nats, relay, metering, exports] = await Promise.all([
      timed(() => sql`select 1`, 'error'),
      probeRedis(config),
      probeNats(config),
      probeRelay(sql),
      probeMetering(sql),
      probeExports(sql),
    ])
    return { postgres, redis, nats, relay, inference: probeInference(config), metering, ...exports }
  }
}

/** Limits fall back to each process without Redis, so its absence degrades and does not stop. */
function probeRedis({ UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token }: FunctionConfig) {
  if (url === undefined) return NOT_CONFIGURED
  return timed(async () => {
    const headers = { authorization: `Bearer ${token ?? ''}` }
    await succeed(url, { method: 'POST', headers, body: '["PING"]', timeoutMs: LIMIT_MS })
  }, 'degraded')
}

/** Without NATS calls succeed and events wait. */
function probeNats({ NATS_MONITORING_URL: url }: FunctionConfig) {
  if (url === undefined) return NOT_CONFIGURED
  return timed(async () => {
    await succeed(new URL('/healthz?js-enabled-only=true', url), { method: 'GET', timeoutMs: LIMIT_MS })
  }, 'degraded')
}

async function probeRelay(sql: Sql): Promise<ComponentHealth> {
  let lag = 0
  const health = await timed(async () => {
    const [row] = await sql<{ lag: number }[]>`select outbox_lag_seconds() as lag`
    lag = row?.lag ?? 0
  }, 'degraded')
  return lag > LAG_LIMIT_SECONDS
    ? { status: 'degraded', detail: `the oldest event has waited ${Math.round(lag)} s` }
    : health
}

/** Usage that is not counted is shown all the same; but no alert is about it, and nothing is exported. */
async function probeMetering(sql: Sql): Promise<ComponentHealth> {
  let lag = 0
  const health = await timed(async () => {
    const [row] = await sql<{ lag: number }[]>`select usage_lag_seconds() as lag`
    lag = row?.lag ?? 0
  }, 'degraded')
  return lag > METERING_LIMIT_SECONDS
    ? { status: 'degraded', detail: `the oldest call is not counted since ${Math.round(lag)} s` }
    : health
}

interface ExportRow {
  name: string
  waiting: number
  sent: string
  rejected: string
  last_flush: Date | null
  error: string | null
}

/** The services that usage is exported to; why the last attempt failed names no key and no address. */
async function probeExports(sql: Sql): Promise<Record<'openmeter' | 'lago', ComponentHealth>> {
  const rows: ExportRow[] = []
  const reading = await timed(async () => {
    rows.push(
      ...(await sql<ExportRow[]>`
        select name, waiting::int, sent, rejected, last_flush, error from usage_export_state()`),
    )
  }, 'degraded')
  const of = (name: string): ComponentHealth => {
    const row = rows.find((each) => each.name === name)
    if (row === undefined) return reading.status === 'ok' ? { status: 'not_configured' } : reading
    const { waiting, sent, rejected, last_flush, error } = row
    const isWell = error === null && waiting <= MAX_EXPORTS_WAITING
    const flushed = last_flush === null ? 'never' : last_flush.toISOString()
    const detail = `${sent} events sent, ${rejected} rejected, ${waiting} buffered; last flush: ${flushed}`
    return { status: isWell ? 'ok' : 'degraded', detail: error === null ? detail : `${detail}; unavailable` }
  }
  return { openmeter: of('openmeter'), lago: of('lago') }
}

function probeInference({ INFERENCE_UNAVAILABLE: reason }: FunctionConfig): ComponentHealth {
  return reason === undefined ? { status: 'ok' } : { status: 'degraded', detail: reason }
}

const NOT_CONFIGURED: Promise<ComponentHealth> = Promise.resolve({ status: 'not_configured' })

async function timed(
  probe: () => PromiseLike<unknown>,
  otherwise: 'error' | 'degraded',
): Promise<ComponentHealth> {
  const start = performance.now()
  try {
    await Promise.race([probe(), tooLong()])
    return { status: 'ok', latency_ms: Math.round((performance.now() - start) * 10) / 10 }
  } catch {
    return { status: otherwise, detail: 'did not answer' }
  }
}

function tooLong(): Promise<never> {
  return new Promise((_, reject) => setTimeout(() => reject(new Error('too long')), LIMIT_MS).unref())
}

async function succeed(url: string | URL, request: SentRequest): Promise<void> {
  const { status } = await sendRequest(new URL(url), request)
  if (status < 200 || status > 299) throw new Error(`answered ${status}`)
}
