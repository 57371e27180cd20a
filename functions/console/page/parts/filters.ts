/** What a list can be narrowed to: the parameters of its operation, in the address of the page. */
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import type { Operation, Schema } from '../core/openapi.ts'
import { Members } from './field.ts'

/** Those are of the paging, and the path is the page's. */
const OWN = new Set(['limit', 'cursor', 'offset', 'format'])

export function filtersOf({ input, path }: Operation): Schema {
  const kept = Object.entries(input.properties ?? {}).filter(
    ([name]) => !OWN.has(name) && !path.includes(`:${name}`),
  )
  return { type: 'object', properties: Object.fromEntries(kept) }
}

interface Props {
  schema: Schema
  value: Json
  onChange(value: Json): void
}

export function Filters({ schema, value, onChange }: Props) {
  if (Object.keys(schema.properties ?? {}).length === 0) return null
  const count = Object.keys(value).length
  return html`<details class="filters">
    <summary>Filter${count > 0 && ` (${count})`}</summary>
    <div class="form"><${Members} schema=${schema} root=${schema} value=${value} onChange=${onChange} /></div>
    <button type="button" class="quiet" disabled=${count === 0} onClick=${() => onChange({})}>
      Show all
    </button>
  </details>`
}
