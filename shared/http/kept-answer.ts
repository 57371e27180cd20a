/** Answers that anybody may keep for a while: written once in a process, and not sent again to who has them. */
import { createHash } from 'node:crypto'
import type { EndpointFacts } from '../contract/facts.ts'

export interface KeptAnswer {
  text: string
  etag: string
  headers: Record<string, string>
}

const kept = new WeakMap<EndpointFacts, { body: unknown; answer: KeptAnswer }>()

/** The answer to `body`; written anew only where the endpoint came to another one than before. */
export function keptAnswer(endpoint: EndpointFacts, body: unknown, write: () => string): KeptAnswer {
  const last = kept.get(endpoint)
  if (last !== undefined && last.body === body) return last.answer
  const text = write()
  const etag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`
  const headers = { ETag: etag, 'Cache-Control': `public, max-age=${endpoint.maxAgeSeconds ?? 0}` }
  const answer = { text, etag, headers }
  kept.set(endpoint, { body, answer })
  return answer
}

/** Whether `If-None-Match` names `etag`; a proxy that compresses makes it a weak one. */
export function knows(ifNoneMatch: string | undefined, etag: string): boolean {
  const names = ifNoneMatch?.split(',').map((name) => name.trim().replace(/^W\//, '')) ?? []
  return names.includes(etag) || names.includes('*')
}
