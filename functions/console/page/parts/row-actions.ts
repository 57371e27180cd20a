/** What can be done with a row of a list: its operations, its files, what belongs to it, and all that is known of it. */
import { useState } from 'preact/hooks'
import { html, type View } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { operationOf } from '../core/openapi.ts'
import { Action } from './action.ts'
import { Details } from './details.ts'
import { Dialog } from './dialog.ts'
import { Download } from './download.ts'
import type { FactsSection, ListSection, RowAction } from './section.ts'

export type Inner = ListSection | FactsSection

interface Props extends ListSection {
  row: Json
  done(): void
  /** Shows what belongs to the row. */
  draw(inner: Inner): View
}

export function RowActions({ row, done, draw, ...props }: Props) {
  const { rowActions = [], downloads = [], nameOf = nameIn, inner, link } = props
  const about = nameOf(row)
  const more = link?.(row)
  const possible = rowActions.filter(({ when = () => true }) => when(row))
  return html` ${more !== undefined && html`<a href=${more.href} aria-label=${`${more.label} of ${about}`}>${more.label}</a>`}
    ${possible.map((action) => html`<${Action} ...${action} ...${filledBy(action, row)} about=${about} done=${done} />`)}
    ${downloads.map((each) => html`<${Download} ...${each} row=${row} about=${about} />`)}
    ${inner?.(row).map((each) => html`<${Below} inner=${each} about=${about} draw=${draw} />`)}
    <${Details} row=${row} about=${about} />`
}

function Below({ inner, about, draw }: { inner: Inner; about: string; draw(inner: Inner): View }) {
  const [open, setOpen] = useState(false)
  const name = `${inner.title} of ${about}`
  if (operationOf('list' in inner ? inner.list : inner.facts) === undefined) return null
  return html`<button type="button" aria-label=${name} onClick=${() => setOpen(true)}>${inner.title}</button>
    ${open && html`<${Dialog} title=${name} closed=${() => setOpen(false)}>${() => draw(inner)}<//>`}`
}

/** The input that a row decides, and what its form begins with. */
function filledBy({ operation, from = { id: 'id' }, given, edits = false, initial }: RowAction, row: Json) {
  const named = Object.entries(from).map(([member, source]) => [member, row[source]] as const)
  const asked = Object.keys(operationOf(operation)?.input.properties ?? {})
  const held = edits ? asked.filter((member) => row[member] !== undefined && row[member] !== null) : []
  return {
    given: { ...given, ...Object.fromEntries(named) },
    initial: { ...Object.fromEntries(held.map((member) => [member, row[member]])), ...initial },
  }
}

function nameIn(row: Json): string {
  const found = ['name', 'slug', 'email', 'number', 'path', 'type', 'id'].map((member) => row[member])
  return found.find((each) => typeof each === 'string') ?? ''
}
