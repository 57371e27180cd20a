/** What stands where there is nothing to show yet, nothing at all, or a failure. */
import { html } from '../core/html.ts'
import type { Problem } from '../core/api.ts'
import { linkTo } from '../core/router.ts'

export function Loading({ what }: { what: string }) {
  return html`<p class="loading" role="status">Loading ${what} …</p>`
}

export function Empty({ what }: { what: string }) {
  return html`<p class="empty">No ${what} yet.</p>`
}

/** An operation that this installation does not have. */
export function Absent({ operation }: { operation: string }) {
  return html`<p class="empty">
    This installation has no operation <code>${operation}</code>, so there is nothing to show here.
  </p>`
}

export function Failed({ problem, retry }: { problem: Problem; retry?: () => void }) {
  const { title, message, suggestion, available, trace_id, code } = problem
  return html`<div class="problem" role="alert">
    <p><strong>${title}</strong> <code>${code}</code></p>
    <p>${message}</p>
    ${suggestion !== undefined && html`<p>${suggestion}.</p>`}
    ${available !== undefined && html`<p>Available: ${available.join(', ')}</p>`}
    ${
      trace_id !== undefined &&
      html`<p class="trace">
        Trace <a href=${linkTo('traces', { trace: trace_id })}><code>${trace_id}</code></a>
      </p>`
    }
    ${retry !== undefined && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`
}
