import { describe, expect } from 'vitest'
import { REVISIONS, testMcp } from './platform.ts'

const test = testMcp()

describe.each(REVISIONS)('MCP of revision %s', (revision) => {
  test('lists, finds, describes and invokes', async ({ newMcpTenant }) => {
    const tenant = await newMcpTenant()
    const client = await tenant.connects(revision)
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toEqual(['discover', 'describe', 'invoke'])
    const sip = await client.callTool({ name: 'invoke', arguments: { path: 'void.entropy.sip', input: { amount: 0.1 } } })
    expect(sip).toMatchObject({ structuredContent: { path: 'void.entropy.sip', result: { amount: 0.1 } } })
  })
})
