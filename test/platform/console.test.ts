import { afterAll, describe } from 'vitest'
import { startBrowser } from './browser.ts'
import { LOOKS, NARROW, overflowOf, show, testIn, violationsOf, visit, WIDE } from './console-world.ts'

const browser = await startBrowser()
const test = testIn(browser)
afterAll(async () => {
  await browser?.close()
})

describe.skipIf(browser === undefined)('the console', () => {
  test('shows each of its pages to an operator, readable by everybody, wide and narrow, light and dark', async ({
    signIn,
    operatorKey,
    expect,
  }) => {
    const page = await signIn(operatorKey, WIDE)
    const links = await page
      .locator('nav a')
      .evaluateAll((all) => all.map((each) => each.getAttribute('href') ?? ''))
    expect(links.length).toBeGreaterThan(20)
    const found: Record<string, unknown> = {}
    for (const id of links.map((link) => link.replace('#/', ''))) {
      await show(page, WIDE)
      await visit(page, id)
      const wide = { violations: await violationsOf(page), overflow: await overflowOf(page) }
      await show(page, NARROW)
      const narrow = { violations: await violationsOf(page, LOOKS), overflow: await overflowOf(page) }
      found[id] = { wide, narrow, alerts: await page.getByRole('alert').allTextContents() }
    }
    const fine = { violations: [], overflow: 0 }
    const all = { wide: fine, narrow: fine, alerts: [] }
    expect(found).toEqual(Object.fromEntries(Object.keys(found).map((id) => [id, all])))
  })

  test('is readable for whoever is nobody yet, and remembers the theme alone', async ({ open, expect }) => {
    const page = await open(NARROW)
    await page.getByLabel('API key').waitFor()
    for (const hash of ['#/', '#/accept?token=x', '#/sign-up']) {
      await page.evaluate(`location.hash = '${hash}'`)
      expect(await violationsOf(page), hash).toEqual([])
    }
    await page.getByLabel('Theme').selectOption('light')
    await page.reload()
    await page.getByLabel('Theme').waitFor()
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('light')
    expect(await page.evaluate('({ ...localStorage })')).toEqual({ 'kgents-theme': 'light' })
  })

  test('refuses an API key that is none with the reason and its trace', async ({ open, expect }) => {
    const page = await open()
    await page.getByLabel('API key').fill(`kg_abcde_${'x'.repeat(43)}`)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    const problem = await page.getByRole('alert').textContent()
    expect(problem).toMatch(/Who you are could not be established\s+CREDENTIALS_INVALID/)
    expect(problem).toMatch(/Trace [0-9a-f]{32}/)
  })

  test('keeps no credential where a script or the next user finds it', async ({
    newTenant,
    signIn,
    expect,
  }) => {
    const { apiKey } = await newTenant('pro', ['admin'])
    const page = await signIn(apiKey)
    const kept = await page.evaluate(
      '[{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]',
    )
    expect(JSON.stringify(kept)).not.toMatch(/kg_|kgs_|eyJ/)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('API key').waitFor()
    await page.reload()
    await page.getByLabel('API key').waitFor()
  })

  test("shows an operator's pages to operators alone, and a viewer what a viewer may do", async ({
    newTenant,
    signIn,
    expect,
  }) => {
    const page = await signIn((await newTenant('pro', ['viewer'])).apiKey)
    const titles = await page.locator('nav a').allTextContents()
    expect(titles).toContain('Jobs')
    expect(titles).not.toContain('Tenants')
    expect(titles).not.toContain('Members and invitations')
    await visit(page, 'tenants')
    expect(await page.locator('main').textContent()).toContain('Your roles do not include platform:operate')
    await visit(page, 'settings')
    expect(await page.getByRole('button', { name: 'Rename' }).count()).toBe(0)
  })

  test('makes, shows once and revokes an API key by the keyboard alone', async ({
    newTenant,
    signIn,
    url,
    expect,
  }) => {
    const page = await signIn((await newTenant('pro', ['admin'])).apiKey)
    await visit(page, 'api-keys')
    const opener = page.getByRole('button', { name: 'Create a key' })
    await opener.focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Create a key' })
    await dialog.getByLabel('Name').fill('nightly')
    expect(await violationsOf(page)).toEqual([])
    await dialog.locator('.curl summary').press('Enter')
    const command = await dialog.locator('pre').textContent()
    expect(command).toContain('-X POST')
    expect(command).toContain(`'${url}/v1/api-keys'`)
    expect(command).toContain('"name": "nightly"')
    expect(command).not.toMatch(/kg_[a-z0-9]{5}_/)
    await dialog.getByRole('button', { name: 'Create a key' }).press('Enter')
    const key = (await dialog.locator('[data-secret=key]').textContent()) ?? ''
    expect(await tenantSeenBy(url, key)).toBe(200)
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    expect(await page.locator(':focus').textContent()).toBe('Create a key')
    expect(await page.content()).not.toContain(key)

    await page.getByRole('button', { name: 'Revoke nightly' }).press('Enter')
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).press('Enter')
    await page.getByRole('status').getByText('Revoke nightly: done').waitFor()
    await expect.poll(() => tenantSeenBy(url, key)).toBe(401)
  })

  test('shows what others have typed as text', async ({ newTenant, signIn, expect }) => {
    const tenant = await newTenant('pro', ['admin'])
    const name = '<img src=x onerror="document.title=1"> "\' ${1} <script>alert(1)</script>'
    await tenant.call('POST', '/v1/api-keys', { name })
    const page = await signIn(tenant.apiKey)
    await visit(page, 'api-keys')
    expect(await page.getByRole('cell', { name, exact: true }).textContent()).toBe(name)
    expect(await page.locator('main img, main script').count()).toBe(0)
  })

  test('says why an action was refused, and what to do', async ({ newTenant, signIn, expect }) => {
    const tenant = await newTenant('pro', ['admin'])
    await tenant.call('POST', '/v1/invitations', { email: 'ada@example.com', roles: ['viewer'] })
    const page = await signIn(tenant.apiKey)
    await visit(page, 'people')
    await page.getByRole('button', { name: 'Invite' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Fill in the example' }).click()
    await dialog.getByRole('button', { name: 'Invite' }).click()
    const problem = await dialog.getByRole('alert').textContent()
    expect(problem).toContain('STATE_CONFLICT')
    expect(problem).toMatch(/Trace [0-9a-f]{32}/)
  })

  test('says in the place of what it cannot read why that is, and reads it when asked again', async ({
    newTenant,
    signIn,
    expect,
  }) => {
    const page = await signIn((await newTenant('pro', ['admin'])).apiKey)
    const unreachable = /\/v1\/(api-keys|tenant$)/
    await page.route(unreachable, (route) => route.abort())
    for (const id of ['api-keys', 'settings']) {
      await visit(page, id)
      expect(await page.getByRole('alert').first().textContent(), id).toContain('The platform did not answer')
    }
    await page.unroute(unreachable)
    await page.getByRole('button', { name: 'Try again' }).click()
    await page.getByText('Plan version').waitFor()
    expect(await page.getByRole('alert').count()).toBe(0)
  })

  test('calls a path by the form of its schema: what it would cost, then what it answers', async ({
    newTenant,
    signIn,
    expect,
  }) => {
    const page = await signIn((await newTenant('pro', ['developer'])).apiKey)
    await visit(page, 'playground')
    await page.getByLabel('Path').selectOption('void.entropy.sip')
    await page.getByLabel('Amount').fill('0.25')
    await page.getByRole('button', { name: 'Dry run' }).click()
    const outcome = page.locator('.outcome')
    await outcome.getByText('Dry run').waitFor()
    expect(await outcome.textContent()).toMatch(/Cost\s*Entropy\s*0.25/)
    await page.getByRole('button', { name: 'Call', exact: true }).click()
    await outcome.getByText('Seed').waitFor()
    expect(await outcome.textContent()).toMatch(/Amount\s*0.25/)
    expect(await violationsOf(page)).toEqual([])
  })

  test('shows the words of a model as they come, and its job', async ({ newTenant, signIn, expect }) => {
    const page = await signIn((await newTenant('pro', ['developer'])).apiKey)
    await visit(page, 'playground')
    await page.getByLabel('Path').selectOption('self.soul.dialogue')
    await page.getByRole('button', { name: 'Fill in the example' }).click()
    await page.getByRole('button', { name: 'Call', exact: true }).click()
    await page.locator('.outcome blockquote').waitFor()
    await page.locator('.outcome .state', { hasText: 'completed' }).waitFor()
    await visit(page, 'jobs')
    const row = page.getByRole('row', { name: /self\.soul\.dialogue/ })
    await row.getByText('completed').waitFor()
    expect(await row.locator('time').first().getAttribute('datetime')).toMatch(/Z$/)
  })
})

async function tenantSeenBy(url: string, key: string): Promise<number> {
  return (await fetch(`${url}/v1/tenant`, { headers: { 'x-api-key': key } })).status
}
