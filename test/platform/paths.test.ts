import { decodeJwt } from 'jose'
import { describe, expect } from 'vitest'
import { test } from './world.ts'

describe('AGENTESE paths through the gateway', () => {
  test('a sip by path and by envelope give the same', async ({ acme }) => {
    const direct = await acme.call('POST', '/v1/agentese/void/entropy/sip', { amount: 0.1 })
    const resolved = await acme.call('POST', '/v1/agentese/invoke', {
      path: 'void.entropy.sip',
      input: { amount: 0.1 },
      observer: { archetype: 'developer' },
    })
    for (const { status, body } of [direct, resolved]) {
      expect(status).toBe(200)
      expect(body).toMatchObject({
        path: 'void.entropy.sip',
        result: { amount: 0.1, seed: expect.any(Number), source: 'void.entropy' },
        meta: {
          effects: ['charges:entropy'],
          charges: { entropy: 0.1 },
          trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
        },
      })
      expect(body.result.seed).toBeGreaterThanOrEqual(0)
      expect(body.result.seed).toBeLessThan(1)
    }
    expect(resolved.body.meta.observer).toEqual({ archetype: 'developer' })
  })

  test('a token works in place of the API key, and carries the claims that were promised', async ({
    acme,
  }) => {
    const { status, body } = await acme.call('POST', '/v1/auth/token')
    expect({ status, type: body.token_type }).toEqual({ status: 200, type: 'Bearer' })
    expect(body.expires_in).toBeGreaterThan(0)
    expect(decodeJwt(body.access_token)).toMatchObject({
      sub: expect.any(String),
      tenant_id: acme.tenant,
      org_id: expect.any(String),
      roles: expect.arrayContaining(['developer']),
      permissions: expect.arrayContaining(['agentese:invoke']),
      tier: 'pro',
      iss: expect.any(String),
      aud: expect.any(String),
      jti: expect.any(String),
      exp: expect.any(Number),
    })
    const called = await acme.call(
      'POST',
      '/v1/agentese/void/entropy/manifest',
      {},
      { authorization: `Bearer ${body.access_token}` },
    )
    expect(called.status).toBe(200)
    const { body: keys } = await acme.call('GET', '/.well-known/jwks.json')
    expect(keys.keys[0]).toMatchObject({ kid: expect.any(String), alg: 'EdDSA' })
    expect(JSON.stringify(keys)).not.toContain('"d"')
  })

  test('every discovered path has its contract, and answers manifest', async ({ acme }) => {
    const { body } = await acme.call('GET', '/v1/agentese/discover')
    expect(body.total).toBe(body.paths.length)
    for (const each of body.paths) {
      expect(each).toMatchObject({
        category: expect.stringMatching(/^[PMCIGE]$/),
        effects: expect.any(Array),
        permission: each.guests ? null : expect.any(String),
        input: { type: 'object' },
        output: { type: 'object' },
        examples: expect.any(Array),
      })
    }
    // A tenant's own holons are there once it has defined them.
    const nodes = new Set<string>(
      body.paths.map(({ path }: { path: string }) => path.replace(/\.[^.]+$/, '')),
    )
    for (const node of [...nodes].filter((each) => !each.endsWith('*'))) {
      const url = `/v1/agentese/${node.replace('.', '/')}/manifest`
      expect((await acme.call('POST', url)).status, node).toBe(200)
    }
  })

  test('the trace of the caller comes back', async ({ acme }) => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const body = { path: 'void.entropy.manifest' }
    const answer = await acme.call('POST', '/v1/agentese/invoke', body, { traceparent })
    expect(answer.body.meta.trace_id).toBe('0af7651916cd43dd8448eb211c80319c')
  })

  test('the same Idempotency-Key gives the same answer once, and 409 for another request', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    const key = { 'idempotency-key': 'one' }
    const path = '/v1/agentese/void/entropy/sip'
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => tenant.call('POST', path, { amount: 1 }, key)),
    )
    expect(new Set(answers.map(({ body }) => body.result.seed)).size).toBe(1)
    const pool = await tenant.call('POST', '/v1/agentese/void/entropy/manifest')
    expect(pool.body.result.remaining).toBe(99)
    const other = await tenant.call('POST', path, { amount: 2 }, key)
    expect(other).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_MISMATCH' } })
  })

  test('entropy runs out with a way forward, and a grant pours back once', async ({ newTenant }) => {
    const tenant = await newTenant()
    const sip = await tenant.call('POST', '/v1/agentese/void/entropy/sip', { amount: 90 })
    const dry = await tenant.call('POST', '/v1/agentese/void/entropy/sip', { amount: 20 })
    expect(dry).toMatchObject({
      status: 429,
      body: { category: 'QUOTA_EXCEEDED', suggestion: expect.stringContaining('pour') },
    })
    const { grant } = sip.body.result
    const poured = await tenant.call('POST', '/v1/agentese/void/entropy/pour', { grant })
    expect(poured.body.result).toEqual({ returned: 90, recovered: 45, remaining: 55 })
    const again = await tenant.call('POST', '/v1/agentese/void/entropy/pour', { grant })
    expect(again).toMatchObject({ status: 409, body: { code: 'STATE_CONFLICT' } })
  })
})

describe('health', () => {
  test('tells each part, and metrics are Prometheus text', async ({ acme, url }) => {
    for (const method of ['GET', 'HEAD']) expect((await fetch(`${url}/health`, { method })).status).toBe(200)
    const { body } = await acme.call('GET', '/health/saas')
    expect(Object.keys(body.components)).toEqual(
      expect.arrayContaining(['postgres', 'redis', 'nats', 'relay', 'inference']),
    )
    const metrics = await acme.call('GET', '/metrics')
    expect(metrics.body).toContain('# TYPE kgents_outbox_waiting gauge')
  })
})
