/** Requests of our own, where a revision gets too few of others: they show that it answers, and little more. */
import { request } from 'node:http'
import type { Requests } from './prometheus.ts'

export interface Prober {
  /** Sends `count` requests to the address of a tag. */
  probe(url: string, count: number): Promise<Requests>
}

const AT_ONCE = 5
const TIMEOUT_MS = 30_000

interface Outcome {
  /** Undefined where there was no answer. */
  status: number | undefined
  seconds: number
}

/**
 * @param path what is requested with GET
 * @param ingress `host:port` that answers for every cluster name, where the command runs outside the cluster
 */
export function openProber(path: string, ingress?: string): Prober {
  return {
    async probe(url, count) {
      // The first may find no pod. What a start takes is judged by the times of pods, so it counts here as an answer alone.
      const first = await get(url, path, ingress)
      const others: Outcome[] = []
      while (others.length < count - 1) {
        const size = Math.min(AT_ONCE, count - 1 - others.length)
        others.push(...(await Promise.all(Array.from({ length: size }, () => get(url, path, ingress)))))
      }
      return summarize(first, others)
    },
  }
}

function summarize(first: Outcome, others: readonly Outcome[]): Requests {
  const all = [first, ...others]
  const answered = others.filter(({ status }) => status !== undefined).map(({ seconds }) => seconds)
  const sorted = answered.sort((a, b) => a - b)
  const has =
    (from: number) =>
    ({ status = 599 }: Outcome) =>
      status >= from && status < from + 100
  return {
    requests: all.length,
    errors: all.filter(has(500)).length,
    refusals: all.filter(has(400)).length,
    p95: sorted[Math.ceil(sorted.length * 0.95) - 1],
  }
}

/** The name of the Service goes in the header `Host`, which `fetch` does not let us set. */
async function get(url: string, path: string, ingress: string | undefined): Promise<Outcome> {
  const { host, hostname, port } = new URL(url)
  const { hostname: target, port: targetPort } =
    ingress === undefined ? { hostname, port } : new URL(`http://${ingress}`)
  const started = performance.now()
  const status = await new Promise<number | undefined>((resolve) => {
    const options = { host: target, port: targetPort || 80, path, headers: { host }, timeout: TIMEOUT_MS }
    const sent = request(options, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode))
      response.once('error', () => resolve(undefined))
    })
    sent.once('timeout', () => sent.destroy())
    sent.once('error', () => resolve(undefined))
    sent.end()
  })
  return { status, seconds: (performance.now() - started) / 1000 }
}
