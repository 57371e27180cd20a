/** All that a customer does, from nothing to the end, in the console alone. Steps whose operations a platform lacks are not taken. */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Page } from 'playwright-core'
import { afterAll, describe, expect } from 'vitest'
import { startBrowser } from './browser.ts'
import { NARROW, testIn, visit } from './console-world.ts'
import { standIns } from './stand-ins.ts'

const browser = await startBrowser()
const test = testIn(browser)
afterAll(() => browser?.close())

const METERED_WITHIN_MS = 5000

describe.skipIf(browser === undefined)('a customer in the console', () => {
  test('signs up, invites, works, sees the usage, buys, reads the invoice and cancels', async ({
    open,
    has,
    newTenant,
    operatorKey,
  }) => {
    const slug = `t-${randomUUID().slice(0, 8)}`
    const page = await open()
    const isNew = has('POST /v1/signup')
    if (isNew) await signUp(page, slug)
    else await enter(page, (await newTenant('pro', ['admin'])).apiKey)

    // The free plan is for one person, and has no SSO.
    if (isNew && has('PUT /v1/operator/tenants/:id/plan')) {
      const operator = await open()
      await enter(operator, operatorKey)
      await setPlan(operator, slug, 'enterprise')
    }

    const guest = await open(NARROW)
    const email = `grace@${slug}.example`
    await accept(guest, await invite(page, email), email)
    expect(await guest.locator('.who').textContent()).toContain('viewer')

    const { provider, payments } = standIns
    if (has('GET /v1/auth/login') && provider !== undefined) {
      await setProvider(page, provider.settings)
      const colleague = await open()
      await colleague.getByLabel('Tenant').fill(slug)
      await colleague.getByRole('button', { name: 'Continue to your provider' }).click()
      await provider.signIn(colleague, `ada@${slug}.example`)
      await colleague.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
    }

    const key = await createKey(page)
    expect(key).toMatch(/^kg_/)
    const calls = has('GET /v1/usage/current') ? await callsSeen(page) : 0
    await callPath(page, 'void.entropy.sip')
    if (has('GET /v1/usage/current')) {
      const row = page.getByRole('row', { name: /API calls month/ })
      await visit(page, 'overview')
      await row
        .getByRole('cell', { name: String(calls + 1), exact: true })
        .first()
        .waitFor({ timeout: METERED_WITHIN_MS })
    }

    if (has('POST /v1/billing/checkout') && payments !== undefined) {
      await payments.pay(await buy(page, 'starter'))
      await visit(page, 'billing')
      const invoice = page.getByRole('row', { name: /paid/ })
      await invoice.waitFor()
      expect(
        (await download(page, invoice.getByRole('button', { name: /^PDF of/ }))).subarray(0, 5).toString(),
      ).toBe('%PDF-')
      await act(page, 'Cancel')
      await page.getByText('Cancels at end').locator('..').getByText('yes').waitFor()
    }
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

async function enter(page: Page, apiKey: string): Promise<void> {
  await page.getByLabel('API key').fill(apiKey)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor()
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

/** API calls of this month, as the overview shows them. */
async function callsSeen(page: Page): Promise<number> {
  await visit(page, 'overview')
  const row = page.getByRole('row', { name: /API calls month/ })
  return Number(await row.locator('td').nth(2).textContent())
}

/** @returns where the payment provider's page is */
async function buy(page: Page, plan: string): Promise<string> {
  await visit(page, 'billing')
  await page.getByRole('button', { name: 'Buy' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Plan').selectOption(plan)
  await dialog.getByRole('button', { name: 'Buy' }).click()
  const url = await dialog.locator('.answer dd').first().textContent()
  await dialog.getByRole('button', { name: 'Done' }).click()
  return url ?? ''
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
