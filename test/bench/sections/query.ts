/** What a query over a tenant's own nodes costs, beside the bare `select` of their names. */
import type { Sql } from 'postgres'
import { parseQuery, toLike } from '../../../shared/agentese/query.ts'
import { openDatabase, withTenant, type Database } from '../../../shared/database/database.ts'
import { openMeasuredFunctions, type Caller } from '../functions.ts'
import { inTurn, ratio, show, type Bench, type Findings, type Section } from '../section.ts'
import { median, percentile, timeOf } from '../statistics.ts'

const PATTERNS = ['?world.*', '?world.place_1*', '?*.*.manifest'] as const
const LIMIT = 100
const NODES = 1000
/** Others share the table. */
const OTHER_TENANTS = 20
const WARM_UP_ROUNDS = 50
const WANTED_P95_MS = 10

export const query: Section = { name: 'query', title: 'Queries', run }

async function run({ quick, say }: Bench): Promise<Findings> {
  say('starting PostgreSQL')
  const functions = await openMeasuredFunctions()
  const app = openDatabase(functions.urls.app, { connections: 1, prepare: true })
  try {
    say(`${(OTHER_TENANTS + 1) * NODES} entities`)
    const caller = await functions.newCaller()
    await insertEntities(functions.owner, caller)
    const matches = await countMatches(caller)
    const names = PATTERNS.flatMap((pattern) => [pattern, bare(pattern)])
    const measure = (name: string) =>
      timeOf(() => (PATTERNS.some((each) => each === name) ? ask(caller, name) : select(app, caller, name)))
    await inTurn(names, WARM_UP_ROUNDS, measure)
    const rounds = quick ? 50 : 500
    const times = await inTurn(names, rounds, (name, round) => {
      if (name === PATTERNS[0] && round % 100 === 0) say(`round ${round + 1} of ${rounds}`)
      return measure(name)
    })
    return toFindings(times, matches)
  } finally {
    await app.close()
    await functions.stop()
  }
}

/** The name of the reference of a pattern. */
function bare(pattern: string): string {
  return `select ${pattern}`
}

async function insertEntities(owner: Sql, { tenant, user }: Caller): Promise<void> {
  await owner`
    insert into entities (tenant_id, name, entity_type, description, state, metadata, created_by)
    select tenant, 'place_' || n, 'generic', 'A place', '{"size": 8}', '{}', ${user}
    from (select ${tenant}::uuid as tenant union all select gen_random_uuid() from generate_series(1, ${OTHER_TENANTS}))
      cross join generate_series(1, ${NODES}) as n`
  await owner`vacuum analyze entities`
}

function ask({ calls }: Caller, pattern: string): Promise<unknown> {
  return calls('GET', `/v1/agentese/query?limit=${LIMIT}&pattern=${encodeURIComponent(pattern)}`)
}

function select(app: Database, { tenant }: Caller, name: string): Promise<unknown> {
  const like = toLike(parseQuery(name.slice(bare('').length)).holon)
  return withTenant(
    app,
    tenant,
    'read',
    (db) => db`select name from entities where name like ${like} order by name limit ${LIMIT}`,
  )
}

/** How many there are for each pattern, in the order of the patterns. */
async function countMatches(caller: Caller): Promise<number[]> {
  const counts: number[] = []
  for (const pattern of PATTERNS) {
    const { total_count, matches } = (await ask(caller, pattern)) as {
      total_count: number
      matches: unknown[]
    }
    if (matches.length !== LIMIT) throw new Error(`Cannot measure ${pattern}: ${matches.length} matches`)
    counts.push(total_count)
  }
  return counts
}

function toFindings(times: Record<string, number[]>, matches: number[]): Findings {
  const of = (name: string, share: number) => percentile(times[name] ?? [], share)
  const worst = Math.max(...PATTERNS.map((pattern) => of(pattern, 0.95)))
  return {
    method:
      `\`GET /v1/agentese/query\` with limit ${LIMIT}, by one caller without a network in between, whose tenant has ${NODES} ` +
      `entities; ${OTHER_TENANTS} others have as many. ${times[PATTERNS[0]]?.length} of each in turn. Bare select: the names of that page ` +
      'and nothing else, by the same driver and role, in a transaction with the tenant set.',
    table: {
      columns: ['pattern', 'matches', 'p50 ms', 'p95 ms', 'bare select p50 ms', 'p95 ms', 'of bare select'],
      rows: PATTERNS.map((pattern, at) => [
        `\`${pattern}\``,
        matches[at] ?? Number.NaN,
        show(of(pattern, 0.5)),
        show(of(pattern, 0.95)),
        show(of(bare(pattern), 0.5)),
        show(of(bare(pattern), 0.95)),
        ratio(median(times[pattern] ?? []) / median(times[bare(pattern)] ?? [])),
      ]),
    },
    targets: [
      {
        what: `p95 of a query over ${NODES} nodes`,
        wanted: `< ${WANTED_P95_MS} ms`,
        measured: `${show(worst)} ms`,
        met: worst < WANTED_P95_MS,
      },
    ],
  }
}
