/** Usage by time, and by what was used. */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../shared/contract/pages.ts'
import { METER_NAMES, storedName, type Meter } from '../../../shared/metering/meters.ts'
import { linesOf, nameOf, quantityOf, quartersOf, type Fragment } from '../../../shared/metering/sums.ts'
import type { Period } from './period.ts'

export const BY_TIME = ['hour', 'day', 'month'] as const
export const BY_LABEL = ['path', 'model', 'person', 'key'] as const
export type ByTime = (typeof BY_TIME)[number]
export type ByLabel = (typeof BY_LABEL)[number]

export const UsageRow = z.strictObject({
  period: z.string().optional().describe('An hour as a moment, a day (2026-11-27) or a month (2026-11)'),
  label: z.string().nullable().optional().describe('A path, a model or an id; null where there is none'),
  name: z.string().optional().describe('Of a person or a key'),
  meter: z.string(),
  quantity: z.number(),
})
export type UsageRow = z.infer<typeof UsageRow>

/** As `PERIOD_OF` writes them. */
const PeriodName = z.string().regex(/^\d{4}-\d\d(-\d\d(T\d\d:\d\d:\d\dZ)?)?$/)
const MeterName = z.enum(METER_NAMES)

const IN_ORDER = orderBy({ period: PeriodName, meter: MeterName }, 'asc')
const LARGEST_FIRST = orderBy({ quantity: 'numeric', label: 'text', meter: MeterName }, 'desc')

/** Schema of a cursor of either list. */
export const Cursor = z.union([IN_ORDER.Cursor, LARGEST_FIRST.Cursor])

/** Whether `cursor` is one of the list by `by`. */
export function isCursorOf(by: ByTime | ByLabel, cursor: string): boolean {
  return (isLabel(by) ? LARGEST_FIRST : IN_ORDER).placeOf(cursor) !== undefined
}

export function isLabel(by: string): by is ByLabel {
  return (BY_LABEL as readonly string[]).includes(by)
}

type Reading = Pick<Call, 'db'>

/** An hour is named by its moment: where clocks are turned back, one of them comes twice. */
const PERIOD_OF: Record<ByTime, (db: Call['db'], timezone: string) => Fragment> = {
  hour: (db, timezone) => db`
    to_char((quarter - extract(minute from quarter at time zone ${timezone}) * interval '1 minute') at time zone 'UTC',
      'YYYY-MM-DD"T"HH24:MI:SS"Z"')`,
  day: (db, timezone) => db`to_char(quarter at time zone ${timezone}, 'YYYY-MM-DD')`,
  month: (db, timezone) => db`to_char(quarter at time zone ${timezone}, 'YYYY-MM')`,
}

/** A page, oldest first. */
export async function readByTime(
  by: ByTime,
  { from, to }: Period,
  meters: readonly Meter[],
  timezone: string,
  bounds: Bounds,
  { db }: Reading,
) {
  const rows = db<{ period: string; meter: string; quantity: string }[]>`
    select period, ${nameOf(db)} as meter, ${exact(db)} as quantity
    from (
      select ${PERIOD_OF[by](db, timezone)} as period, meter, ${quantityOf(db, 'quarter')} as used
      from (${quartersOf(db, from, to, meters.map(storedName))}) as each
    ) as used group by period, meter`
  const { page, next_cursor } = await IN_ORDER.readPage(db, rows, bounds)
  return { usage: page.map((row) => ({ ...row, quantity: Number(row.quantity) })), next_cursor }
}

interface LabelRow {
  label: string
  name: string | null
  meter: string
  quantity: string
}

const LABEL_OF: Record<ByLabel, (db: Call['db']) => Fragment> = {
  path: (db) => db`path`,
  model: (db) => db`model`,
  person: (db) => db`case when person <> nobody() then person::text else '' end`,
  key: (db) => db`case when key <> nobody() then key::text else '' end`,
}

const NAME_OF: Record<ByLabel, (db: Call['db']) => Fragment> = {
  path: (db) => db`null::text`,
  model: (db) => db`null::text`,
  person: (db) => db`(select u.name from users u where u.id::text = label)`,
  key: (db) => db`(select k.name from api_keys k where k.id::text = label)`,
}

/** A page, the largest amounts first. */
export async function readByLabel(
  by: ByLabel,
  { from, to }: Period,
  meters: readonly Meter[],
  bounds: Bounds,
  { db }: Reading,
) {
  const rows = db<LabelRow[]>`
    select label, ${NAME_OF[by](db)} as name, ${nameOf(db)} as meter, ${exact(db)} as quantity
    from (
      select ${LABEL_OF[by](db)} as label, meter, ${quantityOf(db, 'at')} as used
      from (${linesOf(db, from, to, meters.map(storedName))}) as each
    ) as used group by label, meter`
  const { page, next_cursor } = await LARGEST_FIRST.readPage(db, rows, bounds)
  return { usage: page.map(describe), next_cursor }
}

function describe({ label, name, meter, quantity }: LabelRow): UsageRow {
  return {
    label: label === '' ? null : label,
    ...(name === null ? {} : { name }),
    meter,
    quantity: Number(quantity),
  }
}

/** The sum; what is no exact decimal has six places. */
function exact(db: Call['db']): Fragment {
  return db`trim_scale(case meter when 'storage_byte_hours' then round(sum(used), 6) else sum(used) end)`
}
