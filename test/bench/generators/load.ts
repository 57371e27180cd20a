/** Load without pause: each connection sends its next request when it has its answer, as `autocannon` does. */
import autocannon from 'autocannon'
import type { HttpRequest } from '../http-request.ts'
import { percentile } from '../statistics.ts'

export interface Load {
  connections: number
  seconds: number
  /** Sent in turn by every connection. */
  requests: readonly HttpRequest[]
}

export interface LoadResult {
  requestsPerSecond: number
  p50: number
  p95: number
  p99: number
  /** Answers other than 2xx, and requests without one. */
  errors: number
  answers: number
}

/** Puts as much load on `port` as it takes. */
export async function pushLoad(port: number, { connections, seconds, requests }: Load): Promise<LoadResult> {
  const milliseconds: number[] = []
  let errors = 0
  const startedAt = performance.now()
  const run = autocannon({
    url: `http://127.0.0.1:${port}`,
    connections,
    duration: seconds,
    requests: [...requests],
  })
  run.on('response', (_client, status, _bytes, time) => {
    if (status >= 200 && status < 300) milliseconds.push(time)
    else errors += 1
  })
  await run
  return summarise(milliseconds, errors, (performance.now() - startedAt) / 1000)
}

export function summarise(milliseconds: readonly number[], errors: number, seconds: number): LoadResult {
  return {
    requestsPerSecond: milliseconds.length / seconds,
    p50: percentile(milliseconds, 0.5),
    p95: percentile(milliseconds, 0.95),
    p99: percentile(milliseconds, 0.99),
    errors,
    answers: milliseconds.length,
  }
}
