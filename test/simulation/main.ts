/** Prints what fair admission comes to, as tables: `node test/simulation/main.ts`. The same figures each time. */
import { toTable } from '../bench/markdown.ts'
import { oneAfterFlood, quietTenant, runningAlone, sharesByTier, sharesOfMany, SLOTS } from './scenarios.ts'

const JOBS = 10_000
const TENANTS = 2000
const JOBS_OF_EACH = 5

const percent = (share: number) => `${(share * 100).toFixed(2)} %`
const seconds = (value: number) => `${value.toFixed(2)} s`
const write = (...parts: string[]) => process.stdout.write(`${parts.join('\n\n')}\n\n`)

const { shares, jain } = sharesByTier(JOBS)
write(
  `Shares of tokens, one tenant of each tier with more work than ${SLOTS} slots can do, ${JOBS} jobs. Jain's index by weight: ${jain.toFixed(6)}.`,
  toTable({
    columns: ['tenant', 'weight', 'share', 'due', 'off by'],
    rows: shares.map(({ name, weight, share, due }) => [
      name,
      String(weight),
      percent(share),
      percent(due),
      percent(Math.abs(share / due - 1)),
    ]),
  }),
)

const many = sharesOfMany(TENANTS, JOBS_OF_EACH)
write(
  `${TENANTS} tenants of all tiers at once, ${many.begun} jobs. Jain's index by weight: ${many.jain.toFixed(4)}.`,
  `A tenant alone begins ${runningAlone()} jobs at once in ${SLOTS} slots.`,
)

write(
  'One tenant queues 1,000 jobs, another of its tier asks once.',
  toTable({
    columns: ['slots', 'jobs that begin before its own', 'its wait'],
    rows: [1, 4, 8, 16, SLOTS, 64].map((slots) => {
      const { before, waitSeconds } = oneAfterFlood(slots)
      return [String(slots), String(before), seconds(waitSeconds)]
    }),
  }),
)

write(
  'A tenant that asks now and then: 99th percentile from its call to the end of its answer, by itself and beside one that floods.',
  toTable({
    columns: ['slots', 'alone', 'beside the flood', 'ratio'],
    rows: [8, 16, SLOTS, 64].map((slots) => {
      const { aloneSeconds, besideSeconds, ratio } = quietTenant(slots)
      return [String(slots), seconds(aloneSeconds), seconds(besideSeconds), ratio.toFixed(3)]
    }),
  }),
)
