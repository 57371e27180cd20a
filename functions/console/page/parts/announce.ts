/** What changed, for those who hear the page and for those who see it: one line that stays until the next, or the next page. */
import { createStore } from '../core/store.ts'
import { useStore } from '../core/use-store.ts'
import { html } from '../core/html.ts'

const said = createStore('')

export function announce(text: string): void {
  said.set(text)
}

export function Announcements() {
  return html`<p class="announced" role="status" aria-live="polite">${useStore(said)}</p>`
}
