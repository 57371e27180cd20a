/** What is of HTTP and of authorization: seen by clients before there is any tool. */
import { describe, expect } from 'vitest'
import { testMcp } from './platform.ts'

const test = testMcp()

const JSON_TYPE = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
}

describe('POST /mcp', () => {
  test('answers who has no credential where the metadata of the resource is', async ({ url }) => {
    for (const headers of [
      {},
      { authorization: 'Bearer nonsense' },
      { authorization: 'Bearer kg_unknown' },
    ]) {
      const response = await fetch(`${url}/mcp`, {
        method: 'POST',
        headers: { ...JSON_TYPE, ...headers },
        body: '{}',
      })
      expect(response.status).toBe(401)
      const [, metadata = ''] =
        /^Bearer resource_metadata="([^"]+)"$/.exec(response.headers.get('www-authenticate') ?? '') ?? []
      expect(new URL(metadata).pathname).toBe('/.well-known/oauth-protected-resource/mcp')
    }
    const about = await (await fetch(`${url}/.well-known/oauth-protected-resource/mcp`)).json()
    expect(about).toMatchObject({
      resource: expect.stringMatching(/\/mcp$/),
      bearer_methods_supported: ['header'],
    })
    const server = await (await fetch(`${url}/.well-known/oauth-authorization-server`)).json()
    expect(server).toMatchObject({
      issuer: (about as { authorization_servers: string[] }).authorization_servers[0],
    })
  })

  test('takes a platform token as well as a key', async ({ newMcpTenant, url }) => {
    const tenant = await newMcpTenant()
    const { body } = await tenant.calls('POST', '/v1/auth/token', {})
    const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })
    for (const headers of [
      { authorization: `Bearer ${body.token ?? body.access_token}` },
      { 'x-api-key': tenant.key },
    ]) {
      const response = await fetch(`${url}/mcp`, {
        method: 'POST',
        headers: { ...JSON_TYPE, ...headers },
        body: ping,
      })
      expect(await response.json()).toEqual({ jsonrpc: '2.0', id: 1, result: {} })
    }
  })

  test('is all that there is at its address', async ({ url }) => {
    for (const method of ['GET', 'DELETE', 'PUT']) {
      const response = await fetch(`${url}/mcp`, { method })
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST'])
    }
  })

  test('answers messages that are none by errors, and notifications by nothing', async ({
    newMcpTenant,
    url,
  }) => {
    const { key } = await newMcpTenant()
    const post = async (body: unknown, headers: Record<string, string> = {}) => {
      const response = await fetch(`${url}/mcp`, {
        method: 'POST',
        headers: { ...JSON_TYPE, authorization: `Bearer ${key}`, ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      })
      const text = await response.text()
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
    }
    const modern = (method: string, params: object = {}) => ({
      jsonrpc: '2.0',
      id: 1,
      method,
      params: { ...params, _meta: META },
    })
    const named = (method: string) => ({ 'mcp-protocol-version': '2026-07-28', 'mcp-method': method })
    for (const bad of ['{', '[]', '"x"', '{"jsonrpc":"1.0"}', '{"jsonrpc":"2.0","id":{}}', '']) {
      expect((await post(bad)).status).toBe(400)
    }
    expect(await post({ jsonrpc: '2.0', method: 'notifications/initialized' })).toEqual({
      status: 202,
      body: undefined,
    })
    expect(await post(modern('nothing/here'), named('nothing/here'))).toMatchObject({
      status: 404,
      body: { error: { code: -32_601 } },
    })
    expect(await post(modern('subscriptions/listen'), named('subscriptions/listen'))).toMatchObject({
      status: 404,
    })
    expect((await post(modern('tools/list'), named('tools/call'))).status).toBe(400)
    expect((await post(modern('tools/list'))).status).toBe(400)
    const old = { ...META, 'io.modelcontextprotocol/protocolVersion': '2031-01-01' }
    expect(
      await post(
        { jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: old } },
        { ...named('tools/list'), 'mcp-protocol-version': '2031-01-01' },
      ),
    ).toMatchObject({
      status: 400,
      body: { error: { data: { supported: expect.arrayContaining(['2026-07-28']) } } },
    })
    expect(
      (await post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 5 } })).body.error.code,
    ).toBe(-32_602)
    expect(
      (
        await post(
          `{"jsonrpc":"2.0","id":1,"method":"ping","params":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
        )
      ).status,
    ).toBeLessThan(500)
  })

  test('counts calls of tools as calls of the plan, and nothing else', async ({ newMcpTenant, runtime }) => {
    const tenant = await newMcpTenant()
    let taken = 0
    const { take } = runtime.calls
    runtime.calls.take = async (...given) => {
      taken += 1
      return take.apply(runtime.calls, given)
    }
    try {
      const client = await tenant.connects('2025-11-25')
      await client.listTools()
      await client.ping()
      expect(taken).toBe(0)
      await client.callTool({ name: 'invoke', arguments: { path: 'void.entropy.manifest' } })
      expect(taken).toBe(1)
    } finally {
      runtime.calls.take = take
    }
  })
})
