/** The spans of a trace as bars over time, each below its parent: a table, so that it can be read without seeing the bars. */
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { formatDuration, labelOf } from '../core/format.ts'
import { Table } from '../parts/table.ts'
import { Value } from '../parts/value.ts'

export interface Span {
  id: string
  parent: string | undefined
  name: string
  where: string
  startMs: number
  durationMs: number
  outcome: string
}

/** Reads the spans of an answer of `GET /v1/traces/:id`, in whichever order they come. */
export function spansIn(answer: Json): Span[] {
  const trace = (answer['trace'] ?? answer) as Json
  const list = trace['spans'] ?? trace['stages'] ?? trace['events'] ?? []
  const spans = Array.isArray(list) ? (list as Json[]).map(toSpan) : []
  return spans.filter(({ startMs }) => !Number.isNaN(startMs)).sort((a, b) => a.startMs - b.startMs)
}

function toSpan(row: Json, at: number): Span {
  const text = (...names: string[]) => names.map((name) => row[name]).find((each) => typeof each === 'string')
  const startMs = Date.parse(text('started_at', 'start', 'at') ?? '')
  const endMs = Date.parse(text('finished_at', 'ended_at', 'end') ?? '')
  const given = Number(row['duration_ms'] ?? Number.NaN)
  const durationMs = Number.isNaN(given) ? endMs - startMs : given
  return {
    id: text('span_id', 'id', 'mark') ?? String(at),
    parent: text('parent_span_id', 'parent_id', 'parent'),
    name: text('name', 'path', 'type') ?? 'span',
    where: text('service', 'function', 'kind', 'where') ?? '',
    startMs,
    durationMs: Number.isNaN(durationMs) ? 0 : durationMs,
    outcome: text('status', 'outcome') ?? '',
  }
}

export function Waterfall({ spans }: { spans: Span[] }) {
  const from = Math.min(...spans.map(({ startMs }) => startMs))
  const to = Math.max(...spans.map(({ startMs, durationMs }) => startMs + durationMs))
  const whole = Math.max(to - from, 0.001)
  const rows = inOrder(spans).map(([span, depth]) => ({ ...span, depth }))
  const columns = [
    {
      name: 'name',
      show: (row: Json) =>
        html`<span class="depth" style=${{ '--depth': row['depth'] }}>${row['name']}</span>`,
    },
    { name: 'where', label: 'Where', show: ({ where }: Json) => labelOf(String(where)) },
    { name: 'outcome' },
    {
      name: 'durationMs',
      label: 'Duration',
      show: ({ durationMs }: Json) => formatDuration(Number(durationMs)),
    },
    {
      name: 'startMs',
      label: 'Time',
      show: (row: Json) =>
        html`<${Bar}
          left=${(Number(row['startMs']) - from) / whole}
          width=${Number(row['durationMs']) / whole}
          after=${Number(row['startMs']) - from}
        />`,
    },
  ]
  return html`<p>
      In all <strong>${formatDuration(whole)}</strong>, from
      <${Value} value=${new Date(from).toISOString()} />.
    </p>
    <${Table} caption="Spans of the trace" columns=${columns} rows=${rows} />`
}

function Bar({ left, width, after }: { left: number; width: number; after: number }) {
  return html`<span class="bar" style=${{ '--left': left, '--width': width }}
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
