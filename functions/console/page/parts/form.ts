/** The form of an operation's input: fields from its schema, or the whole as JSON. */
import { useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import type { Schema } from '../core/openapi.ts'
import { Members } from './field.ts'
import { JsonText } from './field-plain.ts'

interface Props {
  schema: Schema
  value: Json
  onChange(value: Json): void
  example?: Json | undefined
  /** Members that are decided elsewhere. */
  without?: readonly string[]
}

export function SchemaForm({ schema, value, onChange, example, without = [] }: Props) {
  const [raw, setRaw] = useState(false)
  const [filled, setFilled] = useState(0)
  const shown = withoutMembers(schema, without)
  if (Object.keys(shown.properties ?? {}).length === 0) return null
  const fill = () => {
    onChange({ ...value, ...example })
    setFilled(filled + 1)
  }
  return html`<div class="form" key=${filled}>
    <div class="row end">
      ${example !== undefined && html`<button type="button" class="quiet" onClick=${fill}>Fill in the example</button>`}
      <button type="button" class="quiet" aria-pressed=${raw} onClick=${() => setRaw(!raw)}>As JSON</button>
    </div>
    ${
      raw
        ? html`<${JsonText}
            name="input"
            schema=${{}}
            root=${schema}
            value=${value}
            required=${false}
            onChange=${(next: unknown) => onChange((next ?? {}) as Json)}
          />`
        : html`<${Members} schema=${shown} root=${schema} value=${value} onChange=${onChange} />`
    }
  </div>`
}

function withoutMembers(schema: Schema, names: readonly string[]): Schema {
  const kept = Object.entries(schema.properties ?? {}).filter(([name]) => !names.includes(name))
  return { ...schema, properties: Object.fromEntries(kept) }
}
