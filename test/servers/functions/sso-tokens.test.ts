/** Tokens for programs: by a token of an identity provider, and by the approval of a person. */
import { randomUUID } from 'node:crypto'
import { afterAll, describe } from 'vitest'
import { openLyingProvider } from '../../identity-provider.ts'
import { openBrowser } from './browser.ts'
import { testWithHolders } from './holders.ts'
import { insertColleague, type Tenant } from './world.ts'

const provider = await openLyingProvider()
afterAll(() => provider.close())

const FORM = 'application/x-www-form-urlencoded'
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code'
const ADA = { sub: 'ada', email: 'ada@acme.example', email_verified: true, name: 'Ada' }

type Fields = Record<string, string>

const test = testWithHolders([], { EGRESS_PRIVATE_ALLOWED: provider.issuer }).extend<{
  posts: (
    path: string,
    fields: Fields | string,
    headers?: Record<string, string>,
  ) => Promise<{
    status: number
    headers: Headers
    // oxlint-disable-next-line typescript/no-explicit-any -- reason: tests look into answers of every shape
    body: any
  }>
  tokens: (fields: Fields | string, headers?: Record<string, string>) => ReturnType<Poster>
}>({
  posts: async ({ opened }, use) => {
    await use(async (path, fields, headers = {}) => {
      const address = `10.1.${Math.floor(Math.random() * 250)}.${Math.floor(Math.random() * 250)}`
      const response = await opened.app.request(path, {
        method: 'POST',
        headers: { 'content-type': FORM, 'x-real-ip': address, ...headers },
        body: String(typeof fields === 'string' ? fields : new URLSearchParams(fields)),
      })
      return { status: response.status, headers: response.headers, body: await response.json() }
    })
  },
  tokens: async ({ posts }, use) => use((fields, headers) => posts('/v1/auth/token', fields, headers)),
})
// oxlint-disable-next-line typescript/no-explicit-any -- reason: as above
type Poster = () => Promise<{ status: number; headers: Headers; body: any }>

async function setProvider(admin: Tenant, settings: object = {}) {
  const answer = await admin.calls('PUT', '/v1/identity-providers/idp', {
    issuer: provider.issuer,
    client_id: 'acme',
    default_roles: ['developer'],
    just_in_time: true,
    email_domains: ['acme.example'],
    ...settings,
  })
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
}

const exchangeOf = ({ id }: Tenant, subject_token: string): Fields => ({
  grant_type: EXCHANGE,
  subject_token,
  subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
  tenant: `t-${id}`,
})

