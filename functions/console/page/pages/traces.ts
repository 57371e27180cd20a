/** Traces: what a call did in functions, queue and workers, as a list and as a waterfall of one. */
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { textOf } from '../core/format.ts'
import { operationOf, requestOf } from '../core/openapi.ts'
import { linkTo, route } from '../core/router.ts'
import { useStore } from '../core/use-store.ts'
import { Curl } from '../parts/curl.ts'
import { ListView } from '../parts/list-view.ts'
import type { Page } from '../parts/section.ts'
import { Absent, Failed, Loading } from '../parts/states.ts'
import { useOperation } from '../parts/use-operation.ts'
import { Waterfall, type Trace } from './waterfall.ts'

const ONE = 'GET /v1/traces/:id'

/** An answer names a trace as the address of this page does: by its id. */
function Traces() {
  const { query } = useStore(route)
  const id = query.get('trace')
  return html`${id !== null && html`<${OneTrace} id=${id} />`}
    <${ListView} list="GET /v1/traces" title="Traces" of="traces" nameOf=${idOf} link=${waterfallOf} />`
}

function idOf(row: Json): string {
  return textOf(row['trace_id'] ?? row['id'])
}

function waterfallOf(row: Json) {
  return { label: 'Waterfall', href: linkTo('traces', { trace: idOf(row) }) }
}

function OneTrace({ id }: { id: string }) {
  const known = operationOf(ONE) !== undefined
  const { answer, problem, reload } = useOperation<Trace>(known ? ONE : undefined, { id })
  return html`<section class="facts">
    <h2>Trace <code>${id}</code></h2>
    ${!known && html`<${Absent} operation=${ONE} />`}
    ${problem !== undefined && html`<${Failed} problem=${problem} retry=${reload} />`}
    ${known && answer === undefined && problem === undefined && html`<${Loading} what="the trace" />`}
    ${answer !== undefined && html`<${Waterfall} trace=${answer} />`}
    ${known && html`<${Curl} request=${requestOf(ONE, { id })} />`}
  </section>`
}

export const TRACES: Page = {
  id: 'traces',
  title: 'Traces',
  group: 'Use',
  about: 'Where the time of a call went: functions, queue and workers.',
  sections: [{ view: Traces }],
}
