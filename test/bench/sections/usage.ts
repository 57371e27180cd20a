/**
 * What it takes to ask what a tenant has used: of sums, beside the ledger itself. The rows are made in the database, a day at a
 * time, and counted as the relay counts them.
 */
import type { Sql } from 'postgres'
import { openMeasuredFunctions, type Caller } from '../functions.ts'
import { inTurn, show, type Bench, type Findings, type Section } from '../section.ts'
import { median, percentile, timeOf } from '../statistics.ts'

const DAYS = 30
const PATHS = 20
const MODELS = 3
const PEOPLE = 10
const MONTH = 'from=2026-10-01&to=2026-10-31'

const QUESTIONS: Record<string, string> = {
  'by day': `by=day&${MONTH}`,
  'by day, all meters': `by=day&${MONTH}&limit=1000`,
  'by day of Kolkata': `by=day&${MONTH}&timezone=Asia/Kolkata`,
  'by hour': `by=hour&${MONTH}&limit=1000`,
  'by path': `by=path&${MONTH}`,
  'by path, a month of Kolkata': `by=path&${MONTH}&timezone=Asia/Kolkata`,
  'by model': `by=model&${MONTH}`,
  'by person': `by=person&${MONTH}`,
  'by key': `by=key&${MONTH}`,
}
const LEDGER = 'the same by path, from the ledger'

export const usage: Section = { name: 'usage', title: 'Usage over a large ledger', run }

async function run({ quick, say }: Bench): Promise<Findings> {
  const rows = quick ? 999_990 : 10_000_020
  say('starting PostgreSQL and functions')
  const functions = await openMeasuredFunctions()
  try {
    const caller = await functions.newCaller(['admin', 'developer'])
    const seconds = await fill(functions.owner, caller, rows, say)
    const lanes: Record<string, () => Promise<unknown>> = Object.fromEntries(
      Object.entries(QUESTIONS).map(([name, query]) => [
        name,
        () => caller.calls('GET', `/v1/usage?${name.includes('all') ? '' : 'meter=tokens&'}${query}`),
      ]),
    )
    const names = Object.keys(lanes)
    await inTurn(names, 10, async (name) => lanes[name]?.())
    const rounds = quick ? 30 : 100
    const times = await inTurn(names, rounds, (name) => timeOf(async () => lanes[name]?.()))
    say('asking the ledger itself')
    const ledger = await timeOf(() => askLedger(functions.owner, caller))
    return toFindings(times, ledger, { rows, rounds, seconds })
  } finally {
    await functions.stop()
  }
}

/** Answers how long the counting took. */
async function fill(owner: Sql, { tenant, user }: Caller, rows: number, say: Bench['say']): Promise<number> {
  let seconds = 0
  await owner.unsafe('set synchronous_commit = off')
  // Not used here, and made faster afterwards.
  await owner.unsafe('drop index charges_once, charges_by_time')
  for (let day = 0; day < DAYS; day += 1) {
    if (day % 5 === 0) say(`day ${day + 1} of ${DAYS}: ${rows / DAYS} rows each`)
    await owner`
      insert into charges (tenant_id, reservation_id, kind, resource, amount, path, at, user_id, key_id, model)
      select ${tenant}, uuidv7(at - now()), 'settled', 'tokens', 500 + n % 100, 'world.h' || n % ${PATHS}::int || '.manifest', at,
        md5('user' || n / 7 % ${PEOPLE}::int)::uuid, md5('key' || n / 7 % ${PEOPLE}::int)::uuid, 'model-' || n / 3 % ${MODELS}::int
      from (
        select n, '2026-10-01T00:00Z'::timestamptz + ${day}::int * interval '1 day' + n * interval '1 day' / ${rows / DAYS}::int as at
        from generate_series(0, ${rows / DAYS}::int - 1) as n
      ) as each`
    seconds += (await timeOf(() => owner`select roll_up_usage()`)) / 1000
  }
  // Some that are not counted yet, as there always are.
  await owner`
    insert into charges (tenant_id, reservation_id, kind, resource, amount, path, at, user_id)
    select ${tenant}, gen_random_uuid(), 'settled', 'tokens', 1, 'world.h1.manifest', '2026-10-30T23:00Z', ${user}
    from generate_series(1, 1000)`
  say('indexing and analysing')
  await owner.unsafe('create index charges_by_time on charges (tenant_id, at desc)')
  await owner.unsafe('vacuum analyze charges')
  await owner.unsafe('vacuum analyze usage_hourly')
  await owner.unsafe('vacuum analyze usage_daily')
  await owner.unsafe('vacuum analyze usage_quarters')
  return seconds
}

async function askLedger(owner: Sql, { tenant }: Caller): Promise<void> {
  await owner`
    select path, sum(amount) from charges
    where tenant_id = ${tenant} and kind = 'settled' and resource = 'tokens'
      and at >= '2026-10-01T00:00Z' and at < '2026-10-31T00:00Z' group by 1 order by 2 desc limit 100`
}

interface Size {
  rows: number
  rounds: number
  seconds: number
}

function toFindings(
  times: Record<string, number[]>,
  ledger: number,
  { rows, rounds, seconds }: Size,
): Findings {
  const of = (name: string) => times[name] ?? []
  const slowest = Math.max(...Object.keys(QUESTIONS).map((name) => percentile(of(name), 0.95)))
  return {
    method:
      `${show(rows)} charges of one tenant in ${DAYS} days, of ${PATHS} paths, ${MODELS} models and ${PEOPLE} people with a key each, and 1,000 ` +
      `that are not counted yet. Each question ${rounds} times in turn, through the whole pipeline of a function, without a network. ` +
      `Counting them took ${show(seconds)} s: ${show(rows / seconds)} rows a second.`,
    table: {
      columns: ['GET /v1/usage', 'least ms', 'p50 ms', 'p95 ms', 'p50 of the ledger'],
      rows: [
        ...Object.keys(QUESTIONS).map((name) => [
          name,
          show(Math.min(...of(name))),
          show(median(of(name))),
          show(percentile(of(name), 0.95)),
          `${((median(of(name)) / ledger) * 100).toFixed(2)} %`,
        ]),
        [LEDGER, show(ledger), '-', '-', '100 %'],
      ],
    },
    targets: [
      {
        what: `Usage over ${show(rows)} rows of the ledger, the slowest question, p95`,
        wanted: 'under 50 ms',
        measured: `${show(slowest)} ms`,
        met: slowest < 50,
      },
    ],
  }
}
