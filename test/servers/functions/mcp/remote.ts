/** Somebody else's server of MCP, by the official SDK or by hand, which the operator lets tenants call. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { createMcpHandler, Server, type Tool } from '@modelcontextprotocol/server'
import { fencedRequest } from '../../../../shared/egress/fenced-request.ts'
import { testWith, type Tenant } from '../world.ts'

export interface Remote {
  origin: string
  url: string
  tools: Tool[]
  /** What a call of a tool answers. */
  result: (name: string, given: Record<string, unknown>) => object
  /** Methods of the messages that have come, in their order. */
  methods: string[]
  headers: IncomingMessage['headers'][]
  /** Answers in the place of the server, where it is set. */
  hostile: ((request: IncomingMessage, response: ServerResponse, body: string) => void) | undefined
  /** Speaks revision 2025-11-25 alone. */
  legacyOnly: boolean
}

export const SEARCH: Tool = {
  name: 'search',
  description: 'Finds documents',
  inputSchema: {
    type: 'object',
    properties: {
      text: { type: 'string', maxLength: 40, pattern: '^(a+)+$' },
      limit: { type: 'integer', default: 3 },
    },
    required: ['text'],
    additionalProperties: false,
  },
}

export const test = testWith([], { DATABASE_CONNECTIONS: '1' }).extend<{ remote: Remote }>({
  remote: async ({ runtime }, use) => {
    const remote: Remote = {
      origin: '',
      url: '',
      tools: [SEARCH],
      result: () => ({ content: [{ type: 'text', text: 'found' }] }),
      methods: [],
      headers: [],
      hostile: undefined,
      legacyOnly: false,
    }
    const handler = createMcpHandler(() => serverOf(remote), { keepAliveMs: 0 })
    const listener = getRequestListener((request) => handler.fetch(request))
    const server = createServer((request, response) => {
      if (remote.hostile === undefined && !remote.legacyOnly)
        note(remote, request, () => void listener(request, response))
      else read(request, (body) => answer(remote, handler.fetch, request, response, body))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    remote.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    remote.url = `${remote.origin}/mcp`
    runtime.platform.requestOutside = (request) =>
      fencedRequest({ ...request, privateAllowed: [remote.origin], resolve: async () => ['127.0.0.1'] })
    await use(remote)
    server.closeAllConnections()
    server.close()
  },
})

function note(remote: Remote, request: IncomingMessage, then: () => void) {
  remote.headers.push(request.headers)
  remote.methods.push(String(request.headers['mcp-method'] ?? request.method))
  then()
}

function read(request: IncomingMessage, then: (body: string) => void) {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => then(Buffer.concat(chunks).toString()))
}

function answer(
  remote: Remote,
  fetch: (request: Request) => Promise<Response>,
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
) {
  const { method = '' } = body === '' ? {} : (JSON.parse(body) as { method?: string })
  remote.methods.push(method)
  remote.headers.push(request.headers)
  if (remote.hostile !== undefined) return remote.hostile(request, response, body)
  if (method === 'server/discover') return void response.writeHead(404).end()
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  )
  void fetch(new Request(remote.url, { method: 'POST', headers, body })).then(async (answered) => {
    response.writeHead(answered.status, Object.fromEntries(answered.headers)).end(await answered.text())
  })
}

function serverOf(remote: Remote): Server {
  const server = new Server(
    { name: 'remote', version: '1' },
    { capabilities: { tools: { listChanged: true } } },
  )
  server.setRequestHandler('tools/list', () => ({ tools: remote.tools }))
  server.setRequestHandler(
    'tools/call',
    ({ params }) => remote.result(params.name, params.arguments ?? {}) as never,
  )
  return server
}

export function toolsOf(tenant: Tenant) {
  return (verb: string, input: object = {}) => tenant.calls('POST', `/v1/agentese/world/tool/${verb}`, input)
}

/** A tenant whose admin has allowed the remote. */
export async function tenantOf(
  newTenant: (tier?: string, roles?: string[]) => Promise<Tenant>,
  { origin }: Remote,
  tier = 'enterprise',
) {
  const tenant = await newTenant(tier, ['admin'])
  const tools = toolsOf(tenant)
  const { status } = await tools('allow', { origin })
  if (status !== 200) throw new Error(`allow was answered ${status}`)
  return { tenant, tools }
}
