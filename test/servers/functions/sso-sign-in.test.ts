/** Signing in by a provider of OpenID Connect, a real one and one that lies. */
import { randomUUID } from 'node:crypto'
import { afterAll, describe } from 'vitest'
import { openLyingProvider, openRealProvider, type Account } from '../../identity-provider.ts'
import { openBrowser, type Browser } from './browser.ts'
import { testWithHolders } from './holders.ts'
import type { Tenant } from './world.ts'

const CALLBACK = 'http://127.0.0.1:8000/v1/auth/callback'
const real = await openRealProvider(['acme', 'globex'], CALLBACK)
const lying = await openLyingProvider()
afterAll(() => {
  real.close()
  lying.close()
})

const test = testWithHolders([], { EGRESS_PRIVATE_ALLOWED: `${real.issuer},${lying.issuer}` })

const ADA: Account = { sub: 'ada', email: 'Ada@acme.example', email_verified: true, name: 'Ada' }
const SETTINGS = {
  client_id: 'acme',
  client_secret: 'acme-secret',
  role_map: { admins: ['admin', 'developer'], readers: ['viewer'] },
  default_roles: ['viewer'],
  just_in_time: true,
  email_domains: ['acme.example'],
}

async function setProvider(admin: Tenant, settings: object = {}, name = 'idp') {
  const body = { issuer: real.issuer, ...SETTINGS, ...settings }
  const answer = await admin.calls('PUT', `/v1/identity-providers/${name}`, body)
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
}

const begin = (browser: Browser, tenant: Tenant, more = '') =>
  browser.calls('GET', `/v1/auth/login?tenant=t-${tenant.id}${more}`)

const pathOf = (url: string) => url.slice(new URL(url).origin.length)

/** A browser goes to the provider and comes back with its answer. */
async function signIn(browser: Browser, tenant: Tenant, account: Account, more = '') {
  real.signedIn = account
  const { headers } = await begin(browser, tenant, more)
  return browser.calls('GET', pathOf(await real.visit(headers.get('location') ?? '')))
}

/** The same at the provider that lies, which answers with a token of `claims`, or with that very token. */
async function signInLying(
  browser: Browser,
  tenant: Tenant,
  token: (nonce: string) => Promise<string> | string,
  more = {},
) {
  const { headers } = await begin(browser, tenant)
  const asked = new URL(headers.get('location') ?? '').searchParams
  lying.tokens = { id_token: await token(asked.get('nonce') ?? '') }
  const answer = { code: 'c', state: asked.get('state') ?? '', ...more }
  return browser.calls('GET', `/v1/auth/callback?${String(new URLSearchParams(answer))}`)
}

const who = async (browser: Browser) => (await browser.calls('GET', '/v1/auth/session')).body

