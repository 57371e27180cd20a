/** Usage by day of the last weeks, as a curve for each meter. */
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { labelOf, textOf } from '../core/format.ts'
import { operationOf, requestOf } from '../core/openapi.ts'
import { Chart } from '../parts/chart.ts'
import { Curl } from '../parts/curl.ts'
import { listIn } from '../parts/rows.ts'
import { Absent, Empty, Failed, Loading } from '../parts/states.ts'
import { useOperation } from '../parts/use-operation.ts'

export const USAGE_OPERATION = 'GET /v1/usage'

export function UsageByDay() {
  const input = { by: 'day' }
  const known = operationOf(USAGE_OPERATION) !== undefined
  const { answer, problem, reload } = useOperation(known ? USAGE_OPERATION : undefined, input)
  return html`<section class="facts">
    <h2>By day</h2>
    ${!known && html`<${Absent} operation=${USAGE_OPERATION} />`}
    ${problem !== undefined && html`<${Failed} problem=${problem} retry=${reload} />`}
    ${known && answer === undefined && problem === undefined && html`<${Loading} what="usage by day" />`}
    ${answer !== undefined && html`<${Curves} rows=${listIn(answer)} />`}
    ${known && html`<${Curl} request=${requestOf(USAGE_OPERATION, input)} />`}
  </section>`
}

function Curves({ rows }: { rows: Json[] }) {
  const { days, curves } = curvesOf(rows)
  if (days.length === 0) return html`<${Empty} what="usage" />`
  return curves.map(
    ({ label, values }) => html`<${Chart} key=${label} curve=${{ label: labelOf(label), days, values }} />`,
  )
}

/** Rows name their day, and hold a meter and its amount, or an amount for each meter. */
export function curvesOf(rows: readonly Json[]) {
  const dayOf = (row: Json) => textOf(row['day'] ?? row['date'] ?? row['key']).slice(0, 10)
  const days = [...new Set(rows.map(dayOf))].filter((day) => /^\d{4}-\d\d-\d\d$/.test(day)).sort()
  const amounts = new Map<string, Map<string, number>>()
  for (const row of rows) {
    for (const [meter, amount] of metersOf(row)) {
      const byDay = amounts.get(meter) ?? new Map<string, number>()
      byDay.set(dayOf(row), (byDay.get(dayOf(row)) ?? 0) + amount)
      amounts.set(meter, byDay)
    }
  }
  const curves = [...amounts].map(([label, byDay]) => ({
    label,
    values: days.map((day) => byDay.get(day) ?? 0),
  }))
  return { days, curves }
}

function metersOf(row: Json): [meter: string, amount: number][] {
  const { meter, quantity, amount, used, value, meters } = row
  if (typeof meter === 'string') return [[meter, Number(quantity ?? amount ?? used ?? value ?? 0)]]
  const held = (meters ?? row) as Json
  return Object.entries(held).flatMap(([name, each]) =>
    typeof each === 'number' || (typeof each === 'string' && /^-?\d+(\.\d+)?$/.test(each))
      ? [[name, Number(each)] as [string, number]]
      : [],
  )
}
