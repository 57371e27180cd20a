/** Usage by day, path, model, person or key, over a range, with the rows as CSV. */
import { useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { operationOf, requestOf, type Schema } from '../core/openapi.ts'
import { Curl } from '../parts/curl.ts'
import { saveFile } from '../parts/download.ts'
import { Members } from '../parts/field.ts'
import { filtersOf } from '../parts/filters.ts'
import { columnsOf, filledColumns, listIn } from '../parts/rows.ts'
import type { Page } from '../parts/section.ts'
import { Absent, Empty, Failed, Loading } from '../parts/states.ts'
import { Table } from '../parts/table.ts'
import { useOperation } from '../parts/use-operation.ts'
import { toCsv } from './csv.ts'
import { UsageByDay, USAGE_OPERATION } from './usage-curve.ts'

function Breakdown() {
  const [input, setInput] = useState<Json>({})
  const operation = operationOf(USAGE_OPERATION)
  const { answer, problem, reload } = useOperation(
    operation === undefined ? undefined : USAGE_OPERATION,
    input,
  )
  if (operation === undefined)
    return html`<section class="list">
      <h2>Breakdown</h2>
      <${Absent} operation=${USAGE_OPERATION} />
    </section>`
  const filters = withDays(filtersOf(operation))
  const rows = answer === undefined ? [] : listIn(answer)
  const save = () => saveFile(new Blob([toCsv(rows)], { type: 'text/csv' }), 'usage.csv')
  return html`<section class="list">
    <div class="row">
      <h2>Breakdown</h2>
      <div class="row end">
        <button type="button" disabled=${rows.length === 0} onClick=${save}>Save as CSV</button>
      </div>
    </div>
    <div class="form inline">
      <${Members} schema=${filters} root=${filters} value=${input} onChange=${setInput} />
    </div>
    ${problem !== undefined && html`<${Failed} problem=${problem} retry=${reload} />`}
    ${answer === undefined && problem === undefined && html`<${Loading} what="usage" />`}
    ${answer !== undefined && rows.length === 0 && html`<${Empty} what="usage" />`}
    ${rows.length > 0 && html`<${Table} caption="Usage" columns=${filledColumns(columnsOf(operation), rows)} rows=${rows} />`}
    <${Curl} request=${requestOf(USAGE_OPERATION, input)} />
  </section>`
}

/** A range is days here; the operation takes moments as well. */
function withDays(filters: Schema): Schema {
  const days = Object.entries(filters.properties ?? {}).map(([name, schema]) =>
    name === 'from' || name === 'to'
      ? [name, { type: 'string', format: 'date', description: schema.description }]
      : [name, schema],
  )
  return { ...filters, properties: Object.fromEntries(days) as Record<string, Schema> }
}

export const USAGE: Page = {
  id: 'usage',
  title: 'Usage',
  group: 'Money',
  about: 'What was used, by day, path, model, person and key.',
  permission: 'billing:read',
  sections: [{ view: Breakdown }, { view: () => html`<${UsageByDay} />` }],
}
