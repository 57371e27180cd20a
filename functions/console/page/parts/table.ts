/** A table that becomes a list of cards where the page is narrow. */
import { html, type View } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { labelOf } from '../core/format.ts'
import { Value } from './value.ts'

export interface Column {
  name: string
  label?: string
  show?(row: Json): View
}

interface Props {
  caption: string
  columns: readonly Column[]
  rows: readonly Json[]
  /** The last column: what can be done with a row. */
  actions?: ((row: Json) => View) | undefined
}

const NUMBERS = /^(number|bigint)$/

export function Table({ caption, columns, rows, actions }: Props) {
  const isNumber = ({ name }: Column) => rows.some((row) => NUMBERS.test(typeof row[name]))
  const labelled = (column: Column) => column.label ?? labelOf(column.name)
  return html`<div class="scroll">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col" class=${isNumber(column) ? 'number' : ''}>${labelled(column)}</th>`)}
          ${actions !== undefined && html`<th scope="col"><span class="unseen">Actions</span></th>`}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr key=${keyOf(row)}>
              ${columns.map(
                (column) =>
                  html`<td data-label=${labelled(column)} class=${isNumber(column) ? 'number' : ''}>
                    <div>${valueIn(row, column)}</div>
                  </td>`,
              )}
              ${actions !== undefined && html`<td class="actions"><div>${actions(row)}</div></td>`}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}

function valueIn(row: Json, { name, show }: Column): View {
  if (show !== undefined) return show(row)
  const { slug } = Object(row[name]) as { slug?: string }
  return html`<${Value} value=${slug ?? row[name]} name=${name} />`
}

/** Rows without an id differ in all that they hold. */
function keyOf(row: Json): string {
  return typeof row['id'] === 'string' ? row['id'] : JSON.stringify(row)
}
