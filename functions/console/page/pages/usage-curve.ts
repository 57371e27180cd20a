/** Usage of this month by day, as a curve for each meter. */
import { html } from '../core/html.ts'
import { labelOf } from '../core/format.ts'
import { operationOf, requestOf } from '../core/openapi.ts'
import { Chart } from '../parts/chart.ts'
import { Curl } from '../parts/curl.ts'
import type { Curve } from '../parts/plot.ts'
import { Absent, Empty, Failed, Loading } from '../parts/states.ts'
import { useOperation } from '../parts/use-operation.ts'

export const USAGE_OPERATION = 'GET /v1/usage'
/** Each meter of each day of a month. */
const BY_DAY = { by: 'day', limit: 1000 }

interface UsageRow {
  period: string
  meter: string
  quantity: number
}

interface UsageAnswer {
  from: string
  to: string
  usage: UsageRow[]
}

/** @param of the meters that are shown; all without it */
export function UsageByDay({ of }: { of?: readonly string[] }) {
  const known = operationOf(USAGE_OPERATION) !== undefined
  const { answer, problem, reload } = useOperation<UsageAnswer>(known ? USAGE_OPERATION : undefined, BY_DAY)
  return html`<section class="facts">
    <h2>By day</h2>
    ${!known && html`<${Absent} operation=${USAGE_OPERATION} />`}
    ${problem !== undefined && html`<${Failed} problem=${problem} retry=${reload} />`}
    ${known && answer === undefined && problem === undefined && html`<${Loading} what="usage by day" />`}
    ${answer !== undefined && html`<${Curves} answer=${answer} of=${of} />`}
    ${known && html`<${Curl} request=${requestOf(USAGE_OPERATION, BY_DAY)} />`}
  </section>`
}

function Curves({ answer, of }: { answer: UsageAnswer; of?: readonly string[] }) {
  const rows = answer.usage.filter(({ meter }) => of?.includes(meter) ?? true)
  if (rows.length === 0) return html`<${Empty} what="usage" />`
  const curves = curvesOf(rows, daysOf(answer))
  return html`<div class="curves">
    ${curves.map((curve) => html`<${Chart} key=${curve.label} curve=${curve} />`)}
  </div>`
}

/** A curve for each meter; a day without a row is one without use. */
function curvesOf(rows: readonly UsageRow[], days: string[]): Curve[] {
  return [...Map.groupBy(rows, ({ meter }) => meter)].map(([meter, used]) => {
    const byDay = new Map(used.map(({ period, quantity }) => [period, quantity]))
    return { label: labelOf(meter), days, values: days.map((day) => byDay.get(day) ?? 0) }
  })
}

const DAY_MS = 86_400_000

/** The days of the period up to now. */
function daysOf({ from, to }: UsageAnswer): string[] {
  const [first, last] = [Date.parse(from), Math.min(Date.parse(to) - 1, Date.now())]
  const count = Math.max(1, Math.floor((last - first) / DAY_MS) + 1)
  return Array.from({ length: count }, (_, at) => new Date(first + at * DAY_MS).toISOString().slice(0, 10))
}
