/** What can be done with a row of a list: its operations, its files, what belongs to it, and all that is known of it. */
import { useState } from 'preact/hooks'
import { html, type View } from '../core/html.ts'
import type { Json } from '../core/api.ts'
import { operationOf } from '../core/openapi.ts'
import { may } from '../core/session.ts'
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
  const possible = rowActions.filter(({ operation, when = () => true }) => when(row) && isAllowed(operation))
  const below = inner?.(row).filter((each) => isAllowed('list' in each ? each.list : each.facts)) ?? []
  const buttons = html` ${possible.map((action) => html`<${Action} ...${action} ...${filledBy(action, row)} about=${about} done=${done} />`)}
  ${downloads.map((each) => html`<${Download} ...${each} row=${row} about=${about} />`)}
  ${below.map((each) => html`<${Below} inner=${each} about=${about} draw=${draw} />`)}`
  return html` ${more !== undefined && html`<a href=${more.href} aria-label=${`${more.label} of ${about}`}>${more.label}</a>`}
    ${
      possible.length + below.length > MAX_BUTTONS
        ? html`<details class="more">
            <summary aria-label=${`Actions for ${about}`}>Actions</summary>
            <div>${buttons}</div>
          </details>`
        : buttons
    }
    <${Details} row=${row} about=${about} />`
}

/** More of them are behind a disclosure. */
const MAX_BUTTONS = 3

function isAllowed(name: string): boolean {
  const operation = operationOf(name)
  return operation !== undefined && may(operation.permission)
}

function Below({ inner, about, draw }: { inner: Inner; about: string; draw(inner: Inner): View }) {
  const [open, setOpen] = useState(false)
  const name = `${inner.title} of ${about}`
  return html`<button type="button" aria-label=${name} onClick=${() => setOpen(true)}>${inner.title}</button>
    ${open && html`<${Dialog} title=${name} closed=${() => setOpen(false)}>${() => draw(inner)}<//>`}`
}

/** The input that a row decides, and what its form begins with. */
function filledBy({ operation, fill = ({ id }) => ({ id }), edits = false, initial }: RowAction, row: Json) {
  const asked = Object.keys(operationOf(operation)?.input.properties ?? {})
  const held = edits ? asked.filter((member) => row[member] !== undefined && row[member] !== null) : []
  return {
    given: fill(row),
    initial: { ...Object.fromEntries(held.map((member) => [member, row[member]])), ...initial },
  }
}

function nameIn(row: Json): string {
  const found = ['name', 'slug', 'email', 'number', 'path', 'type', 'id'].map((member) => row[member])
  return found.find((each) => typeof each === 'string') ?? ''
}
