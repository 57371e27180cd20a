/** A curve over days, with the same numbers as a table for those who do not see it. */
import { useEffect, useRef } from 'preact/hooks'
import { html } from '../core/html.ts'
import { useStore } from '../core/use-store.ts'
import { theme } from '../core/theme.ts'
import { Table } from './table.ts'
import type { Curve } from './plot.ts'

export function Chart({ curve }: { curve: Curve }) {
  const { label, days, values } = curve
  const place = useRef<HTMLDivElement>(null)
  const chosen = useStore(theme)
  useEffect(() => draw(place.current, curve), [chosen, JSON.stringify(curve)])
  const rows = days.map((day, at) => ({ day, amount: values[at] ?? null }))
  const columns = [{ name: 'day' }, { name: 'amount', label }]
  return html`<figure>
    <figcaption>${label}</figcaption>
    <div ref=${place} class="chart" aria-hidden="true"></div>
    <details>
      <summary>As a table</summary>
      <${Table} caption=${`${label} by day`} columns=${columns} rows=${rows} />
    </details>
  </figure>`
}

/**
 * What draws it is loaded with the first curve: half of the page's bytes, which most pages never need.
 *
 * @returns what removes it
 */
function draw(place: HTMLElement | null, curve: Curve): () => void {
  let remove = () => {}
  let isWanted = place !== null
  const drawn = async () => {
    const { plot } = await import('./plot.ts')
    if (isWanted && place !== null) remove = plot(place, curve)
  }
  void drawn()
  return () => {
    isWanted = false
    remove()
  }
}
