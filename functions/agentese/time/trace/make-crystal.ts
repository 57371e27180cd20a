/**
 * Makes crystals of what a person did. Each of level 0 goes on where the one before it ended, and the crystal of a day has all of
 * that day, so that it does not matter how often and when they are made.
 */
import type { Call } from '../../../../shared/contract/call.ts'
import { newId } from '../../../../shared/new-id.ts'
import type { Counts } from './crystal-rows.ts'
import { addCounts, countMarks, summarize, type CountedMark } from './crystal-summary.ts'

/** Marks of a crystal of level 0. */
const MIN_MARKS = 5
const MAX_MARKS = 50

/** What is looked for: marks of `user` from one moment to another, both inclusive. */
export interface Span {
  user: string
  from: Date
  to: Date
  session?: string | undefined
}

type Writing = Pick<Call, 'db' | 'identity'>

/**
 * Makes a crystal of the oldest marks in `span` that are in none; of 5 to 50.
 *
 * @returns its id, undefined where there are too few marks; and how many there were
 */
export async function crystallizeMarks(
  { user, from, to, session }: Span,
  { db, identity }: Writing,
): Promise<{ crystal?: string; marks: number }> {
  // Two at once would make one crystal each of marks that overlap.
  await db`select pg_advisory_xact_lock(hashtextextended(${`crystals/${identity.tenant}/${user}`}, 0))`
  const marks = await db<(CountedMark & { id: string; at: Date })[]>`
    with last as (
      select ends_at, sources[cardinality(sources)] as mark from crystals
      where user_id = ${user} and level = 0 order by ends_at desc, id desc limit 1
    )
    select id, path, outcome, charges, at from marks
    where user_id = ${user} and at >= ${from} and at <= ${to} and path <> 'time.trace.crystallize'
      and (at, id) > (coalesce((select ends_at from last), '-infinity'),
        coalesce((select mark from last), '00000000-0000-0000-0000-000000000000'))
    order by at, id limit ${MAX_MARKS}`
  const [first, last] = [marks[0], marks.at(-1)]
  if (first === undefined || last === undefined || marks.length < MIN_MARKS) return { marks: marks.length }
  const counts = countMarks(marks)
  const sources = marks.map(({ id }) => id)
  const id = newId()
  await db`
    insert into crystals (id, tenant_id, user_id, level, sources, starts_at, ends_at, session_id, counts, summary)
    select ${id}, ${identity.tenant}, ${user}, 0, ${sources}::text[]::uuid[], min(at), max(at), ${session ?? null}, ${db.json(counts)},
      ${summarize(first.at, last.at, counts)} from marks where id = any (${sources}::text[]::uuid[])`
  return { crystal: id, marks: marks.length }
}

interface DayRow {
  user_id: string
  day: string
  sources: string[]
  starts_at: Date
  ends_at: Date
  counts: Counts[]
}

/**
 * Makes crystals of days that are over, of all that their persons did in sessions; makes those anew to which something came.
 *
 * @returns what was made, and of whom
 */
export async function crystallizeDays(call: Writing): Promise<{ crystal: string; user: string }[]> {
  const days = await call.db<DayRow[]>`
    select user_id, (ends_at at time zone 'UTC')::date::text as day, json_agg(id order by ends_at, id) as sources,
      min(starts_at) as starts_at, max(ends_at) as ends_at, json_agg(counts order by ends_at, id) as counts
    from crystals
    where level = 0 and (user_id, (ends_at at time zone 'UTC')::date) in (
      select user_id, (ends_at at time zone 'UTC')::date from crystals
      where level = 0 and part_of is null and ends_at < date_trunc('day', now(), 'UTC'))
    group by 1, 2 order by 1, 2`
  const made = []
  for (const day of days) made.push({ crystal: await keepDay(day, call), user: day.user_id })
  return made
}

async function keepDay(row: DayRow, { db, identity }: Writing): Promise<string> {
  const { user_id, day, sources, starts_at, ends_at } = row
  const counts = addCounts(row.counts)
  const [kept] = await db<{ id: string }[]>`
    insert into crystals (id, tenant_id, user_id, level, sources, starts_at, ends_at, day, counts, summary)
    values (${newId()}, ${identity.tenant}, ${user_id}, 1, ${sources}::text[]::uuid[], ${starts_at}, ${ends_at}, ${day}, ${db.json(counts)},
      ${summarize(starts_at, ends_at, counts)})
    on conflict (tenant_id, user_id, day) where level = 1 do update set
      sources = excluded.sources, starts_at = excluded.starts_at, ends_at = excluded.ends_at, counts = excluded.counts,
      summary = excluded.summary, model = null
    returning id`
  const id = kept?.id ?? ''
  await db`update crystals set part_of = ${id} where id = any (${sources}::text[]::uuid[])`
  return id
}
