/** Redis over Upstash's REST protocol, loaded and connected with the first question: a cold start need not wait for it. */

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

export function openRedisRest({ url, token, timeoutMs }: RedisRestOptions): RunScripts {
  let opening: ReturnType<typeof open> | undefined
  const open = async () => {
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
  return async ({ text, sha }, runs) => {
    const redis = await (opening ??= open())
    const send = async (form: 'eval' | 'evalsha', which: typeof runs) => {
      const pipeline = redis.pipeline()
      for (const { key, args } of which) pipeline[form](form === 'eval' ? text : sha, [key], args)
      return await pipeline.exec({ keepErrors: true })
    }
    // By its hash, which Redis knows unless it was restarted; it reports so in the message alone.
    const answers = await send('evalsha', runs)
    const isUnknown = answers.some(({ error }) => error?.includes('NOSCRIPT'))
    // It knows the script for all of them or for none.
    return (isUnknown ? await send('eval', runs) : answers).map(({ result, error }) => {
      if (error !== undefined) throw new Error(error)
      return result
    })
  }
}
