/** What row-level security costs: the same question as functions ask it, and as the owner with the tenant named. */
import type { ISql, PendingQuery, Row, Sql } from 'postgres'
import { openDatabase, withTenant, type Database } from '../../../shared/database/database.ts'
import { openMeasuredDatabase, type MeasuredDatabase } from '../functions.ts'
import { inTurn, ratio, show, type Bench, type Findings, type Section } from '../section.ts'
import { median, medianRatio, percentile, timeOf } from '../statistics.ts'

const TENANTS = 100
/** Of each table. */
const ROWS = 100_000
const WARM_UP_ROUNDS = 100

type Fragment = PendingQuery<Row[]>

/** Asks in `db`; `mine` is the condition on the tenant, where the database does not set it itself. */
type Question = (db: ISql, mine: Fragment) => PendingQuery<Row[]>

/** As the functions ask them. */
const QUESTIONS: Record<string, Question> = {
  'entity by name': (db, mine) => db`select * from entities where ${mine} and name = 'place_500'`,
  'entities by prefix': (db, mine) => db`
    select name from entities where ${mine} and name like ${'place\\_9%'} order by name limit 100`,
  'marks by time': (db, mine) => db`
    select id, path, outcome, at from marks where ${mine} order by at desc limit 50`,
  'marks of a node': (db, mine) => db`
    select id, path, outcome, at from marks
    where ${mine} and node = ${'world.place_5'}
    order by at desc, id desc limit 11`,
}

const POLICIES = 'app role with policies'
const NAMED = 'owner, tenant named'
const PLAIN = 'owner, tenant named, no tenant set'

type Way = (question: Question, tenant: string) => Promise<readonly Row[]>
type Ways = Record<typeof POLICIES | typeof NAMED | typeof PLAIN, Way>

export const rls: Section = { name: 'rls', title: 'Row-level security', run }

async function run({ quick, say }: Bench): Promise<Findings> {
  say('starting PostgreSQL')
  const database = await openMeasuredDatabase()
  await keepSameTime(database.owner)
  const pools: Database[] = []
  const open = (url: string) => {
    const pool = openDatabase(url, { connections: 1, prepare: true })
    pools.push(pool)
    return pool
  }
  try {
    say(`2 tables of ${ROWS} rows`)
    const tenants = await fill(database.owner)
    const ways = waysOf(database.urls, open)
    const tenantOf = (round: number) => tenants[round % TENANTS] ?? ''
    const lanes = Object.fromEntries(
      Object.entries(QUESTIONS).flatMap(([name, question]) =>
        Object.entries(ways).map(([way, ask]) => [
          laneOf(name, way),
          (round: number) => ask(question, tenantOf(round)),
        ]),
      ),
    )
    const names = Object.keys(lanes)
    const measure = (name: string, round: number) => timeOf(async () => lanes[name]?.(round))
    await inTurn(names, WARM_UP_ROUNDS, measure)
    const rounds = quick ? 100 : 1000
    const times = await inTurn(names, rounds, (name, round) => {
      if (name === names[0] && round % 200 === 0) say(`round ${round + 1} of ${rounds}`)
      return measure(name, round)
    })
    return toFindings(times, rounds, await plansOf(ways, tenantOf(0)))
  } finally {
    for (const pool of pools) await pool.close()
    await database.stop()
  }
}

function laneOf(question: string, way: string): string {
  return `${question}: ${way}`
}

/** Each with a connection of its own, so that all find theirs equally long asleep. */
function waysOf(urls: MeasuredDatabase['urls'], open: (url: string) => Database): Ways {
  const [app, owner, plain] = [open(urls.app), open(urls.owner), open(urls.owner)]
  return {
    [POLICIES]: (question, tenant) => withTenant(app, tenant, 'read', (db) => question(db, db`true`)),
    [NAMED]: (question, tenant) =>
      withTenant(owner, tenant, 'read', (db) => question(db, db`tenant_id = ${tenant}`)),
    [PLAIN]: (question, tenant) =>
      plain.sql.begin('read only', (db) => question(db, db`tenant_id = ${tenant}`)),
  }
}

/** Gives the owner the timeouts of the app role: to watch the time costs each of its questions something as well. */
async function keepSameTime(owner: Sql): Promise<void> {
  await owner`
    do $$
    declare
      setting text;
    begin
      foreach setting in array (select rolconfig from pg_roles where rolname = 'kgents_app') loop
        execute format('alter role current_user set %I = %L', split_part(setting, '=', 1), split_part(setting, '=', 2));
      end loop;
    end
    $$`
}

