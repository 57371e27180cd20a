/**
 * The token buckets of all tenants in Redis, so that processes share them: one hash per tenant, read, refilled by the
 * server's clock and written by one script. What is not granted takes nothing, and a full bucket is not kept.
 *
 * The script is our own because that of @upstash/ratelimit from 2.1 on runs on Upstash only.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Grant, SharedBuckets, Spending } from './budgets.ts'
import type { RunScripts } from './redis-rest.ts'

/** Levels are returned in thousandths, because Redis cuts a script's numbers to whole ones. */
const SCRIPT = `
local burst_size, burst_rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local hour_size, hour_rate = tonumber(ARGV[3]), tonumber(ARGV[4])
local spent, want = tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local saved = redis.call('HMGET', KEYS[1], 'burst', 'hour', 'at')
local passed = math.max(0, now - (tonumber(saved[3]) or now))
local burst = math.min(burst_size, (tonumber(saved[1]) or burst_size) + passed * burst_rate) - spent
local hour = math.min(hour_size, (tonumber(saved[2]) or hour_size) + passed * hour_rate) - spent
local granted = math.max(0, math.floor(math.min(burst, hour, want)))
burst, hour = burst - granted, hour - granted
if granted + spent > 0 then
  redis.call('HSET', KEYS[1], 'burst', burst, 'hour', hour, 'at', now)
  local full_in = math.max((burst_size - burst) / burst_rate, (hour_size - hour) / hour_rate)
  redis.call('PEXPIRE', KEYS[1], math.ceil(full_in))
end
return { granted, math.floor(burst * 1000), math.floor(hour * 1000) }
`
const SHA = createHash('sha1').update(SCRIPT).digest('hex')

const Answer = z.tuple([z.number(), z.number(), z.number()])

/** The buckets of every tenant in the Redis where `run` runs scripts. */
export function createRedisBuckets(run: RunScripts): SharedBuckets {
  return {
    async reconcile(spendings) {
      const answers = await run({ text: SCRIPT, sha: SHA }, spendings.map(argumentsOf))
      return answers.map((answer): Grant => {
        const [granted, burst, hour] = Answer.parse(answer)
        return { granted, level: { burst: burst / 1000, hour: hour / 1000 } }
      })
    },
  }
}

function argumentsOf({ tenant, shape, spent, want }: Spending) {
  const { burst, burstRate, hour, hourRate } = shape
  return { key: `rate:${tenant}`, args: [burst, burstRate, hour, hourRate, spent, want].map(String) }
}
