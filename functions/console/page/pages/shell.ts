/** What is around every page: the name of the tenant, the menu, the theme, and the way out. */
import { useState } from 'preact/hooks'
import { html } from '../core/html.ts'
import { formatTime, labelOf } from '../core/format.ts'
import { linkTo, route } from '../core/router.ts'
import { endImpersonation, may, session, signOut, type Session } from '../core/session.ts'
import { useStore } from '../core/use-store.ts'
import { chooseTheme, theme, THEMES, type Theme } from '../core/theme.ts'
import { Announcements } from '../parts/announce.ts'
import { PageView } from '../parts/page-view.ts'
import type { Page } from '../parts/section.ts'
import { Accept, SignUp } from './entry.ts'
import { PAGES } from './pages.ts'
import { SignIn } from './sign-in.ts'

export function Shell() {
  const here = useStore(route)
  const person = useStore(session)
  const skip = (event: Event) => {
    event.preventDefault()
    document.querySelector<HTMLElement>('main')?.focus()
  }
  return html` <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <${Header} person=${person} />
    ${person?.impersonating !== undefined && html`<${Banner} tenant=${person.tenant} until=${person.impersonating.until} />`}
    ${
      person === undefined || here.page === 'accept' || here.page === 'sign-up'
        ? html`<main id="main" tabindex="-1"><${Entry} page=${here.page} /></main>`
        : html`<div class="with-menu">
            <${Menu} current=${here.page} />
            <main id="main" tabindex="-1" data-page=${here.page}>
              <${Current} page=${here.page} query=${here.query} />
            </main>
          </div>`
    }
    <${Announcements} />`
}

function Header({ person }: { person: Session | undefined }) {
  return html`<header class="top">
    <a class="brand" href="#/">kgents</a>
    ${person !== undefined && html`<span class="who"><strong>${person.tenant}</strong> ${person.roles.join(', ')}</span>`}
    <${ThemeChoice} />
    ${person !== undefined && html`<button type="button" class="quiet" onClick=${() => void signOut()}>Sign out</button>`}
  </header>`
}

function ThemeChoice() {
  const chosen = useStore(theme)
  const choose = (event: { currentTarget: HTMLSelectElement }) =>
    chooseTheme(event.currentTarget.value as Theme)
  return html`<label class="theme"
    ><span class="unseen">Theme</span>
    <select onChange=${choose}>
      ${THEMES.map((each) => html`<option value=${each} selected=${each === chosen}>${labelOf(each)}</option>`)}
    </select></label
  >`
}

function Banner({ tenant, until }: { tenant: string; until: string }) {
  return html`<aside class="banner" aria-label="Impersonation">
    <p>
      <strong>You act as ${tenant}</strong> until ${formatTime(until)}. Whatever you do is recorded in its
      audit and in yours.
    </p>
    <button type="button" onClick=${() => void endImpersonation()}>End it</button>
  </aside>`
}

function Entry({ page }: { page: string }) {
  if (page === 'accept') return html`<${Accept} />`
  return page === 'sign-up' ? html`<${SignUp} />` : html`<${SignIn} />`
}

/** On a narrow page the menu is behind a button. */
function Menu({ current }: { current: string }) {
  const [open, setOpen] = useState(false)
  const groups = [
    ...Map.groupBy(
      PAGES.filter(({ permission, hidden }) => hidden !== true && may(permission)),
      ({ group }) => group,
    ),
  ]
  const close = () => setOpen(false)
  return html`<nav aria-label="Pages" class=${open ? 'open' : ''}>
    <button
      type="button"
      class="menu"
      aria-expanded=${open}
      aria-controls="pages"
      onClick=${() => setOpen(!open)}
    >
      Menu
    </button>
    <div id="pages">
      ${groups.map(([group, pages]) => html`<${Group} name=${group} pages=${pages} current=${current} close=${close} />`)}
    </div>
  </nav>`
}

function Group({
  name,
  pages,
  current,
  close,
}: {
  name: string
  pages: Page[]
  current: string
  close(): void
}) {
  const id = `group-${name.toLowerCase()}`
  return html`${name !== '' && html`<p id=${id}>${name}</p>`}
    <ul aria-labelledby=${name === '' ? undefined : id}>
      ${pages.map(
        ({ id: page, title }) =>
          html`<li>
            <a
              href=${linkTo(page)}
              aria-current=${page === (current === '' ? 'overview' : current) ? 'page' : undefined}
              onClick=${close}
              >${title}</a
            >
          </li>`,
      )}
    </ul>`
}

function Current({ page: id, query }: { page: string; query: URLSearchParams }) {
  const page = PAGES.find((each) => each.id === (id === '' ? 'overview' : id))
  if (page === undefined)
    return html`<h1>There is no page "${id}"</h1>
      <p><a href="#/">Overview</a></p>`
  if (!may(page.permission))
    return html`<h1>${page.title}</h1>
      <p class="empty">Your roles do not include <code>${page.permission}</code>.</p>`
  return html`<${PageView} key=${`${page.id}?${query.toString()}`} page=${page} query=${query} />`
}
