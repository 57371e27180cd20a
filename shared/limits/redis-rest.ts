/** Redis over Upstash's REST protocol, as far as scripts need it. */
import type { Redis, Requester, UpstashRequest, UpstashResponse } from '@upstash/redis'
import { sendRequest } from '../send-request.ts'

export interface RedisRestOptions {
  url: string
  token: string
  timeoutMs: number
}

export interface Script {
  text: string
  /** Of `text`, SHA-1, by which Redis knows it. */
  sha: string
}

/**
 * Runs a script for several keys in one request; answers in the same order.
 *
 * Throws what Redis refuses, and where it is unavailable or does not answer in time; nothing is repeated by itself.
 */
export type RunScripts = (
  script: Script,
  runs: readonly { key: string; args: string[] }[],
) => Promise<unknown[]>

/** Loads the client and connects with the first question: a cold start need not wait for it. */
export function openRedisRest(options: RedisRestOptions): RunScripts {
  let opening: Promise<Redis> | undefined
  const open = async () => {
    const { Redis } = await import('@upstash/redis')
    return new Redis(requesterOf(options))
  }
  return async ({ text, sha }, runs) => {
    const redis = await (opening ??= open())
    const send = async (form: 'eval' | 'evalsha', script: string) => {
      const pipeline = redis.pipeline()
      for (const { key, args } of runs) pipeline[form](script, [key], args)
      const answers = await pipeline.exec({ keepErrors: true })
      if (answers.length !== runs.length) throw new Error(`Redis gave ${answers.length} answers`)
      return answers
    }
    // By its hash, which Redis knows unless it was restarted; it reports so in the message alone.
    const answers = await send('evalsha', sha)
    const isUnknown = answers.some(({ error }) => error?.includes('NOSCRIPT'))
    // It knows the script for all of them or for none.
    return (isUnknown ? await send('eval', text) : answers).map(({ result, error }) => {
      if (error !== undefined) throw new Error(error)
      return result
    })
  }
}

/** In the place of the client's own, which uses `fetch`, repeats what failed and sends telemetry. */
function requesterOf({ url, token, timeoutMs }: RedisRestOptions): Requester {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return {
    async request<T>({ path = [], body }: UpstashRequest) {
      const to = new URL(url)
      to.pathname = [to.pathname.replace(/\/$/, ''), ...path].join('/')
      const sent = { method: 'POST', headers, body: JSON.stringify(body), timeoutMs } as const
      const { status, text } = await sendRequest(to, sent)
      if (status !== 200) throw new Error(`Redis answered ${status}: ${text}`)
      return JSON.parse(text) as UpstashResponse<T> // reason: of the type that the client's command has
    },
  }
}
