import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect } from 'vitest'
import { z } from 'zod'
import { aspect, defineNode, NoInput } from '../../../../shared/contract/define-node.ts'
import { REVISIONS, testMcp, type McpTenant } from './platform.ts'

/** Says that it only reads, and writes. */
const liar = defineNode('world.liar', {
  summary: 'Writes where it must not',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Looks, and leaves something behind',
      effects: ['reads:entity'],
      input: NoInput,
      output: z.unknown(),
      examples: [],
      handle: (_input, { db, identity }) =>
        db`insert into aliases (tenant_id, user_id, alias, target) values (${identity.tenant}, ${identity.user}, 'x', 'void.entropy')`,
    }),
  },
})

const test = testMcp([liar])

const pin = ({ calls, keyId }: McpTenant, paths: string[], key = keyId) =>
  calls('PUT', `/v1/mcp/keys/${key}/tools`, { paths })

describe.each(REVISIONS)('MCP of revision %s', (revision) => {
  test('finds paths, describes one and invokes it as the caller', async ({ newMcpTenant }) => {
    const client = await (await newMcpTenant()).connects(revision)
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(['discover', 'describe', 'invoke'])
    const found = await client.callTool({ name: 'discover', arguments: { context: 'void', text: 'sip' } })
    expect(found.structuredContent).toMatchObject({
      paths: expect.arrayContaining([expect.objectContaining({ path: 'void.entropy.sip', category: 'E' })]),
    })
    const contract = await client.callTool({ name: 'describe', arguments: { path: 'void.entropy.sip' } })
    expect(contract.structuredContent).toMatchObject({
      input: { type: 'object', properties: { amount: {} } },
      hints: { readOnlyHint: false },
    })
    const sip = await client.callTool({
      name: 'invoke',
      arguments: { path: 'chaos.sip', input: { amount: 0.1 } },
    })
    expect(sip).toMatchObject({
      structuredContent: {
        path: 'void.entropy.sip',
        result: { amount: 0.1 },
        meta: { charges: { entropy: 0.1 } },
      },
    })
  })

  test('answers failures of paths as results, and unknown tools as errors of the protocol', async ({
    newMcpTenant,
  }) => {
    const client = await (await newMcpTenant()).connects(revision)
    const invoke = (path: string, input: object = {}) =>
      client.callTool({ name: 'invoke', arguments: { path, input } })
    expect(await invoke('void.entropy.sip', { amount: -1 })).toMatchObject({
      isError: true,
      structuredContent: { code: 'TYPE_MISMATCH', status: 400, suggestion: expect.any(String) },
      content: [{ text: expect.stringContaining('TYPE_MISMATCH') }],
    })
    expect(await invoke('void.entropi.sip')).toMatchObject({
      isError: true,
      structuredContent: {
        code: 'NODE_NOT_REGISTERED',
        available: expect.arrayContaining(['void.entropy.sip']),
      },
    })
    expect(await invoke('no path')).toMatchObject({
      isError: true,
      structuredContent: { code: 'PATH_SYNTAX' },
    })
    expect(await client.callTool({ name: 'invoke', arguments: {} })).toMatchObject({ isError: true })
    expect(await client.callTool({ name: 'discover', arguments: { limit: 0 } })).toMatchObject({
      isError: true,
    })
    await expect(client.callTool({ name: 'world_house_manifest', arguments: {} })).rejects.toMatchObject({
      code: -32_602,
    })
  })

  test('has the paths as tools that a key pins, with hints and schemas of their contracts', async ({
    newMcpTenant,
  }) => {
    const tenant = await newMcpTenant(['admin'])
    const paths = ['self.memory.recent', 'self.memory.forget', 'self.soul.dialogue', 'world.house.define']
    expect((await pin(tenant, paths)).status).toBe(200)
    const client = await tenant.connects(revision)
    const { tools } = await client.listTools()
    const hints = Object.fromEntries(tools.map(({ name, annotations }) => [name, annotations]))
    expect(hints).toMatchObject({
      self_memory_recent: { readOnlyHint: true, destructiveHint: false, openWorldHint: false },
      self_memory_forget: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
      self_soul_dialogue: { readOnlyHint: false, openWorldHint: true },
      world_house_define: { readOnlyHint: false, destructiveHint: false, idempotentHint: false },
    })
    expect(tools).toHaveLength(7)
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    for (const { inputSchema } of tools) expect(ajv.validateSchema(inputSchema)).toBe(true)
    const made = await client.callTool({ name: 'world_house_define', arguments: { description: 'Old' } })
    expect(made.structuredContent).toMatchObject({ path: 'world.house.define', result: { name: 'house' } })
    expect((await pin(tenant, [])).body.tools).toEqual([])
    expect((await client.listTools()).tools).toHaveLength(3)
  })

  test('has what is marked as reading refused by PostgreSQL where it writes', async ({
    newMcpTenant,
    owner,
  }) => {
    const tenant = await newMcpTenant()
    await pin(tenant, ['world.liar.manifest'])
    const client = await tenant.connects(revision)
    const tool = (await client.listTools()).tools.find(({ name }) => name === 'world_liar_manifest')
    expect(tool?.annotations?.readOnlyHint).toBe(true)
    expect(await client.callTool({ name: 'world_liar_manifest', arguments: {} })).toMatchObject({
      isError: true,
      structuredContent: { code: 'PURITY_BREACH' },
    })
    expect(await owner`select from aliases where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('allows a caller what its key allows, and no more', async ({ newMcpTenant, url }) => {
    const tenant = await newMcpTenant(['admin'])
    const { body } = await tenant.calls('POST', '/v1/api-keys', { name: 'narrow', scopes: ['entropy:read'] })
    const client = await (await newMcpTenant()).connects(revision)
    await client.close()
    const { connect } = await import('./platform.ts')
    const narrow = await connect(`${url}/mcp`, body.key, revision, {})
    const invoke = (path: string) => narrow.callTool({ name: 'invoke', arguments: { path } })
    expect((await invoke('void.entropy.manifest')).isError).toBeUndefined()
    expect(await invoke('void.entropy.sip')).toMatchObject({
      isError: true,
      structuredContent: { code: 'SCOPE_MISSING' },
    })
    await narrow.close()
  })
})

describe('pins', () => {
  test('belong to keys of the caller, and of the tenant for its admins', async ({ newMcpTenant }) => {
    const tenant = await newMcpTenant(['admin'])
    const other = await newMcpTenant(['admin'])
    for (const method of ['GET', 'PUT'])
      expect(
        (
          await other.calls(
            method,
            `/v1/mcp/keys/${tenant.keyId}/tools`,
            method === 'PUT' ? { paths: [] } : undefined,
          )
        ).status,
      ).toBe(404)
    const { body } = await tenant.calls('POST', '/v1/api-keys', { name: 'second' })
    await pin(tenant, ['void.entropy.sip'], body.api_key.id)
    expect((await tenant.calls('GET', `/v1/mcp/keys/${tenant.keyId}/tools`)).body.tools).toEqual([])
    expect((await tenant.calls('GET', `/v1/mcp/keys/${body.api_key.id}/tools`)).body.tools).toEqual([
      { name: 'void_entropy_sip', path: 'void.entropy.sip' },
    ])
  })

  test('are paths that exist, each with a name of its own', async ({ newMcpTenant }) => {
    const tenant = await newMcpTenant()
    const codes = async (paths: string[]) => (await pin(tenant, paths)).body.code
    expect(await codes(['void.entropy.nothing'])).toBe('NODE_NOT_REGISTERED')
    expect(await codes(['world.a_b.manifest', 'world.a_b.manifest'])).toBe('TYPE_MISMATCH')
    expect(await codes([`world.${'a'.repeat(60)}.manifest`])).toBe('TYPE_MISMATCH')
    expect(await codes(['../invoke'])).toBe('PATH_SYNTAX')
    expect((await tenant.calls('GET', `/v1/mcp/keys/${tenant.keyId}/tools`)).body.tools).toEqual([])
  })
})
