/** What an operation answered: a secret that is shown this once, addresses to go on to, and the rest. */
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { Copy } from './copy.ts'
import { Value } from './value.ts'

export function Answer({ answer, secret }: { answer: Json; secret?: string }) {
  const hidden = secret === undefined ? undefined : answer[secret]
  const rest = Object.entries(answer).filter(([name]) => name !== secret)
  return html`<div class="answer">
    ${typeof hidden === 'string' && html`<${Once} name=${secret ?? ''} value=${hidden} />`}
    ${rest.length > 0 && html`<${Value} value=${Object.fromEntries(rest)} />`}
  </div>`
}

function Once({ name, value }: { name: string; value: string }) {
  return html`<div class="once">
    <p><strong>This is shown once.</strong> Keep it now: nobody can read it again.</p>
    <p class="row"><code data-secret=${name}>${value}</code> <${Copy} text=${value} what="the secret" /></p>
  </div>`
}