describe('signing in by a provider', () => {
  test('makes somebody unknown a member, with the roles of its groups, and opens a session', async ({
    opened,
    admin,
    owner,
    expect,
  }) => {
    await setProvider(admin)
    const browser = openBrowser(opened.app)
    const { status, headers } = await signIn(
      browser,
      admin,
      { ...ADA, groups: ['admins', 'other'] },
      '&return_to=/console%3Fa%3Db',
    )
    expect({ status, location: headers.get('location') }).toEqual({ status: 303, location: '/console?a=b' })
    expect([...browser.cookies.keys()]).toEqual(['kgents_session'])
    expect(await who(browser)).toMatchObject({
      tenant: { id: admin.id },
      user: { kind: 'person', name: 'Ada', email: 'ada@acme.example' },
      roles: ['viewer', 'developer', 'admin'],
    })
    const actions = await owner`select action from audit where tenant_id = ${admin.id} order by seq`
    expect(actions.map(({ action }) => action)).toEqual([
      'identity_provider.added',
      'member.linked',
      'member.provisioned',
      'session.opened',
    ])
  })

  test('gives the roles of the groups at each sign-in, and takes those of groups that are gone', async ({
    opened,
    admin,
    withKey,
    passTime,
    expect,
  }) => {
    await setProvider(admin)
    const browser = openBrowser(opened.app)
    await signIn(browser, admin, { ...ADA, groups: ['admins'] })
    const { body } = await browser.callsAsPage('POST', '/v1/api-keys', { name: 'kept' })
    const holder = withKey(body.key)
    expect((await holder.calls('GET', '/v1/members')).status).toBe(200)
    await signIn(openBrowser(opened.app), admin, { ...ADA, groups: ['readers'] })
    passTime()
    expect((await holder.calls('GET', '/v1/members')).status).toBe(403)
    await setProvider(admin, { default_roles: [] })
    const last = await signIn(openBrowser(opened.app), admin, { ...ADA, groups: [] })
    expect(last).toMatchObject({ status: 403, body: { code: 'AFFORDANCE_DENIED' } })
    passTime()
    expect((await who(browser)).roles).toEqual([])
  })

  test('leaves the last admin one, and lets nobody become an operator', async ({
    opened,
    newTenant,
    owner,
    expect,
  }) => {
    const alone = await newTenant('enterprise', ['admin'])
    await owner`update users set email = 'ada@acme.example' where id = ${alone.user}`
    await setProvider(alone)
    const browser = openBrowser(opened.app)
    expect((await signIn(browser, alone, { ...ADA, groups: ['readers'] })).status).toBe(303)
    expect(await who(browser)).toMatchObject({ user: { id: alone.user }, roles: ['viewer', 'admin'] })
    const operators = await newTenant('enterprise', ['super_admin'])
    await owner`update users set email = 'ada@acme.example' where id = ${operators.user}`
    await setProvider(operators)
    expect((await signIn(openBrowser(opened.app), operators, ADA)).status).toBe(403)
    const wrong = { issuer: real.issuer, ...SETTINGS, role_map: { admins: ['super_admin'] } }
    expect((await alone.calls('PUT', '/v1/identity-providers/idp', wrong)).status).toBe(400)
  })

  test('takes an invitation of the address in place of just-in-time', async ({ opened, admin, expect }) => {
    await setProvider(admin, { just_in_time: false, role_map: {}, default_roles: [] })
    expect((await signIn(openBrowser(opened.app), admin, ADA)).body.code).toBe('AFFORDANCE_DENIED')
    await admin.calls('POST', '/v1/invitations', { email: 'ada@acme.example', roles: ['developer'] })
    const browser = openBrowser(opened.app)
    expect((await signIn(browser, admin, ADA)).status).toBe(303)
    expect((await who(browser)).roles).toEqual(['developer'])
    expect((await admin.calls('GET', '/v1/invitations?state=accepted')).body.invitations).toHaveLength(1)
  })

  test('lets people of a proven domain join without just-in-time, where the tenant lets them', async ({
    opened,
    admin,
    newTenant,
    owner,
    expect,
  }) => {
    const globex = await newTenant('enterprise', ['admin'])
    const domain = `d${randomUUID().slice(0, 8)}.example`
    const account = { ...ADA, email: `Ada@${domain}` }
    const settings = { just_in_time: false, role_map: {}, default_roles: [], email_domains: [domain] }
    for (const tenant of [admin, globex]) await setProvider(tenant, settings)
    const tries = (tenant: Tenant, more: object = {}) =>
      signIn(openBrowser(opened.app), tenant, { ...account, ...more })
    await owner`
      insert into domains (id, tenant_id, name, challenge, join_roles, created_by)
      values (${randomUUID()}, ${admin.id}, ${domain}, 'x', '{viewer}', ${admin.user})`
    expect((await tries(admin)).body.code).toBe('AFFORDANCE_DENIED')
    await owner`update domains set verified_at = now(), checked_at = now(), method = 'dns' where name = ${domain}`
    expect((await tries(globex)).body.code).toBe('AFFORDANCE_DENIED')
    expect((await tries(admin, { email_verified: false })).body.code).toBe('AFFORDANCE_DENIED')
    await owner`update domains set join_roles = null where name = ${domain}`
    expect((await tries(admin)).body.code).toBe('AFFORDANCE_DENIED')
    await owner`update domains set join_roles = '{developer}' where name = ${domain}`
    const browser = openBrowser(opened.app)
    expect((await signIn(browser, admin, account)).status).toBe(303)
    const { user, roles } = await who(browser)
    expect({ email: user.email, roles }).toEqual({ email: `ada@${domain}`, roles: ['developer'] })
    expect((await tries(admin)).status).toBe(303)
    expect(
      await owner`
      select target from audit where tenant_id = ${admin.id} and action = 'member.joined_by_domain'`,
    ).toEqual([{ target: user.id }])
    // Groups that give roles decide, as for everybody: who is in none of them does not come in, and takes no seat.
    await setProvider(admin, { ...settings, role_map: SETTINGS.role_map })
    const bob = { sub: 'bob', email: `bob@${domain}` }
    expect((await tries(admin, bob)).body.code).toBe('AFFORDANCE_DENIED')
    expect((await admin.calls('GET', '/v1/members')).body.members).toHaveLength(2)
    expect((await tries(admin, { ...bob, groups: ['readers'] })).status).toBe(303)
  })

  test('ends with the plan that has it', async ({ opened, admin, owner, expect }) => {
    await setProvider(admin)

    await owner`update tenants set tier = 'free' where id = ${admin.id}`
    const { status, body } = await begin(openBrowser(opened.app), admin)
    expect({ status, code: body.code }).toEqual({ status: 403, code: 'TIER_REQUIRED' })
  })

  test('knows a person by issuer and subject: an address that is not verified, or of another domain, is nobody’s', async ({
    opened,
    admin,
    owner,
    expect,
  }) => {
    await owner`update users set email = 'boss@acme.example' where id = ${admin.user}`
    await setProvider(admin)
    const boss = { sub: 'mallory', email: 'boss@acme.example', name: 'Mallory' }
    for (const account of [
      { ...boss, email_verified: false },
      { ...boss, email_verified: 'false' },
      { ...boss, email_verified: 1 },
      boss,
      { ...boss, email: 'boss@acme.example.evil.example', email_verified: true },
      { ...boss, email: 'boss@evil.example', email_verified: true },
    ]) {
      const browser = openBrowser(opened.app)
      const { status, body } = await signIn(browser, admin, { ...account, sub: randomUUID() })
      expect({ status, code: body.code }, JSON.stringify(account)).toEqual({
        status: 403,
        code: 'AFFORDANCE_DENIED',
      })
      expect(browser.cookies.has('kgents_session')).toBe(false)
    }
    // Who is known stays known under another address, and does not become who has that one.
    await signIn(openBrowser(opened.app), admin, ADA)
    const browser = openBrowser(opened.app)
    await signIn(browser, admin, { ...ADA, email: 'boss@acme.example' })
    expect((await who(browser)).user.email).toBe('ada@acme.example')
  })

  test('ends with the person: nobody who was removed comes back by the provider', async ({
    opened,
    admin,
    passTime,
    expect,
  }) => {
    await setProvider(admin)
    const browser = openBrowser(opened.app)
    await signIn(browser, admin, ADA)
    const { user } = await who(browser)
    expect((await admin.calls('DELETE', `/v1/members/${user.id}`)).status).toBe(200)
    passTime()
    expect((await browser.calls('GET', '/v1/auth/session')).status).toBe(401)
    expect((await signIn(openBrowser(opened.app), admin, ADA)).status).toBe(403)
    await admin.calls('POST', '/v1/invitations', { email: 'ada@acme.example' })
    const back = openBrowser(opened.app)
    expect((await signIn(back, admin, ADA)).status).toBe(303)
    expect((await who(back)).user.id).not.toBe(user.id)
  })

  test('never mixes two tenants behind one provider', async ({ opened, admin, newTenant, expect }) => {
    const globex = await newTenant('enterprise', ['admin'])
    await setProvider(admin)
    await setProvider(globex, { client_id: 'globex', client_secret: 'globex-secret' })
    const browser = openBrowser(opened.app)
    await signIn(browser, admin, ADA)
    const other = openBrowser(opened.app)
    await signIn(other, globex, ADA)
    const [first, second] = [await who(browser), await who(other)]
    expect([first.tenant.id, second.tenant.id]).toEqual([admin.id, globex.id])
    expect(first.user.id).not.toBe(second.user.id)
    // The answer for one tenant, in the browser that began with the other.
    real.signedIn = ADA
    const mixed = openBrowser(opened.app)
    const toFirst = (await begin(mixed, admin)).headers.get('location') ?? ''
    await begin(mixed, globex)
    const answer = await mixed.calls('GET', pathOf(await real.visit(toFirst)))
    expect(answer).toMatchObject({ status: 401, body: { code: 'CREDENTIALS_INVALID' } })
    expect(mixed.cookies.has('kgents_session')).toBe(false)
  })

  test('is good once, in the browser that began', async ({ opened, admin, expect }) => {
    await setProvider(admin)
    real.signedIn = ADA
    const browser = openBrowser(opened.app)
    const { headers } = await begin(browser, admin)
    const cookie = browser.cookies.get('kgents_sign_in') ?? ''
    const answer = pathOf(await real.visit(headers.get('location') ?? ''))
    for (const forged of [undefined, 'x', `${cookie.slice(0, -4)}AAAA`]) {
      const other = openBrowser(opened.app)
      if (forged !== undefined) other.cookies.set('kgents_sign_in', forged)
      expect((await other.calls('GET', answer)).body.code).toBe('CREDENTIALS_INVALID')
    }
    const wrongState = answer.replace(/state=[^&]+/, 'state=other')
    expect((await browser.calls('GET', wrongState)).body.code).toBe('CREDENTIALS_INVALID')
    expect((await browser.calls('GET', answer)).status).toBe(303)
    browser.cookies.set('kgents_sign_in', cookie)
    expect((await browser.calls('GET', answer)).body.code).toBe('CREDENTIALS_INVALID')
  })

  test('sends nobody to another site', async ({ opened, admin, expect }) => {
    await setProvider(admin)
    for (const path of [
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      '/%09/evil.example'.replace('%09', '\t'),
      '/..//evil.example',
      'javascript:alert(1)',
      'console',
      '',
      '/a\\..\\..\\b',
    ]) {
      const answer = await begin(openBrowser(opened.app), admin, `&return_to=${encodeURIComponent(path)}`)
      expect(answer, path).toMatchObject({ status: 400, body: { code: 'TYPE_MISMATCH' } })
    }
  })

  test('says no more of a tenant that is not there than of one without a provider', async ({
    opened,
    admin,
    expect,
  }) => {
    const browser = openBrowser(opened.app)
    const { status, body } = await begin(browser, admin)
    expect(status).toBe(404)
    const other = await browser.calls('GET', `/v1/auth/login?tenant=t-${randomUUID()}`)
    expect(other.body.message.replace(/t-[^"]+/, '')).toBe(body.message.replace(/t-[^"]+/, ''))
  })
})