describe('POST /v1/auth/token with a token of a provider', () => {
  test('answers a token of the person, narrowed as wanted (RFC 8693)', async ({
    admin,
    tokens,
    withToken,
    expect,
  }) => {
    await setProvider(admin)
    const token = await provider.sign(provider.claims('acme', ADA))
    const { status, body, headers } = await tokens({ ...exchangeOf(admin, token), scope: 'session:read' })
    expect({ status, body }).toEqual({
      status: 200,
      body: {
        access_token: expect.any(String),
        token_type: 'Bearer',
        expires_in: 900,
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        scope: 'session:read',
      },
    })
    expect(headers.get('cache-control')).toBe('no-store')
    const { body: session } = await withToken(body.access_token).calls('GET', '/v1/auth/session')
    expect(session).toMatchObject({
      tenant: { id: admin.id },
      user: { name: 'Ada', email: 'ada@acme.example' },
      roles: ['developer'],
      scopes: ['session:read'],
    })
  })

  test('takes it as an assertion as well, for the audience that was set (RFC 7523)', async ({
    admin,
    tokens,
    expect,
  }) => {
    await setProvider(admin, { audience: 'https://kgents.example' })
    const assertion = await provider.sign(provider.claims('https://kgents.example', ADA))
    const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
    expect((await tokens({ grant_type, assertion, tenant: `t-${admin.id}` })).status).toBe(200)
  })

  test('refuses what is not good, in the words of OAuth', async ({ admin, newTenant, tokens, expect }) => {
    await setProvider(admin)
    const other = await newTenant('enterprise', ['admin'])
    await setProvider(other, { client_id: 'globex' })
    const claims = provider.claims('acme', ADA)
    const good = await provider.sign(claims)
    const cases: [string, Fields | string, string][] = [
      ['for the tenant of another client', exchangeOf(other, good), 'invalid_grant'],
      ['for no tenant', { ...exchangeOf(admin, good), tenant: `t-${randomUUID()}` }, 'invalid_grant'],
      ['without a tenant', { ...exchangeOf(admin, good), tenant: '' }, 'invalid_request'],
      [
        'of another client',
        exchangeOf(admin, await provider.sign(provider.claims('globex', ADA))),
        'invalid_grant',
      ],
      [
        'made for another party',
        exchangeOf(admin, await provider.sign({ ...claims, azp: 'globex' })),
        'invalid_grant',
      ],
      [
        'of another issuer',
        exchangeOf(admin, await provider.sign({ ...claims, iss: 'https://evil.example' })),
        'invalid_grant',
      ],
      ['unsigned', exchangeOf(admin, provider.unsigned(claims)), 'invalid_grant'],
      [
        'signed with the public key',
        exchangeOf(admin, provider.signedWithPublicKey(claims)),
        'invalid_grant',
      ],
      [
        'expired',
        exchangeOf(admin, await provider.sign({ ...claims, exp: Math.floor(Date.now() / 1000) - 61 })),
        'invalid_grant',
      ],
      ['no token', exchangeOf(admin, 'x.y'), 'invalid_grant'],
      [
        'of an access token',
        { ...exchangeOf(admin, good), subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
        'invalid_request',
      ],
      [
        'of nobody that may come in',
        exchangeOf(admin, await provider.sign({ ...claims, sub: 'x', email_verified: false })),
        'invalid_grant',
      ],
      ['by a grant that is unknown', { grant_type: 'password', username: 'a' }, 'unsupported_grant_type'],
      ['with a field twice', `grant_type=${EXCHANGE}&grant_type=${EXCHANGE}`, 'invalid_request'],
      ['with a field too many', { ...exchangeOf(admin, good), resource: 'x' }, 'invalid_request'],
      ['with a scope that is none', { ...exchangeOf(admin, good), scope: 'everything' }, 'invalid_request'],
    ]
    for (const [what, fields, error] of cases) {
      const { status, body } = await tokens(fields)
      expect({ status, error: body.error }, what).toEqual({ status: 400, error })
      expect(Object.keys(body)).toEqual(['error', 'error_description'])
    }
    expect(await tokens({ grant_type: 'api_key' })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
  })

  test('exchanges neither a platform token nor a session, and an API key as before', async ({
    admin,
    owner,
    opened,
    tokens,
    withKey,
    withTokenOf,
    expect,
  }) => {
    const key = await insertColleague(owner, admin, 'developer')
    const { body } = await withKey(key).calls('POST', '/v1/auth/token', {})
    expect(body).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 900 })
    const again = await (await withTokenOf(key)).calls('POST', '/v1/auth/token', {})
    expect(again).toMatchObject({ status: 401, body: { code: 'CREDENTIALS_MISSING' } })
    const browser = openBrowser(opened.app)
    await browser.calls('POST', '/v1/auth/session', {}, { 'x-api-key': key })
    expect((await browser.callsAsPage('POST', '/v1/auth/token', {})).status).toBe(401)
    expect(await tokens({ grant_type: 'api_key' }, { 'x-api-key': key })).toMatchObject({ status: 200 })
    expect(await tokens({ grant_type: 'api_key' }, { 'x-api-key': `${key}x` })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
  })
})

describe('the device grant', () => {
  const poll = (device_code: string): Fields => ({ grant_type: DEVICE, device_code })

  test('gives a program a token once a person has approved it, narrowed to what it wanted', async ({
    posts,
    tokens,
    admin,
    owner,
    opened,
    withToken,
    expect,
  }) => {
    const { status, body } = await posts('/v1/auth/device', {
      client_id: 'kgents-cli',
      scope: 'session:read',
    })
    expect({ status, body }).toMatchObject({
      status: 200,
      body: {
        user_code: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5}$/),
        interval: 5,
        expires_in: 600,
      },
    })
    expect((await tokens(poll(body.device_code))).body.error).toBe('authorization_pending')
    const key = await insertColleague(owner, admin, 'developer')
    const browser = openBrowser(opened.app)
    await browser.calls('POST', '/v1/auth/session', {}, { 'x-api-key': key })
    const typed = body.user_code.toLowerCase().replace('-', ' ')
    const { body: shown } = await browser.calls(
      'GET',
      `/v1/auth/device?user_code=${encodeURIComponent(typed)}`,
    )
    expect(shown).toMatchObject({ client: 'kgents-cli', scopes: ['session:read'] })
    // Another site cannot make a person approve anything.
    const forged = await browser.calls('POST', '/v1/auth/device/approve', { user_code: typed })
    expect(forged.body.code).toBe('CSRF_REFUSED')
    expect((await browser.callsAsPage('POST', '/v1/auth/device/approve', { user_code: typed })).body).toEqual(
      { approved: true },
    )
    expect((await browser.callsAsPage('POST', '/v1/auth/device/approve', { user_code: typed })).status).toBe(
      404,
    )
    const answer = await tokens(poll(body.device_code))
    expect(answer).toMatchObject({ status: 200, body: { scope: 'session:read' } })
    const { body: session } = await withToken(answer.body.access_token).calls('GET', '/v1/auth/session')
    expect(session).toMatchObject({
      tenant: { id: admin.id },
      scopes: ['session:read'],
      roles: ['developer'],
    })
    expect((await tokens(poll(body.device_code))).body.error).toBe('invalid_grant')
    const [record] =
      await owner`select record from audit where tenant_id = ${admin.id} and action = 'device.approved'`
    expect(JSON.parse(record?.['record']).details).toMatchObject({ client: 'kgents-cli' })
  })

  test('makes who polls too fast wait longer, and ends when it is denied or too late', async ({
    posts,
    tokens,
    admin,
    owner,
    expect,
  }) => {
    const { body } = await posts('/v1/auth/device', {})
    await tokens(poll(body.device_code))
    const fast = await tokens(poll(body.device_code))
    expect(fast).toMatchObject({ status: 400, body: { error: 'slow_down' } })
    expect(fast.headers.get('retry-after')).toBe('10')
    await owner`update device_requests set polled_at = now() - interval '11 seconds'`
    expect((await tokens(poll(body.device_code))).body.error).toBe('authorization_pending')
    await admin.calls('POST', '/v1/auth/device/approve', { user_code: body.user_code, approve: false })
    expect((await tokens(poll(body.device_code))).body.error).toBe('access_denied')
    const { body: late } = await posts('/v1/auth/device', {})
    await owner`update device_requests set expires_at = now() where approved_at is null and denied_at is null`
    expect((await tokens(poll(late.device_code))).body.error).toBe('expired_token')
    expect((await admin.calls('POST', '/v1/auth/device/approve', { user_code: late.user_code })).status).toBe(
      404,
    )
  })

  test('gives no more than the person’s own credential, and dies with the person', async ({
    posts,
    tokens,
    admin,
    owner,
    withKey,
    expect,
  }) => {
    const { body } = await posts('/v1/auth/device', {})
    const key = await insertColleague(owner, admin, 'developer')
    const narrow = await withKey(key).calls('POST', '/v1/api-keys', { name: 'n', scopes: ['device:*'] })
    const approve = { user_code: body.user_code }
    expect((await withKey(narrow.body.key).calls('POST', '/v1/auth/device/approve', approve)).body.code).toBe(
      'SCOPE_MISSING',
    )
    expect((await withKey(key).calls('POST', '/v1/auth/device/approve', approve)).status).toBe(200)
    const { body: session } = await withKey(key).calls('GET', '/v1/auth/session')
    await admin.calls('DELETE', `/v1/members/${session.user.id}`)
    expect((await tokens(poll(body.device_code))).body.error).toBe('access_denied')
  })

  test('lets nobody try many codes', async ({ posts, opened, owner, admin, expect }) => {
    await posts('/v1/auth/device', {})
    const key = await insertColleague(owner, admin, 'developer')
    const browser = openBrowser(opened.app)
    const guess = () =>
      browser.calls('GET', '/v1/auth/device?user_code=BBBBB-BBBBB', undefined, { 'x-api-key': key })
    const statuses = await Promise.all(Array.from({ length: 40 }, guess))
    expect(new Set(statuses.map(({ status }) => status))).toEqual(new Set([404, 429]))
    expect(statuses.filter(({ status }) => status === 404).length).toBeLessThan(12)
  })
})
