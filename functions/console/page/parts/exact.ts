/** Values in short, with the exact one on hover and focus. */
import { html, type View } from '../core/html.ts'
import { formatDay, formatNumber, formatTime } from '../core/format.ts'

/** A short form of `exact`; where nothing is lost, it is the text alone and no stop for the keyboard. */
export function Exact({ exact, children }: { exact: string; children?: View }) {
  return html`<span class="exact" tabindex="0" data-exact=${exact} aria-description=${exact}
    >${children}</span
  >`
}

export function Time({ iso }: { iso: string }) {
  return html`<${Exact} exact=${iso}><time datetime=${iso}>${formatTime(iso)}</time><//>`
}

export function Day({ day }: { day: string }) {
  return html`<time datetime=${day}>${formatDay(day)}</time>`
}

export function Amount({ value, unit = '' }: { value: number; unit?: string }) {
  const short = formatNumber(value)
  const text = unit === '' ? short : `${short} ${unit}`
  const isWhole = short.replaceAll(/[^\d.-]/g, '') === String(value)
  return isWhole ? html`<span>${text}</span>` : html`<${Exact} exact=${String(value)}>${text}<//>`
}

export function Id({ id }: { id: string }) {
  return html`<${Exact} exact=${id}><code>…${id.slice(-8)}</code><//>`
}
