/** Light, dark, or as the system has it. The choice is no secret, so the browser keeps it. */
import { createStore } from './store.ts'

export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

const KEY = 'kgents-theme'

export const theme = createStore<Theme>(readTheme())

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(KEY, chosen)
  theme.set(chosen)
  showTheme()
}

/** The style sheet reads the attribute; without it, the system decides. */
export function showTheme(): void {
  document.documentElement.dataset['theme'] = theme.get()
}

function readTheme(): Theme {
  const kept = localStorage.getItem(KEY)
  return THEMES.find((each) => each === kept) ?? 'system'
}
