/** The function `mcp` over HTTP, and the official SDK's client in front of it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { Client, StreamableHTTPClientTransport, type ClientOptions } from '@modelcontextprotocol/client'
import type { FunctionDefinition } from '../../../../shared/contract/function.ts'
import { insertTenant, testWith, type Tenant } from '../world.ts'

export const REVISIONS = ['2026-07-28', '2025-11-25'] as const
export type Revision = (typeof REVISIONS)[number]

/** A tenant whose key a client of MCP has. */
export interface McpTenant extends Tenant {
  key: string
  keyId: string
  connects(revision?: Revision, options?: ClientOptions): Promise<Client>
}

interface Mcp {
  url: string
  newMcpTenant(roles?: string[], tier?: string): Promise<McpTenant>
}

export function testMcp(extra: readonly FunctionDefinition[] = []) {
  return testWith(extra).extend<Mcp & { mcpServer: { url: string } }>({
    mcpServer: [
      async ({ opened }, use) => {
        const server = createServer((request, response) => void listener(request, response))
        const listener = getRequestListener(opened.app.fetch)
        server.listen(0, '127.0.0.1')
        await once(server, 'listening')
        await use({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
        server.closeAllConnections()
        server.close()
      },
      { scope: 'file' },
    ],
    url: async ({ mcpServer }, use) => use(mcpServer.url),
    newMcpTenant: async ({ owner, opened, url }, use) => {
      const clients: Client[] = []
      await use(async (roles = ['developer'], tier = 'enterprise') => {
        const { id, user, key } = await insertTenant(owner, tier, roles)
        const [row] = await owner<{ id: string }[]>`select id from api_keys where tenant_id = ${id}`
        return {
          id,
          user,
          key,
          keyId: row?.id ?? '',
          async calls(method, path, body, headers = {}) {
            const response = await opened.app.request(path, {
              method,
              headers: { 'x-api-key': key, 'content-type': 'application/json', ...headers },
              ...(body === undefined ? {} : { body: JSON.stringify(body) }),
            })
            const text = await response.text()
            return {
              status: response.status,
              headers: response.headers,
              body: text === '' ? undefined : JSON.parse(text),
            }
          },
          async connects(revision = '2026-07-28', options = {}) {
            const client = await connect(`${url}/mcp`, key, revision, options)
            clients.push(client)
            return client
          },
        }
      })
      await Promise.all(clients.map((client) => client.close()))
    },
  })
}

/** The official client, of one revision and no other. */
export async function connect(
  address: string,
  key: string,
  revision: Revision,
  options: ClientOptions,
): Promise<Client> {
  const mode = revision === '2025-11-25' ? 'legacy' : { pin: revision }
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode }, ...options })
  const transport = new StreamableHTTPClientTransport(new URL(address), {
    requestInit: { headers: { authorization: `Bearer ${key}` } },
  })
  await client.connect(transport)
  return client
}
