/** The meters of a period: what was used of what the plan grants, and what the rest costs. */
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { labelOf } from '../core/format.ts'
import { Table } from '../parts/table.ts'
import { Value } from '../parts/value.ts'

const percent = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 1 })

const COLUMNS = [
  { name: 'meter', show: ({ meter }: Json) => labelOf(String(meter)) },
  { name: 'every', label: 'In this' },
  { name: 'used' },
  {
    name: 'limit',
    label: 'Granted',
    show: ({ limit }: Json) => (limit === null ? 'no limit' : html`<${Value} value=${limit} />`),
  },
  { name: 'share', show: (row: Json) => html`<${Share} row=${row} />` },
  { name: 'projected', label: 'At its end' },
  { name: 'overage_cents', label: 'Cost past the plan' },
]

/** @param answer of `GET /v1/usage/current` */
export function Meters({ answer }: { answer: Json }) {
  const { from, to } = (answer['period'] ?? {}) as Json
  const rows = (answer['meters'] ?? []) as Json[]
  return html`<p>From <${Value} value=${from} /> to <${Value} value=${to} />.</p>
    <${Table} caption="Meters of this period" columns=${COLUMNS} rows=${rows} />`
}

function Share({ row: { meter, every, used, limit } }: { row: Json }) {
  if (typeof limit !== 'number' || limit <= 0) return html`<${Value} value=${undefined} />`
  const share = Number(used) / limit
  const name = `Share of ${labelOf(String(meter)).toLowerCase()} in this ${String(every)}`
  return html`<span class="share"
    ><meter min="0" max="1" high="0.8" value=${Math.min(share, 1)} aria-label=${name}>${share}</meter>
    ${percent.format(share)}</span
  >`
}