describe('a provider that lies', () => {
  const settings = { issuer: lying.issuer, role_map: {} }
  const good = { email: 'ada@acme.example', email_verified: true }

  test('is believed where nothing is wrong, also after it has changed its keys', async ({
    opened,
    admin,
    expect,
  }) => {
    await setProvider(admin, settings)
    const attempt = () =>
      signInLying(openBrowser(opened.app), admin, (nonce) =>
        lying.sign(lying.claims('acme', { ...good, nonce })),
      )
    expect((await attempt()).status).toBe(303)
    await lying.rotate()
    // Too soon after the keys were fetched: nobody makes this process fetch them all the time.
    const before = lying.requests.filter((path) => path === '/keys').length
    expect((await attempt()).status).toBe(401)
    expect((await attempt()).status).toBe(401)
    expect(lying.requests.filter((path) => path === '/keys')).toHaveLength(before)
    const now = Date.now
    Date.now = () => now() + 6_000
    try {
      expect((await attempt()).status).toBe(303)
    } finally {
      Date.now = now
    }
  })

  test('gets nobody in with a token that is not good', async ({ opened, admin, expect }) => {
    await setProvider(admin, settings)
    const now = Math.floor(Date.now() / 1000)
    const claims = (nonce: string, more = {}) => lying.claims('acme', { ...good, nonce, ...more })
    const tokens: Record<string, (nonce: string) => Promise<string> | string> = {
      'another issuer': (nonce) => lying.sign(claims(nonce, { iss: real.issuer })),
      'another client': (nonce) => lying.sign(claims(nonce, { aud: 'globex' })),
      'several clients, made for another': (nonce) =>
        lying.sign(claims(nonce, { aud: ['acme', 'globex'], azp: 'globex' })),
      'several clients, made for none': (nonce) => lying.sign(claims(nonce, { aud: ['acme', 'globex'] })),
      'another nonce': () => lying.sign(claims('other')),
      'no nonce': () => lying.sign(lying.claims('acme', good)),
      'no subject': (nonce) => lying.sign(claims(nonce, { sub: '' })),
      expired: (nonce) => lying.sign(claims(nonce, { exp: now - 61, iat: now - 400 })),
      'from the future': (nonce) => lying.sign(claims(nonce, { iat: now + 90 })),
      'not yet good': (nonce) => lying.sign(claims(nonce, { nbf: now + 90 })),
      unsigned: (nonce) => lying.unsigned(claims(nonce)),
      'signed with the public key': (nonce) => lying.signedWithPublicKey(claims(nonce)),
      'an unknown key': (nonce) => lying.sign(claims(nonce), { kid: 'other' }),
      'no token at all': () => '',
      'more groups than anybody has': (nonce) =>
        lying.sign(claims(nonce, { groups: Array.from({ length: 2001 }, (_, at) => `g${at}`) })),
    }
    for (const [what, token] of Object.entries(tokens)) {
      const browser = openBrowser(opened.app)
      const { status, body } = await signInLying(browser, admin, token)
      expect({ status, code: body.code }, what).toEqual({ status: 401, code: 'CREDENTIALS_INVALID' })
      expect(browser.cookies.has('kgents_session'), what).toBe(false)
    }
    const slow = await signInLying(openBrowser(opened.app), admin, (nonce) =>
      lying.sign(claims(nonce, { exp: now - 30, iat: now - 300 })),
    )
    expect(slow.status).toBe(303)
  })

  test('cannot answer in the place of another (RFC 9207)', async ({ opened, admin, expect }) => {
    await setProvider(admin, settings)
    const { status, body } = await signInLying(
      openBrowser(opened.app),
      admin,
      (nonce) => lying.sign(lying.claims('acme', { ...good, nonce })),
      { iss: real.issuer },
    )
    expect({ status, code: body.code }).toEqual({ status: 401, code: 'CREDENTIALS_INVALID' })
  })

  test('is not asked where it names another issuer than it has, or leads into a private network', async ({
    opened,
    newTenant,
    expect,
  }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    lying.configuration = { issuer: real.issuer }
    try {
      await setProvider(tenant, settings)
      expect(await begin(openBrowser(opened.app), tenant)).toMatchObject({
        status: 502,
        body: { code: 'UPSTREAM_FAILED' },
      })
      lying.configuration = {
        jwks_uri: 'http://127.0.0.1:1/keys',
        token_endpoint: 'http://169.254.169.254/token',
      }
      await setProvider(tenant, settings)
      const answer = await signInLying(openBrowser(opened.app), tenant, () => '')
      expect(answer).toMatchObject({ status: 403, body: { code: 'EGRESS_DENIED' } })
    } finally {
      lying.configuration = {}
    }
    for (const issuer of [
      'http://127.0.0.1:1',
      'https://10.0.0.1',
      'http://idp.example',
      'https://localhost',
      'ftp://a.example',
    ]) {
      const answer = await tenant.calls('PUT', '/v1/identity-providers/idp', { ...SETTINGS, issuer })
      expect([400, 403], issuer).toContain(answer.status)
    }
  })
})

