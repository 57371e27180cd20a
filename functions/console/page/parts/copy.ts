/** A button that copies a text. */
import { html } from '../core/html.ts'
import { announce } from './announce.ts'

/** @param what is copied, for the name of the button and the announcement: "the key" */
export function Copy({ text, what }: { text: string; what: string }) {
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    announce(`Copied ${what}`)
  }
  return html`<button type="button" class="quiet" aria-label=${`Copy ${what}`} onClick=${() => void copy()}>
    Copy
  </button>`
}
