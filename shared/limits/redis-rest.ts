/** Redis over Upstash's REST protocol, as far as scripts need it. */
import { z } from 'zod'
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

const Answers = z.array(z.object({ result: z.unknown().optional(), error: z.string().optional() }))

/** Connects with the first question: a cold start need not wait for it. */
export function openRedisRest(options: RedisRestOptions): RunScripts {
  return async ({ text, sha }, runs) => {
    const send = async (command: string, script: string) => {
      const commands = runs.map(({ key, args }) => [command, script, 1, key, ...args])
      return Answers.length(runs.length).parse(await sendPipeline(options, commands))
    }
    // By its hash, which Redis knows unless it was restarted; it reports so in the message alone.
    const answers = await send('EVALSHA', sha)
    const isUnknown = answers.some(({ error }) => error?.includes('NOSCRIPT'))
    // It knows the script for all of them or for none.
    return (isUnknown ? await send('EVAL', text) : answers).map(({ result, error }) => {
      if (error !== undefined) throw new Error(error)
      return result
    })
  }
}

/** @throws Error where the answer is none of 200, or none in time */
async function sendPipeline(
  { url, token, timeoutMs }: RedisRestOptions,
  commands: unknown,
): Promise<unknown> {
  const to = new URL(url)
  to.pathname = `${to.pathname.replace(/\/$/, '')}/pipeline`
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const body = JSON.stringify(commands)
  const { status, text } = await sendRequest(to, { method: 'POST', headers, body, timeoutMs })
  if (status !== 200) throw new Error(`Redis answered ${status}: ${text}`)
  return JSON.parse(text)
}
