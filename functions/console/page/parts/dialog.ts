/** A dialog over the page: the browser keeps the focus in it, Escape closes it, and the focus goes back to where it was. */
import { useEffect, useId, useRef } from 'preact/hooks'
import { html, type View } from '../core/html.ts'

interface Props {
  title: string
  closed(): void
  /** What is in it, given what closes it. */
  children: (close: () => void) => View
}

export function Dialog({ title, closed, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => dialog.current?.showModal(), [])
  const close = () => dialog.current?.close()
  return html`<dialog ref=${dialog} aria-labelledby=${id} onClose=${closed}>
    <header class="row">
      <h2 id=${id}>${title}</h2>
      <button type="button" class="quiet" aria-label="Close" onClick=${close}>✕</button>
    </header>
    ${children(close)}
  </dialog>`
}
