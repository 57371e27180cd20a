/** The spans of a trace as bars over time, each below its parent: a table, so that it can be read without seeing the bars. */
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { formatDuration, formatMoney } from '../core/format.ts'
import { Table } from '../parts/table.ts'
import { Value } from '../parts/value.ts'

/** As `GET /v1/traces/:id` has them; what goes on has no end yet. */
export interface Span {
  id: string
  parent?: string
  kind: string
  name: string
  status: string
  code?: string
  started_at: string
  duration_ms?: number
  tokens?: { prompt: number; completion: number }
  cost_usd?: number
}

export interface Trace {
  id: string
  started_at: string
  duration_ms: number
  charges: Json
  cost_cents: number
  cost_usd: number
  spans: Span[]
  truncated: boolean
}

export function Waterfall({ trace }: { trace: Trace }) {
  const from = Date.parse(trace.started_at)
  const whole = Math.max(trace.duration_ms, 0.001)
  const rows = inOrder(trace.spans).map(([span, depth]) => ({ ...span, depth }))
  const columns = [
    {
      name: 'name',
      show: ({ name, depth }: Json) => html`<span class="depth" style=${{ '--depth': depth }}>${name}</span>`,
    },
    { name: 'kind' },
    { name: 'status' },
    { name: 'duration_ms' },
    { name: 'tokens', show: ({ tokens }: Json) => tokensOf(tokens as Span['tokens']) },
    {
      name: 'cost_usd',
      label: 'Cost',
      show: ({ cost_usd: cost }: Json) => (typeof cost === 'number' ? formatMoney(cost * 100) : ''),
    },
    {
      name: 'started_at',
      label: 'Time',
      show: (row: Json) => html`<${Bar} span=${row} from=${from} whole=${whole} />`,
    },
  ]
  const { started_at, duration_ms, charges, cost_cents, cost_usd, truncated } = trace
  return html`<${Value} value=${{ started_at, duration_ms, charges, cost_cents, cost_usd }} />
    ${truncated && html`<p>There is more of it than is shown.</p>`}
    <${Table} caption="Spans of the trace" columns=${columns} rows=${rows} />`
}

function tokensOf(tokens: Span['tokens']): string {
  return tokens === undefined ? '' : `${tokens.prompt} in, ${tokens.completion} out`
}

/** What goes on reaches to the end. */
function Bar({ span, from, whole }: { span: Json; from: number; whole: number }) {
  const after = Date.parse(String(span['started_at'])) - from
  const left = Math.min(1, after / whole)
  const width = typeof span['duration_ms'] === 'number' ? span['duration_ms'] / whole : 1 - left
  return html`<span class="bar" style=${{ '--left': left, '--width': Math.min(width, 1 - left) }}
    ><span class="unseen">begins after ${formatDuration(after)}</span></span
  >`
}

/** Parents before their children; a span whose parent is not there is a root. */
function inOrder(spans: readonly Span[]): [Span, depth: number][] {
  const known = new Set(spans.map(({ id }) => id))
  const children = Map.groupBy(spans, ({ parent }) =>
    parent !== undefined && known.has(parent) ? parent : '',
  )
  const visit = (parent: string, depth: number): [Span, number][] =>
    (children.get(parent) ?? []).flatMap(
      (span) => [[span, depth], ...visit(span.id, depth + 1)] as [Span, number][],
    )
  return visit('', 0)
}
