/**
 * Load at a steady rate, whether or not answers keep up: what a server sees from many clients who know nothing of each
 * other. `autocannon` sends what is due in a second all at once at its beginning, which measures another thing.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Pool, type Dispatcher } from 'undici'
import type { HttpRequest } from '../http-request.ts'
import { summarise, type Load, type LoadResult } from './load.ts'

export interface OfferedLoad extends Load {
  /** Requests per second. */
  rate: number
}

const TIMEOUT_MS = 10_000
const TICK_MS = 1

/** Sends `rate` requests per second, evenly spread; one that finds all connections busy waits, and its wait counts. */
export async function offerLoad(port: number, load: OfferedLoad): Promise<LoadResult> {
  const { connections, rate, seconds, requests } = load
  const pool = new Pool(`http://127.0.0.1:${port}`, {
    connections,
    pipelining: 1,
    headersTimeout: TIMEOUT_MS,
  })
  const milliseconds: number[] = []
  const answers: Promise<boolean>[] = []
  const startedAt = performance.now()
  const isOver = () => performance.now() - startedAt >= seconds * 1000
  while (!isOver()) {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * rate)
    while (answers.length < due) {
      const request = requests[answers.length % requests.length] as HttpRequest
      answers.push(send(pool, request, milliseconds))
    }
    await delay(TICK_MS)
  }
  const outcomes = await Promise.all(answers)
  const elapsed = (performance.now() - startedAt) / 1000
  await pool.destroy()
  return summarise(milliseconds, outcomes.filter((isGood) => !isGood).length, elapsed)
}

/** Bare undici, since `fetch` costs the machine that is measured several times as much. */
function send(pool: Pool, request: HttpRequest, milliseconds: number[]): Promise<boolean> {
  const sentAt = performance.now()
  return new Promise((resolve) => {
    let status = 0
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart(_controller, code) {
        status = code
      },
      onResponseData() {},
      onResponseEnd() {
        const isGood = status >= 200 && status < 300
        if (isGood) milliseconds.push(performance.now() - sentAt)
        resolve(isGood)
      },
      onResponseError: () => resolve(false),
    }
    const { method, path, headers, body = null } = request
    pool.dispatch({ method, path, headers, body }, handler)
  })
}
