/** Load by `vegeta`, which sends at a rate whether or not answers keep up: it opens more connections then. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { HttpRequest } from '../http-request.ts'
import type { Load, LoadResult } from './load.ts'
import type { OfferedLoad } from './offer-load.ts'

const vegeta = (...args: string[]) => promisify(execFile)('vegeta', args)

/** Times in nanoseconds. */
interface Report {
  latencies: { '50th': number; '95th': number; '99th': number }
  requests: number
  /** Share of all requests. */
  success: number
  duration: number
  wait: number
}

export function pushWithVegeta(port: number, load: Load): Promise<LoadResult> {
  return run(port, load, ['-rate=0', `-max-workers=${load.connections}`])
}

export function offerWithVegeta(port: number, load: OfferedLoad): Promise<LoadResult> {
  return run(port, load, [`-rate=${load.rate}/1s`])
}

async function run(
  port: number,
  { connections, seconds, requests }: Load,
  pace: readonly string[],
): Promise<LoadResult> {
  const folder = await mkdtemp(join(tmpdir(), 'kgents-bench-'))
  try {
    const [targets, results] = [join(folder, 'targets'), join(folder, 'results')]
    await writeFile(targets, requests.map((request) => `${toTarget(port, request)}\n`).join(''))
    await vegeta(
      'attack',
      '-format=json',
      `-targets=${targets}`,
      `-duration=${seconds}s`,
      `-connections=${connections}`,
      '-timeout=10s',
      `-output=${results}`,
      ...pace,
    )
    const { stdout } = await vegeta('report', '-type=json', results)
    return summarise(JSON.parse(stdout) as Report)
  } finally {
    await rm(folder, { recursive: true })
  }
}

function toTarget(port: number, { method, path, headers, body = '' }: HttpRequest): string {
  return JSON.stringify({
    method,
    url: `http://127.0.0.1:${port}${path}`,
    header: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    body: Buffer.from(body).toString('base64'),
  })
}

function summarise({ latencies, requests, success, duration, wait }: Report): LoadResult {
  const answers = Math.round(requests * success)
  return {
    requestsPerSecond: (answers / (duration + wait)) * 1e9,
    p50: latencies['50th'] / 1e6,
    p95: latencies['95th'] / 1e6,
    p99: latencies['99th'] / 1e6,
    errors: requests - answers,
    answers,
  }
}
