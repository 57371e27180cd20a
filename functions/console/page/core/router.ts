/** Where in the page one is: `#/jobs?status=running`, which can be linked to and goes back and forth with the browser. */
import { createStore } from './store.ts'

export interface Route {
  page: string
  rest: string[]
  query: URLSearchParams
}

export const route = createStore<Route>(readRoute())

export function followAddress(): void {
  addEventListener('hashchange', () => route.set(readRoute()))
}

export function go(page: string, query: Record<string, string> = {}): void {
  location.hash = linkTo(page, query)
}

export function linkTo(page: string, query: Record<string, string> = {}): string {
  const search = new URLSearchParams(query)
  return search.size === 0 ? `#/${page}` : `#/${page}?${search.toString()}`
}

function readRoute(): Route {
  const [path = '', search = ''] = location.hash.replace(/^#\/?/, '').split('?')
  const [page = '', ...rest] = path.split('/').map(decodeURIComponent)
  return { page, rest, query: new URLSearchParams(search) }
}