/** Answers the tenants. */
async function fill(owner: Sql): Promise<string[]> {
  const rows = await owner<
    { id: string }[]
  >`select gen_random_uuid() as id from generate_series(1, ${TENANTS})`
  const tenants = rows.map(({ id }) => id)
  const each = ROWS / TENANTS
  await owner`
    insert into entities (tenant_id, name, entity_type, description, state, metadata, created_by)
    select tenant, 'place_' || n, 'generic', 'A place', '{"size": 8}', '{}', tenant
    from unnest(${tenants}::uuid[]) as tenant cross join generate_series(1, ${each}) as n`
  // In the order of time, all tenants mixed, as calls leave them.
  await owner`
    insert into marks (id, tenant_id, path, node, category, outcome, archetype, effects, trace_id, duration_ms, at)
    select gen_random_uuid(), tenant, 'world.place_' || n % 20 || '.manifest', 'world.place_' || n % 20, 'P', 'success', 'developer', '{}',
      md5(n::text), 1, now() - (${each} - n) * interval '1 minute'
    from generate_series(1, ${each}) as n cross join unnest(${tenants}::uuid[]) as tenant`
  await owner`vacuum analyze entities`
  await owner`vacuum analyze marks`
  return tenants
}

interface Plan {
  'Node Type': string
  'Index Name'?: string
  'Index Cond'?: string
  'Parent Relationship'?: string
  Plans?: Plan[]
}

/** The plans of each question, with policies and without, in words. */
async function plansOf(ways: Ways, tenant: string): Promise<string> {
  const said: string[] = []
  for (const [name, question] of Object.entries(QUESTIONS)) {
    const explained: Question = (db, mine) => db`explain (format json) ${question(db, mine)}`
    const [bound, named] = [
      describe(await ways[POLICIES](explained, tenant)),
      describe(await ways[NAMED](explained, tenant)),
    ]
    said.push(`${name}: ${bound === named ? `${bound} in both` : `${bound}, against ${named}`}`)
  }
  return said.join('; ')
}

function describe([row]: readonly Row[]): string {
  const [explained] = (row?.['QUERY PLAN'] ?? []) as { Plan: Plan }[]
  return explained === undefined ? 'no plan' : describePlan(explained.Plan)
}

/** Node types from the outermost in, with the columns that an index is searched by; not what is computed once before. */
function describePlan(plan: Plan): string {
  const { 'Node Type': type, 'Index Name': index, 'Index Cond': condition, Plans = [] } = plan
  const searched = condition === undefined ? '' : ` by ${columnsOf(condition)}`
  const own = index === undefined ? type : `${type} of ${index}${searched}`
  const inner = Plans.filter((each) => each['Parent Relationship'] !== 'InitPlan').map(describePlan)
  return [own, ...inner].join(' > ')
}

/** The columns in a condition such as `((tenant_id = $1) AND (name = 'a'::text))`. */
function columnsOf(condition: string): string {
  const columns = [...condition.matchAll(/\("?([a-z_]+)"?[( ]/g)].map(([, name = '']) => name)
  return [...new Set(columns)].join(', ')
}

function toFindings(times: Record<string, number[]>, rounds: number, plans: string): Findings {
  const of = (question: string, way: string) => times[laneOf(question, way)] ?? []
  const p50 = (question: string, way: string) => median(of(question, way))
  return {
    method:
      `Two tables of ${ROWS} rows, ${TENANTS} tenants; each question ${rounds} times in turn, by the same driver, in a transaction, ` +
      'whole round trips. The owner is bound by no policy and names the tenant in the question, first with the tenant set for the ' +
      `transaction as functions set it, then without; ratios within a round. Plans: ${plans}.`,
    table: {
      columns: [
        'question',
        'with policies p50 ms',
        'p95 ms',
        'without p50 ms',
        'p95 ms',
        'of without',
        'of without, no tenant set',
      ],
      rows: Object.keys(QUESTIONS).map((question) => [
        question,
        show(p50(question, POLICIES)),
        show(percentile(of(question, POLICIES), 0.95)),
        show(p50(question, NAMED)),
        show(percentile(of(question, NAMED), 0.95)),
        ratio(medianRatio(of(question, POLICIES), of(question, NAMED))),
        ratio(medianRatio(of(question, POLICIES), of(question, PLAIN))),
      ]),
    },
  }
}
