import { randomUUID } from 'node:crypto'
import { SignJWT, UnsecuredJWT, importJWK, type JWK } from 'jose'
import { describe, expect } from 'vitest'
import { readState } from './start-platform.ts'
import { createCaller, test } from './world.ts'

const MANIFEST = '/v1/agentese/void/entropy/manifest'

interface Secrets {
  platformKey: JWK
  dispatchKey: JWK
}

describe('a credential that is not good', () => {
  test('is refused, whatever is wrong with it', async ({ acme, state }) => {
    const { platformKey, dispatchKey } = readState<Secrets>(state, 'secrets.json')
    const good = await claimsOf(await acme.token())
    const now = Math.floor(Date.now() / 1000)
    const sign = async (claims: object, key = platformKey, kid = key.kid ?? '') =>
      new SignJWT({ ...good, ...claims })
        .setProtectedHeader({ alg: 'EdDSA', kid })
        .sign(await importJWK(key, 'EdDSA'))
    const { d: _private, ...publicKey } = platformKey
    const bad = {
      expired: await sign({ exp: now - 100 }),
      'not signed': new UnsecuredJWT(good).encode(),
      'signed with the public key': await new SignJWT(good)
        .setProtectedHeader({ alg: 'HS256', kid: platformKey.kid ?? '' })
        .sign(new TextEncoder().encode(JSON.stringify(publicKey))),
      'from another issuer': await sign({ iss: 'https://evil.example' }),
      'for another audience': await sign({ aud: 'https://evil.example' }),
      'of an unknown key': await sign({}, platformKey, 'nobody'),
      'of the dispatch key': await sign({}, dispatchKey),
      'no token': 'nonsense',
    }
    for (const [what, token] of Object.entries(bad)) {
      const { status, body } = await acme.call('POST', MANIFEST, {}, { authorization: `Bearer ${token}` })
      expect({ what, status, category: body.category }).toEqual({
        what,
        status: 401,
        category: 'UNAUTHORIZED',
      })
    }
    expect(
      (await acme.call('POST', MANIFEST, {}, { authorization: `Bearer ${await sign({})}` })).status,
    ).toBe(200)
  })

  test('is missing, unknown or of the wrong form: 401', async ({ url, acme }) => {
    expect((await fetch(`${url}${MANIFEST}`, { method: 'POST' })).status).toBe(401)
    const keys = ['kg_', `kg_abcde_${'x'.repeat(43)}`, "kg_abcde_' or 1=1 --", acme.apiKey.slice(0, -1)]
    for (const key of keys) {
      expect((await acme.call('POST', MANIFEST, {}, { 'x-api-key': key })).status).toBe(401)
    }
  })
})

describe("another tenant's id", () => {
  test('in a header, body or query never shows another tenant', async ({ newTenant }) => {
    const rich = await newTenant()
    const poor = await newTenant()
    await rich.call('POST', '/v1/agentese/void/entropy/sip', { amount: 50 })
    const header = await poor.call('POST', MANIFEST, {}, { 'x-tenant-id': rich.tenant })
    const query = await poor.call('POST', `${MANIFEST}?tenant_id=${rich.tenant}`, {})
    const body = await poor.call('POST', MANIFEST, { tenant_id: rich.tenant })
    const consumer = await poor.call(
      'POST',
      MANIFEST,
      {},
      { 'x-consumer-custom-id': rich.tenant, 'ce-tenantid': rich.tenant },
    )
    for (const answer of [header, consumer]) expect(answer.body.result?.remaining).toBe(100)
    for (const answer of [query, body]) expect(answer.status).toBe(400)
  })

  test('does not open its jobs, nor their streams', async ({ acme, globex }) => {
    const { body } = await acme.call('POST', '/v1/agentese/self/soul/dialogue', {
      message: 'Keep this to yourself',
    })
    const job = `/v1/jobs/${body.job.id}`
    for (const [method, path] of [
      ['GET', job],
      ['DELETE', job],
      ['GET', `${job}/stream`],
    ] as const) {
      const answer = await globex.call(method, path)
      expect(answer).toMatchObject({ status: 404 })
      expect(JSON.stringify(answer.body)).not.toContain('Keep this')
    }
    const { body: list } = await globex.call('GET', '/v1/jobs')
    expect(list.jobs.map(({ id }: { id: string }) => id)).not.toContain(body.job.id)
    expect((await acme.call('GET', job)).body.job.status).not.toBe('cancelled')
    // The model may have ended it by now.
    expect([200, 409]).toContain((await acme.call('DELETE', job)).status)
  })
})

