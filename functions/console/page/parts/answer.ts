/** What an operation answered: a secret that is shown this once, addresses to go on to, and the rest. */
import { html } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { Copy } from './copy.ts'
import { Value } from './value.ts'

interface Props {
  answer: Json
  secret?: string
  linkOf?(secret: string): string
}

export function Answer({ answer, secret, linkOf }: Props) {
  const hidden = secret === undefined ? undefined : answer[secret]
  const rest = Object.entries(answer).filter(([name]) => name !== secret)
  return html`<div class="answer">
    ${typeof hidden === 'string' && html`<${Once} name=${secret ?? ''} value=${hidden} link=${linkOf?.(hidden)} />`}
    ${rest.length > 0 && html`<${Value} value=${Object.fromEntries(rest)} />`}
  </div>`
}

function Once({ name, value, link }: { name: string; value: string; link?: string }) {
  return html`<div class="once">
    <p><strong>This is shown once.</strong> Keep it now: nobody can read it again.</p>
    <p class="row"><code data-secret=${name}>${value}</code> <${Copy} text=${value} what="the secret" /></p>
    ${link !== undefined && html`<p class="row">Or hand on this address: <code>${link}</code> <${Copy} text=${link} what="the address" /></p>`}
  </div>`
}
