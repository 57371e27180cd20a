/**
 * What a tenant has used, from the sums and from what is not in them yet. Both are read in one statement, so that nothing is
 * missing and nothing is there twice, however far the counting is.
 */
import type { PendingQuery, Row } from 'postgres'
import type { Db } from '../database/database.ts'
import { segmentsOf, type Span } from './segments.ts'

/** A query that is a part of another one. */
export type Fragment = PendingQuery<Row[]>

/** Columns of the rows in the queries below: `quarter`, `meter`, `quantity`. */
export function quartersOf(db: Db, from: Date, to: Date, meters: readonly string[]): Fragment {
  return db`
    select quarter, meter, quantity from usage_quarters
    where meter = any(${meters as string[]}) and quarter >= ${from} and quarter < ${to}
    union all
    select date_bin('15 minutes', at, '2000-01-01T00:00Z'), meter, quantity from usage_tail(${from}, ${to})
    where meter = any(${meters as string[]})`
}

/** Columns of the rows: `at`, `meter`, `path`, `model`, `person`, `key`, `quantity`. */
export function linesOf(db: Db, from: Date, to: Date, meters: readonly string[]): Fragment {
  const { days, hours, parts } = segmentsOf(from, to)
  const wanted = db`meter = any(${meters as string[]})`
  const what = db`meter, path, model, person, key, quantity`
  const ofDays = ([first, last]: Span) => db`
    select day::timestamp at time zone 'UTC' as at, ${what} from usage_daily
    where ${wanted} and day >= ${dayOf(first)}::date and day < ${dayOf(last)}::date`
  const ofHours = ([first, last]: Span) => db`
    select hour as at, ${what} from usage_hourly where ${wanted} and hour >= ${first} and hour < ${last}`
  const ofPart = ([first, last]: Span) => db`
    select ${first}::timestamptz as at, ${what} from usage_of_part(${first}, ${last}) where ${wanted}`
  const uncounted = db`select at, ${what} from usage_tail(${from}, ${to}) where ${wanted}`
  return [...days.map(ofDays), ...hours.map(ofHours), ...parts.map(ofPart)].reduce<Fragment>(
    (all, each) => db`${all} union all ${each}`,
    uncounted,
  )
}

/** What a row counts as, for rows whose moment is in the column `at`: bytes times hours become parts of a month (UTC). */
export function quantityOf(db: Db, at: string): Fragment {
  const month = db`date_trunc('month', ${db.unsafe(at)}, 'UTC')`
  return db`case when meter = 'storage_byte_hours'
    then quantity * 3600 / 1e9 / extract(epoch from (${month} at time zone 'UTC' + interval '1 month') - ${month} at time zone 'UTC')
    else quantity end`
}

/** The name of a meter as callers know it. */
export function nameOf(db: Db): Fragment {
  return db`case meter when 'storage_byte_hours' then 'storage_gb_months' else meter end`
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10)
}
