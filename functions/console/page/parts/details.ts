/** All that is known of a row. */
import { useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { Copy } from './copy.ts'
import { Dialog } from './dialog.ts'
import { Value } from './value.ts'

export function Details({ row, about }: { row: Json; about: string }) {
  const [open, setOpen] = useState(false)
  return html`<button
      type="button"
      class="quiet"
      aria-label=${`Details of ${about}`}
      onClick=${() => setOpen(true)}
    >
      Details
    </button>
    ${
      open &&
      html`<${Dialog} title=${`Details of ${about}`} closed=${() => setOpen(false)}>
        ${() =>
          html`<${Value} value=${row} />
            <p class="row end"><${Copy} text=${JSON.stringify(row, null, 2)} what="it as JSON" /></p>`}
      <//>`
    }`
}
