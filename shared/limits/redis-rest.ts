/** Redis over Upstash's REST protocol, loaded and connected with the first question: a cold start need not wait for it. */
import type { Redis } from '@upstash/redis'

export interface RedisRestOptions {
  url: string
  token: string
  timeoutMs: number
}

/** What of Redis is used here; throws what Redis refuses, and when it is away. */
export type Scripts = Pick<Redis, 'eval' | 'evalsha'>

/** Opens the client; asks nothing before it is asked, never again by itself, and each time within the limit. */
export function openRedisRest({ url, token, timeoutMs }: RedisRestOptions): () => Promise<Scripts> {
  let client: Promise<Scripts> | undefined
  const load = async () => {
    const { Redis } = await import('@upstash/redis')
    return new Redis({
      url,
      token,
      retry: false,
      signal: () => AbortSignal.timeout(timeoutMs),
      enableTelemetry: false,
      enableAutoPipelining: false,
      readYourWrites: false,
    })
  }
  return () => (client ??= load())
}