describe('a credential that is revoked', () => {
  test('is refused by every function, and ends what it has open', async ({ newTenant, url }) => {
    const admin = await newTenant('pro', ['admin'])
    const { body: made } = await admin.call('POST', '/v1/api-keys', { name: 'short-lived' })
    const holder = createCaller(url, admin.tenant, made.key)
    const bearer = { authorization: `Bearer ${await holder.token()}` }
    const statuses = async () => [
      (await holder.call('POST', MANIFEST, {})).status,
      (await holder.call('POST', MANIFEST, {}, bearer)).status,
      (await holder.call('GET', '/v1/jobs', undefined, bearer)).status,
      (await holder.call('POST', '/v1/auth/token', {})).status,
    ]
    expect(await statuses()).toEqual([200, 200, 200, 200])
    const streams = [{}, bearer].map((headers) =>
      holder.stream('GET', '/v1/agentese/subscribe?pattern=void.**', undefined, headers),
    )
    for (const stream of streams) expect((await stream.next()).value?.event).toBe('subscribed')
    expect((await admin.call('DELETE', `/v1/api-keys/${made.api_key.id}`)).status).toBe(200)
    for (const stream of streams) {
      const { value: last } = await stream.next()
      expect(last).toMatchObject({ event: 'error', data: { code: 'CREDENTIALS_INVALID' } })
    }
    await expect.poll(statuses).toEqual([401, 401, 401, 401])
    expect((await admin.call('POST', MANIFEST, {})).status).toBe(200)
  })
})

describe('people and tenants', () => {
  test('come in by invitations, change and go, through the gateway', async ({ url, state }) => {
    const { id, apiKey } = readState<{ tenants: { platform: Account } }>(state, 'dev.json').tenants.platform
    const operator = createCaller(url, id, apiKey)
    const slug = `t-${randomUUID()}`
    const wanted = { slug, name: 'Initech', tier: 'pro', admin_email: 'bill@initech.example' }
    const { body: made } = await operator.call('POST', '/v1/operator/tenants', wanted)
    const bearer = { authorization: `Bearer ${made.token}` }
    const who = { email: 'bill@initech.example', name: 'Bill' }
    const { status, body: joined } = await operator.call('POST', '/v1/invitations/accept', who, bearer)
    expect(status).toBe(201)
    const admin = createCaller(url, made.tenant.id, joined.key)
    expect((await admin.call('PATCH', '/v1/tenant', { name: 'Initrode' })).body.tenant.name).toBe('Initrode')
    expect((await admin.call('GET', '/v1/operator/tenants')).status).toBe(403)
    const { body: audit } = await admin.call('GET', '/v1/audit')
    expect(audit.audit[0]).toMatchObject({ action: 'tenant.renamed', actor: { address: expect.any(String) } })
    const suspend = `/v1/operator/tenants/${made.tenant.id}/suspend`
    expect((await operator.call('POST', suspend, { reason: 'unpaid' })).status).toBe(200)
    await expect.poll(async () => (await admin.call('GET', '/v1/tenant')).body.code).toBe('TENANT_SUSPENDED')
  })
})

interface Account {
  id: string
  apiKey: string
}

async function claimsOf(token: string): Promise<Record<string, unknown>> {
  const { decodeJwt } = await import('jose')
  return decodeJwt(token)
}
