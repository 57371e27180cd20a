/** The meters of a period: what was used of what the plan grants. */
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { labelOf } from '../core/format.ts'
import { Value } from '../parts/value.ts'
import { Table } from '../parts/table.ts'

interface Meter extends Json {
  meter: string
  used: number
  limit: number | null
}

/** @param answer of `GET /v1/usage/current` */
export function Meters({ answer }: { answer: Json }) {
  const meters = metersIn(answer)
  const rest = Object.fromEntries(Object.entries(answer).filter(([, value]) => typeof value !== 'object'))
  const columns = [
    { name: 'meter', label: 'Meter', show: ({ meter }: Json) => labelOf(String(meter)) },
    { name: 'used', label: 'Used' },
    {
      name: 'limit',
      label: 'Granted',
      show: ({ limit }: Json) => (limit === null ? 'no limit' : html`<${Value} value=${limit} />`),
    },
    { name: 'share', label: 'Share', show: (row: Json) => html`<${Share} ...${row} />` },
    ...(meters.some((each) => 'cost_cents' in each) ? [{ name: 'cost_cents', label: 'Cost' }] : []),
  ]
  return html`<${Value} value=${rest} />
    <${Table} caption="Meters of this period" columns=${columns} rows=${meters} />`
}

function Share({ meter, used, limit }: Meter) {
  if (limit === null || limit <= 0) return html`<span class="none">–</span>`
  const share = used / limit
  const percent = new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 1 })
  return html`<span class="share"
    ><meter min="0" max="1" high="0.8" value=${Math.min(share, 1)} aria-label=${`Share of ${labelOf(meter)}`}>
      ${share}
    </meter>
    ${percent.format(share)}</span
  >`
}

/** As a list of meters, or as an object of them by name. */
function metersIn(answer: Json): Meter[] {
  const found = answer['meters'] ?? answer['usage'] ?? {}
  const entries = Array.isArray(found)
    ? (found as Json[]).map((each) => [String(each['meter'] ?? each['name']), each] as const)
    : Object.entries(found as Json)
  return entries.map(([meter, facts]) => toMeter(meter, facts))
}

function toMeter(meter: string, facts: unknown): Meter {
  if (typeof facts !== 'object' || facts === null) return { meter, used: Number(facts), limit: null }
  const { used, quantity, amount, limit, granted, included } = facts as Json
  const bound = limit ?? granted ?? included ?? null
  return {
    ...(facts as Json),
    meter,
    used: Number(used ?? quantity ?? amount ?? 0),
    limit: bound === null ? null : Number(bound),
  }
}