describe('identity providers', () => {
  test('keep their secret, and are the tenant’s own', async ({
    admin,
    newTenant,
    owner,
    colleague,
    expect,
  }) => {
    await setProvider(admin)
    const { body } = await admin.calls('GET', '/v1/identity-providers')
    expect(body.identity_providers).toMatchObject([{ name: 'idp', has_client_secret: true }])
    expect(JSON.stringify(body)).not.toContain('acme-secret')
    const rows = await owner`
      select to_jsonb(p)::text as row from identity_providers p union all select record from audit where tenant_id = ${admin.id}
      union all select answer::text from idempotency_keys where tenant_id = ${admin.id}`
    for (const { row } of rows) expect(row).not.toContain('acme-secret')
    const other = await newTenant('enterprise', ['admin'])
    expect((await other.calls('GET', '/v1/identity-providers')).body.identity_providers).toEqual([])
    expect((await other.calls('DELETE', '/v1/identity-providers/idp')).status).toBe(404)
    expect((await (await colleague()).calls('GET', '/v1/identity-providers')).status).toBe(403)
    // A secret does not go to another issuer.
    const { client_secret: _secret, ...rest } = SETTINGS
    const { body: moved } = await admin.calls('PUT', '/v1/identity-providers/idp', {
      ...rest,
      issuer: lying.issuer,
    })
    expect(moved.identity_provider.has_client_secret).toBe(false)
    expect((await admin.calls('DELETE', '/v1/identity-providers/idp')).status).toBe(200)
  })

  test('are of a plan that has them', async ({ newTenant, expect }) => {
    const tenant = await newTenant('team', ['admin'])
    const { status, body } = await tenant.calls('PUT', '/v1/identity-providers/idp', {
      ...SETTINGS,
      issuer: real.issuer,
    })
    expect({ status, code: body.code }).toEqual({ status: 403, code: 'TIER_REQUIRED' })
  })

  test('that are enforced leave a recovery code as the only other way in, once, and everybody hears of it', async ({
    opened,
    admin,
    owner,
    expect,
  }) => {
    const wanted = { issuer: real.issuer, ...SETTINGS, enforced: true }
    expect((await admin.calls('PUT', '/v1/identity-providers/idp', wanted)).body.code).toBe(
      'PRECONDITION_FAILED',
    )
    const { body } = await admin.calls('POST', '/v1/auth/recovery-codes', {})
    const [code = '', second = ''] = body.codes.split(' ')
    expect((await admin.calls('PUT', '/v1/identity-providers/idp', wanted)).status).toBe(200)
    expect((await admin.calls('POST', '/v1/auth/session', {})).body.code).toBe('AFFORDANCE_DENIED')
    const browser = openBrowser(opened.app)
    const recover = (tenant: string, given: string) =>
      browser.calls('POST', '/v1/auth/recover', { tenant, code: given })
    expect((await recover(`t-${randomUUID()}`, code)).body.code).toBe('CREDENTIALS_INVALID')
    expect((await recover(`t-${admin.id}`, `kgr_${'x'.repeat(27)}`)).body.code).toBe('CREDENTIALS_INVALID')
    expect((await recover(`t-${admin.id}`, code)).status).toBe(201)
    expect((await who(browser)).user.id).toBe(admin.user)
    expect((await recover(`t-${admin.id}`, code)).body.code).toBe('CREDENTIALS_INVALID')
    await owner`update users set roles = '{viewer}' where id = ${admin.user}`
    expect((await recover(`t-${admin.id}`, second)).body.code).toBe('CREDENTIALS_INVALID')
    const events = await owner<
      { event: string }[]
    >`select event from outbox where tenant_id = ${admin.id} order by seq`
    expect(
      events.map(({ event }) => JSON.parse(event)).find(({ type }) => type === 'io.kgents.members.recovered')
        ?.data,
    ).toMatchObject({
      member: admin.user,
      left: 7,
    })
    const [record] =
      await owner`select target from audit where tenant_id = ${admin.id} and action = 'recovery_code.used'`
    expect(record?.['target']).toBe(admin.user)
  })
})
