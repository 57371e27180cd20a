/**
 * The token buckets of all tenants in Redis, so that processes share them: one hash per tenant, read, refilled by the
 * server's clock and written by one script. What is not granted takes nothing, and a full bucket is not kept.
 *
 * The script is our own because that of @upstash/ratelimit from 2.1 on runs on Upstash only.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Scripts } from './redis-rest.ts'
import type { BucketShape, Level } from './token-bucket.ts'

export interface Grant {
  /** How many of the wanted tokens there were. */
  granted: number
  /** What is left. */
  level: Level
}

/** Where tokens come from that several processes share. */
export interface TokenSource {
  /** Takes up to `want` tokens of the tenant; throws when the source is away. */
  take(tenant: string, shape: BucketShape, want: number): Promise<Grant>
}

/** Levels are returned in thousandths, because Redis cuts a script's numbers to whole ones. */
const SCRIPT = `
local burst_size, burst_rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local hour_size, hour_rate = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local saved = redis.call('HMGET', KEYS[1], 'burst', 'hour', 'at')
local passed = math.max(0, now - (tonumber(saved[3]) or now))
local burst = math.min(burst_size, (tonumber(saved[1]) or burst_size) + passed * burst_rate)
local hour = math.min(hour_size, (tonumber(saved[2]) or hour_size) + passed * hour_rate)
local granted = math.max(0, math.floor(math.min(burst, hour, tonumber(ARGV[5]))))
if granted > 0 then
  burst, hour = burst - granted, hour - granted
  redis.call('HSET', KEYS[1], 'burst', burst, 'hour', hour, 'at', now)
  local full_in = math.max((burst_size - burst) / burst_rate, (hour_size - hour) / hour_rate)
  redis.call('PEXPIRE', KEYS[1], math.ceil(full_in))
end
return { granted, math.floor(burst * 1000), math.floor(hour * 1000) }
`
const SHA = createHash('sha1').update(SCRIPT).digest('hex')

/** The bucket of every tenant in the Redis that `open` reaches. */
export function createRedisBucket(open: () => Promise<Scripts>): TokenSource {
  return {
    async take(tenant, { burst, burstRate, hour, hourRate }, want) {
      const numbers = [burst, burstRate, hour, hourRate, want].map(String)
      const answer = await run(await open(), `rate:${tenant}`, numbers)
      const [granted, burstLeft, hourLeft] = Answer.parse(answer)
      return { granted, level: { burst: burstLeft / 1000, hour: hourLeft / 1000 } }
    },
  }
}

const Answer = z.tuple([z.number(), z.number(), z.number()])

/** By its hash, which Redis knows unless it was restarted. */
async function run(redis: Scripts, key: string, args: string[]): Promise<unknown> {
  try {
    return await redis.evalsha(SHA, [key], args)
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('NOSCRIPT'))) throw error
    return await redis.eval(SCRIPT, [key], args)
  }
}
