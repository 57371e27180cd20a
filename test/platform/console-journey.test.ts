/** All that a customer does, from nothing to the end, in the console alone. */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import { afterAll, describe, expect, inject } from 'vitest'
import { startBrowser } from './browser.ts'
import { NARROW, testIn, visit } from './console-world.ts'

const browser = await startBrowser()
const test = testIn(browser)
afterAll(() => browser?.close())

const METERED_WITHIN_MS = 5000

describe.skipIf(browser === undefined)('a customer in the console', () => {
  test('signs up, invites, signs in, works, sees the usage, buys, reads the invoice and cancels', async ({
    open,
    signIn,
    operatorKey,
  }) => {
    const slug = `t-${randomUUID().slice(0, 8)}`
    const page = await open()
    await signUp(page, slug)
    // The free plan is for one person, and has no SSO.
    await setPlan(await signIn(operatorKey), slug, 'enterprise')

    const guest = await open(NARROW)
    const email = `grace@${slug}.example`
    await accept(guest, await invite(page, email), email)
    expect(await guest.locator('.who').textContent()).toContain('viewer')

    await setProvider(page, { ...inject('platform').provider, email_domains: [`${slug}.example`] })
    const colleague = await open()
    await signInByProvider(colleague, slug, `alan@${slug}.example`)
    expect(await colleague.locator('.who').textContent()).toBe('Initrode viewer')

    expect(await createKey(page)).toMatch(/^kg_/)
    const calls = await callsSeen(page)
    await callPath(page, 'void.entropy.sip')
    await visit(page, 'overview')
    await callsRow(page)
      .getByRole('cell', { name: String(calls + 1), exact: true })
      .first()
      .waitFor({ timeout: METERED_WITHIN_MS })

    await buy(page, 'starter')
    const invoice = page.getByRole('row', { name: /paid/ })
    await invoice.waitFor()
    const pdf = await download(page, invoice.getByRole('button', { name: /^PDF of/ }))
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-')
    await act(page, 'Cancel')
    await page.getByText('Cancels at end').locator('..').getByText('yes').waitFor()
  })

  test('saves the audit as a copy that has all of it', async ({ newTenant, signIn }) => {
    const tenant = await newTenant('pro', ['admin'])
    await tenant.call('POST', '/v1/api-keys', { name: 'first' })
    const page = await signIn(tenant.apiKey)
    await visit(page, 'audit')
    const copy = (await download(page, page.getByRole('button', { name: 'Save a copy' }))).toString()
    const { body } = await tenant.call('GET', '/v1/audit/export')
    const lines = copy
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    expect(lines).toEqual(body.records)
    expect(copy).toContain('api_key.created')
  })
})

async function signUp(page: Page, slug: string): Promise<void> {
  await page.getByRole('link', { name: 'Make a tenant' }).click()
  await page.getByLabel('Slug').fill(slug)
  await page.getByLabel('Name', { exact: true }).fill('Initrode')
  await page.getByLabel('Email').fill(`ada@${slug}.example`)
  await page.getByLabel('Person').fill('Ada Lovelace')
  await page.getByRole('button', { name: 'Sign up' }).click()
  await page.getByRole('button', { name: 'Sign in with it' }).click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
}

async function setPlan(page: Page, slug: string, plan: string): Promise<void> {
  await visit(page, 'tenants', { slug })
  const row = page.getByRole('row', { name: slug })
  await row.getByText('Actions').click()
  await row.getByRole('button', { name: 'Plan' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Plan').selectOption(plan)
  await dialog.locator('button[type=submit]').click()
  await dialog.waitFor({ state: 'detached' })
}

/** @returns the address that is handed to the guest */
async function invite(page: Page, email: string): Promise<string> {
  await visit(page, 'people')
  await page.getByRole('button', { name: 'Invite' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Email').fill(email)
  await dialog.getByLabel('viewer').check()
  await dialog.getByRole('button', { name: 'Invite' }).click()
  const link = await dialog.getByText('/console#/accept?token=').textContent()
  await dialog.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('cell', { name: email }).first().waitFor()
  return link ?? ''
}

async function accept(page: Page, link: string, email: string): Promise<void> {
  await page.goto(link)
  await page.getByLabel('Email').fill(email)
  await page.getByLabel('Name', { exact: true }).fill('Grace Hopper')
  await page.getByRole('button', { name: 'Accept' }).click()
  await page.getByRole('button', { name: 'Sign in with it' }).click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
}

async function setProvider(page: Page, settings: Record<string, unknown>): Promise<void> {
  await visit(page, 'sso')
  await page.getByRole('button', { name: 'Add a provider' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'As JSON' }).click()
  await dialog.locator('textarea').fill(JSON.stringify({ name: 'idp', ...settings }))
  await dialog.getByRole('button', { name: 'Add a provider' }).click()
  await dialog.getByRole('button', { name: 'Done' }).click()
}

async function signInByProvider(page: Page, tenant: string, email: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Tenant' }).fill(tenant)
  await page.getByRole('button', { name: 'Continue to your provider' }).click()
  await page.getByLabel('Address').fill(email)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
}

async function createKey(page: Page): Promise<string> {
  await visit(page, 'api-keys')
  await page.getByRole('button', { name: 'Create a key' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('deploys')
  await dialog.getByRole('button', { name: 'Create a key' }).click()
  const key = await dialog.locator('[data-secret=key]').textContent()
  await dialog.getByRole('button', { name: 'Done' }).click()
  return key ?? ''
}

async function callPath(page: Page, path: string): Promise<void> {
  await visit(page, 'playground')
  await page.getByLabel('Path').selectOption(path)
  await page.getByRole('button', { name: 'Call', exact: true }).click()
  await page.locator('.outcome').getByText('Seed').waitFor()
}

/** The row of the overview that counts the API calls of this month. */
function callsRow(page: Page) {
  return page.getByRole('row', { name: /API calls month/ })
}

async function callsSeen(page: Page): Promise<number> {
  await visit(page, 'overview')
  return Number(await callsRow(page).locator('td').nth(2).textContent())
}

/** Pays on the page of the payment provider, which leads back to the console. */
async function buy(page: Page, plan: string): Promise<void> {
  await visit(page, 'billing')
  await page.getByRole('button', { name: 'Buy' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Plan').selectOption(plan)
  await dialog.getByRole('button', { name: 'Buy' }).click()
  const url = await dialog.locator('.answer dd').first().textContent()
  await page.goto(url ?? '')
  await page.getByRole('button', { name: 'Pay' }).click()
  await page.getByRole('heading', { level: 1, name: 'Billing' }).waitFor()
}

/** Runs an action that takes no input. */
async function act(page: Page, label: string): Promise<void> {
  await page.getByRole('button', { name: label, exact: true }).click()
  const confirm = page.getByRole('dialog').locator('button[type=submit]')
  await confirm.click()
  await confirm.waitFor({ state: 'detached' })
}

async function download(page: Page, button: ReturnType<Page['getByRole']>): Promise<Buffer> {
  const [file] = await Promise.all([page.waitForEvent('download'), button.click()])
  return readFile(await file.path())
}
