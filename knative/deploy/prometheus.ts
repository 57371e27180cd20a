/**
 * What Prometheus knows of a revision's requests, from the histogram that each pod's queue-proxy keeps
 * (`kn.serving.invocation.duration`; durations without the start of the pod, probes not counted).
 *
 * Pods that sleep soon are scraped a few times at most, and their series begin with the first requests already counted, of
 * which `increase()` would see nothing. So a series counts from its value at the beginning of the window, or from 0 where it
 * is younger.
 */
import { Unavailable } from './api-errors.ts'
import type { Figures } from './judge.ts'

export type Requests = Pick<Figures, 'requests' | 'errors' | 'refusals' | 'p95'>

export interface Metrics {
  /** What `revision` did in the last `seconds`. @throws Unavailable */
  requestsOf(revision: string, seconds: number): Promise<Requests>
}

const HISTOGRAM = 'kn_serving_invocation_duration_seconds'

/** The label that names the revision. Prometheus has it where resource attributes become labels. */
export const REVISION_LABEL = 'kn_revision_name'

/** The PromQL of each figure. */
export function queriesFor(revision: string, seconds: number, label = REVISION_LABEL) {
  const of = `${label}="${revision}"`
  const count = (more: string) => `sum(${grown(`${HISTOGRAM}_count{${of}${more}}`, seconds)}) or vector(0)`
  return {
    requests: count(''),
    errors: count(',http_response_status_code=~"5.."'),
    refusals: count(',http_response_status_code=~"4.."'),
    p95: `histogram_quantile(0.95, sum by (le) (${grown(`${HISTOGRAM}_bucket{${of}}`, seconds)}))`,
  } satisfies Record<keyof Requests, string>
}

function grown(series: string, seconds: number): string {
  const last = `max_over_time(${series}[${seconds}s])`
  return `${last} - (${series} offset ${seconds}s or ${last} * 0)`
}

interface Answer {
  status: string
  data?: { result: { value: [time: number, value: string] }[] }
}

const TIMEOUT_MS = 10_000

/** @param url where Prometheus answers, with a path prefix where it has one, and with user and password where it wants them */
export function openPrometheus(url: string, label = REVISION_LABEL): Metrics {
  const { origin, pathname, username, password } = new URL(url)
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const headers: Record<string, string> =
    username === '' ? {} : { authorization: `Basic ${Buffer.from(user).toString('base64')}` }
  const ask = async (query: string): Promise<number | undefined> => {
    const path = `${pathname.replace(/\/$/, '')}/api/v1/query?query=${encodeURIComponent(query)}`
    const answer = await get(origin, path, headers)
    const value = Number(answer.data?.result[0]?.value[1] ?? Number.NaN)
    return Number.isNaN(value) ? undefined : value
  }
  return {
    async requestsOf(revision, seconds) {
      const { requests, errors, refusals, p95 } = queriesFor(revision, Math.max(1, Math.ceil(seconds)), label)
      const [all = 0, failed = 0, refused = 0, slow] = await Promise.all(
        [requests, errors, refusals, p95].map(ask),
      )
      return { requests: all, errors: failed, refusals: refused, p95: slow }
    },
  }
}

async function get(origin: string, path: string, headers: Record<string, string>): Promise<Answer> {
  try {
    const response = await fetch(origin + path, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (!response.ok) throw new Error(`status ${response.status}`)
    // As documented for the HTTP API of Prometheus.
    return (await response.json()) as Answer
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Unavailable(`Cannot ask Prometheus at "${origin}": ${reason}`, { cause: error })
  }
}
