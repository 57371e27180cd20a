/** Sessions of browsers: a cookie that is a credential everywhere, and that no other site can use. */
import { describe } from 'vitest'
import { openBrowser } from './browser.ts'
import { testWithHolders } from './holders.ts'
import { insertColleague } from './world.ts'

const test = testWithHolders().extend<{ page: ReturnType<typeof openBrowser>; key: string }>({
  key: async ({ admin, owner }, use) => use(await insertColleague(owner, admin, 'developer')),
  page: async ({ opened, key }, use) => {
    const browser = openBrowser(opened.app)
    const { status, body } = await browser.calls('POST', '/v1/auth/session', {}, { 'x-api-key': key })
    if (status !== 201) throw new Error(JSON.stringify(body))
    await use(browser)
  },
})

const SIP = '/v1/agentese/void/entropy/sip'

describe('POST /v1/auth/session', () => {
  test('sets a cookie that no script and no other site can use, and that is written down nowhere', async ({
    opened,
    key,
    owner,
    admin,
    expect,
  }) => {
    const browser = openBrowser(opened.app, 'console.kgents.example')
    const { headers, body } = await browser.calls(
      'POST',
      '/v1/auth/session',
      {},
      { 'x-api-key': key, 'idempotency-key': 'once' },
    )
    expect(headers.getSetCookie()).toEqual([
      expect.stringMatching(
        /^__Host-kgents_session=kgs_[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure$/,
      ),
    ])
    expect(headers.get('cache-control')).toBe('no-store')
    const token = browser.cookies.get('__Host-kgents_session') ?? ''
    const rows = await owner`
      select to_jsonb(s)::text as row from browser_sessions s where tenant_id = ${admin.id}
      union all select answer::text from idempotency_keys where tenant_id = ${admin.id}
      union all select record from audit where tenant_id = ${admin.id}`
    expect(rows.length).toBeGreaterThan(2)
    for (const { row } of rows)
      for (const secret of [token, body.csrf_token]) expect(row).not.toContain(secret)
    const again = await browser.calls(
      'POST',
      '/v1/auth/session',
      {},
      { 'x-api-key': key, 'idempotency-key': 'once' },
    )
    expect(again.headers.getSetCookie()).toEqual([])
    expect(again.body).toEqual({ session: body.session })
  })

  test('sets a plain cookie on this machine, and does not read it elsewhere', async ({
    opened,
    page,
    expect,
  }) => {
    const value = page.cookies.get('kgents_session') ?? ''
    expect((await page.calls('GET', '/v1/auth/session')).status).toBe(200)
    const elsewhere = openBrowser(opened.app, 'console.kgents.example')
    elsewhere.cookies.set('kgents_session', value)
    expect((await elsewhere.calls('GET', '/v1/auth/session')).status).toBe(401)
  })

  test('does not make a session of a session', async ({ page, expect }) => {
    expect(await page.callsAsPage('POST', '/v1/auth/session', {})).toMatchObject({
      status: 409,
      body: { code: 'STATE_CONFLICT' },
    })
  })

  test('ends the oldest of more than 20 sessions of a person', async ({ opened, page, key, expect }) => {
    for (let count = 0; count < 20; count++)
      await openBrowser(opened.app).calls('POST', '/v1/auth/session', {}, { 'x-api-key': key })
    expect((await page.calls('GET', '/v1/auth/session')).status).toBe(401)
  })
})

describe('GET /v1/auth/session', () => {
  test('answers who the caller is, by whichever credential', async ({
    page,
    withKey,
    key,
    admin,
    expect,
  }) => {
    const { body, headers } = await page.calls('GET', '/v1/auth/session')
    expect(body).toMatchObject({
      session: { idle_seconds: 3600 },
      tenant: { id: admin.id, slug: `t-${admin.id}`, name: 'Test' },
      user: { kind: 'person', name: 'Test' },
      roles: ['developer'],
      plan: 'enterprise',
      scopes: null,
      csrf_token: expect.stringMatching(/^[\w-]{43}$/),
    })
    expect(headers.get('cache-control')).toBe('no-store')
    const { body: byKey } = await withKey(key).calls('GET', '/v1/auth/session')
    expect(byKey).toEqual({ ...body, session: null, csrf_token: null })
  })

  test('is narrowed to what the key is narrowed to', async ({ opened, key, withKey, expect }) => {
    const { body } = await withKey(key).calls('POST', '/v1/api-keys', { name: 'n', scopes: ['api_key:read'] })
    const browser = openBrowser(opened.app)
    await browser.calls('POST', '/v1/auth/session', {}, { 'x-api-key': body.key })
    expect((await browser.calls('GET', '/v1/auth/session')).body.scopes).toEqual(['api_key:read'])
    expect((await browser.calls('GET', '/v1/api-keys')).status).toBe(200)
    expect((await browser.callsAsPage('POST', '/v1/api-keys', { name: 'wider' })).body.code).toBe(
      'SCOPE_MISSING',
    )
  })
})

describe('a session', () => {
  test('is a credential on every route, in every archetype and for streams', async ({ page, expect }) => {
    expect((await page.callsAsPage('POST', SIP, { amount: 1 })).status).toBe(200)
    expect((await page.calls('GET', '/v1/agentese/discover')).status).toBe(200)
    expect((await page.callsAsPage('POST', '/v1/api-keys', { name: 'made by the page' })).status).toBe(201)
  })

  test('counts for nothing beside a credential that was sent on purpose', async ({
    page,
    newTenant,
    owner,
    expect,
  }) => {
    const other = await newTenant()
    const key = await insertColleague(owner, other, 'viewer')
    const { body } = await page.calls('GET', '/v1/auth/session', undefined, { 'x-api-key': key })
    expect(body.tenant.id).toBe(other.id)
    const { status } = await page.calls('GET', '/v1/auth/session', undefined, { authorization: 'Bearer no' })
    expect(status).toBe(401)
  })

  test('changes nothing for another site, nor without its CSRF token', async ({
    page,
    opened,
    key,
    expect,
  }) => {
    const { body } = await page.calls('GET', '/v1/auth/session')
    const other = openBrowser(opened.app)
    const { body: its } = await other.calls('POST', '/v1/auth/session', {}, { 'x-api-key': key })
    const good = { 'x-csrf-token': body.csrf_token as string }
    const wrong: Record<string, string>[] = [
      {},
      { 'x-csrf-token': '' },
      { 'x-csrf-token': its.csrf_token },
      { ...good, 'sec-fetch-site': 'cross-site' },
      { ...good, 'sec-fetch-site': 'same-site' },
      { ...good, 'sec-fetch-site': 'none' },
      { ...good, origin: 'https://evil.example' },
      { ...good, origin: 'null' },
      { ...good, 'sec-fetch-site': 'same-origin', origin: 'http://127.0.0.1.evil.example' },
    ]
    for (const headers of wrong) {
      for (const [method, path] of [
        ['POST', SIP],
        ['POST', '/v1/api-keys'],
        ['DELETE', '/v1/auth/session'],
      ] as const) {
        const answer = await page.calls(method, path, method === 'POST' ? { name: 'n' } : undefined, headers)
        expect(answer, `${method} ${path} ${JSON.stringify(headers)}`).toMatchObject({
          status: 403,
          body: { code: 'CSRF_REFUSED' },
        })
      }
    }
    expect((await page.calls('POST', SIP, { amount: 1 }, good)).status).toBe(200)
  })

  test('ends with its person, its key, its time, or a sign-out', async ({
    page,
    opened,
    owner,
    admin,
    key,
    passTime,
    expect,
  }) => {
    const { body } = await page.calls('GET', '/v1/auth/session')
    const { id } = body.session
    const over = async () => {
      passTime()
      return (await page.calls('GET', '/v1/auth/session')).status
    }
    const undone = async (change: () => Promise<unknown>, undo: () => Promise<unknown>) => {
      await change()
      const status = await over()
      await undo()
      return [status, await over()]
    }
    const used = (ago: string) => owner`
      update browser_sessions set last_used_at = now() - ${ago}::interval where id = ${id}`
    const until = (later: string) => owner`
      update browser_sessions set expires_at = now() + ${later}::interval where id = ${id}`
    const revoked = (at: Date | null) => owner`
      update api_keys set revoked_at = ${at} where user_id = ${body.user.id}`
    const suspended = (at: Date | null) =>
      owner`update tenants set suspended_at = ${at} where id = ${admin.id}`
    expect(
      await undone(
        () => used('61 minutes'),
        () => used('59 minutes'),
      ),
    ).toEqual([401, 200])
    expect(
      await undone(
        () => until('-1 second'),
        () => until('1 hour'),
      ),
    ).toEqual([401, 200])
    expect(
      await undone(
        () => revoked(new Date()),
        () => revoked(null),
      ),
    ).toEqual([401, 200])
    expect(
      await undone(
        () => suspended(new Date()),
        () => suspended(null),
      ),
    ).toEqual([403, 200])
    const second = openBrowser(opened.app)
    await second.calls('POST', '/v1/auth/session', {}, { 'x-api-key': key })
    const { headers } = await second.callsAsPage('DELETE', '/v1/auth/session')
    expect(headers.getSetCookie()).toEqual(['kgents_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict'])
    expect(second.cookies.size).toBe(0)
    await admin.calls('DELETE', `/v1/members/${body.user.id}`)
    expect(await over()).toBe(401)
  })

  test('of which nothing is left lets a guest be a guest', async ({ page, passTime, expect }) => {
    page.cookies.set('kgents_session', `kgs_${'x'.repeat(43)}`)
    passTime()
    expect((await page.calls('GET', '/v1/agentese/discover')).status).toBe(200)
    expect((await page.calls('GET', '/v1/members')).status).toBe(401)
  })
})
