/** What a test of the console works with: pages of a browser, people who are signed in, and checks that hold everywhere. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type axe from 'axe-core'
import { expect } from 'vitest'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { readState } from './start-platform.ts'
import { test as base } from './world.ts'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const STANDARDS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

/** Nothing moves, so that a colour is what it is at once. */
const still = { reducedMotion: 'reduce' } as const
export const WIDE = { ...still, colorScheme: 'light', viewport: { width: 1280, height: 900 } } as const
export const NARROW = { ...still, colorScheme: 'dark', viewport: { width: 360, height: 740 } } as const

interface ConsoleWorld {
  /** A page that shows the console to nobody yet; what the browser reports as an error fails the test. */
  open(options?: BrowserContextOptions): Promise<Page>
  /** The same for somebody who has an API key. */
  signIn(apiKey: string, options?: BrowserContextOptions): Promise<Page>
  operatorKey: string
}

/** @param browser the one that a file has started; undefined where its tests are skipped */
export function testIn(browser: Browser | undefined) {
  return base.extend<ConsoleWorld>({
    open: async ({ url }, use) => {
      const pages: Page[] = []
      const errors: string[] = []
      await use(async (options = WIDE) => {
        const page = await newPage(browser, options)
        pages.push(page)
        page.on('pageerror', (error) => errors.push(`${error.stack}`))
        page.on('console', (message) => {
          // The browser reports each answer that is a failure; whether one was expected is the test's to say.
          const isAnswer = message.text().startsWith('Failed to load resource')
          if (message.type() === 'error' && !isAnswer) errors.push(message.text())
        })
        await page.goto(`${url}/console`)
        return page
      })
      await Promise.all(pages.map((page) => page.context().close()))
      expect(errors).toEqual([])
    },
    signIn: async ({ open }, use) =>
      use(async (apiKey, options) => {
        const page = await open(options)
        await page.getByLabel('API key').fill(apiKey)
        await page.getByRole('button', { name: 'Sign in', exact: true }).click()
        await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
        return page
      }),
    operatorKey: async ({ state }, use) => {
      const { tenants } = readState<{ tenants: Record<string, { apiKey: string }> }>(state, 'dev.json')
      await use(tenants['platform']?.apiKey ?? '')
    },
  })
}

async function newPage(browser: Browser | undefined, options: BrowserContextOptions): Promise<Page> {
  if (browser === undefined) throw new Error('There is no browser')
  const context = await browser.newContext({
    locale: 'en-GB',
    timezoneId: 'Asia/Kolkata',
    ...options,
  })
  context.setDefaultTimeout(60_000)
  return context.newPage()
}

/** Goes to a page of the console, and waits until it shows what it has. */
export async function visit(page: Page, id: string, query: Record<string, string> = {}): Promise<void> {
  await page.evaluate(`location.hash = '#/${id}?${new URLSearchParams(query).toString()}'`)
  await page.locator(`main[data-page="${id}"]:not(:has(.loading))`).waitFor()
}

/** Rules of axe whose outcome depends on colours and on the width of the window. */
export const LOOKS = ['color-contrast', 'target-size']

/**
 * What of WCAG 2.2 AA a page breaks, as far as a program can see it; empty is nothing.
 *
 * @param rules those of axe that are checked; all, by default
 */
export async function violationsOf(page: Page, rules = STANDARDS): Promise<string[]> {
  const isThere = await page.evaluate<boolean>("'axe' in globalThis")
  if (!isThere) await page.evaluate(await readFile(AXE, 'utf8'))
  const { violations } = await page.evaluate<axe.AxeResults>(
    `axe.run(document, { runOnly: ${JSON.stringify(rules)}, resultTypes: ['violations'] })`,
  )
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

/** Shows an open page on another screen. */
export async function show(
  page: Page,
  { viewport, colorScheme }: typeof WIDE | typeof NARROW,
): Promise<void> {
  await page.setViewportSize(viewport)
  await page.emulateMedia({ colorScheme })
}

/** How far the page is wider than the window, in pixels. */
export function overflowOf(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
}
