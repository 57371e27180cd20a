/** A page by its description. */
import { useEffect, useRef } from 'preact/hooks'
import { html } from '../core/html.ts'
import { announce } from './announce.ts'
import { FactsView } from './facts-view.ts'
import { ListView } from './list-view.ts'
import type { Page, Section } from './section.ts'

/** @param query of the page's address: filters of its first list */
export function PageView({ page, query }: { page: Page; query: URLSearchParams }) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${page.title} · kgents console`
    heading.current?.focus()
    announce('')
  }, [page])
  return html`<header class="title">
      <h1 ref=${heading} tabindex="-1">${page.title}</h1>
      <p>${page.about}</p>
    </header>
    ${page.sections.map((section, at) => html`<${SectionView} key=${at} section=${section} query=${query} />`)}`
}

function SectionView({ section, query }: { section: Section; query: URLSearchParams }) {
  if ('view' in section) return html`<${section.view} />`
  if ('facts' in section) return html`<${FactsView} ...${section} />`
  return html`<${ListView} ...${section} initial=${Object.fromEntries(query)} />`
}
