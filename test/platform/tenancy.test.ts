import { SignJWT, UnsecuredJWT, importJWK, type JWK } from 'jose'
import { describe, expect } from 'vitest'
import { readState } from './start-platform.ts'
import { test } from './world.ts'

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
    expect((await acme.call('DELETE', job)).body.job.status).toBe('cancelled')
  })
})

async function claimsOf(token: string): Promise<Record<string, unknown>> {
  const { decodeJwt } = await import('jose')
  return decodeJwt(token)
}
