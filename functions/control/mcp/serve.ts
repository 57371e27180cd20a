/** Takes one message of MCP to a server that is made for it alone, and answers what that says. The protocol itself is the SDK's. */
import { z } from 'zod'
import { parseKept } from '../../../shared/exact-json.ts'
import { createServer } from './server.ts'
import type { Serving } from './serving.ts'

export const Message = z.looseObject({
  jsonrpc: z.literal('2.0'),
  method: z.string().min(1).max(200).optional(),
  id: z.union([z.string().max(200), z.number()]).optional(),
})
type Message = z.infer<typeof Message>

/** Whether the message counts as a call of the plan. */
export function isCall({ method }: Message): boolean {
  return method === 'tools/call'
}

/** By what is answered, as long as that very object lives. */
const STATUSES = new WeakMap<object, number>()

/** The HTTP status of an answer; a notification has none. */
export function statusOf(answer: unknown): number {
  return typeof answer === 'object' && answer !== null ? (STATUSES.get(answer) ?? 200) : 202
}

const METHOD_NOT_FOUND = -32_601

/** A stream of what changes would hold the process for as long as a client listens; nothing that is declared changes. */
const STREAMS = new Set(['subscriptions/listen'])

interface Received {
  message: Message
  /** Those that MCP has, in lower case. */
  headers: Record<string, string>
}

/** Answers the message; undefined for a notification. */
export async function serveMessage({ message, headers }: Received, call: Serving): Promise<unknown> {
  if (STREAMS.has(message.method ?? '')) return withStatus(404, unknownMethod(message))
  const sdk = await import('@modelcontextprotocol/server')
  const request = new Request('http://mcp/mcp', {
    method: 'POST',
    headers: {
      ...headers,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify(message),
    signal: call.signal,
  })
  const isLegacy = await sdk.isLegacyRequest(request, message)
  const server = createServer(sdk, isLegacy, call)
  if (!isLegacy) {
    const handler = sdk.createMcpHandler(() => server, { legacy: 'reject', keepAliveMs: 0 })
    return read(await handler.fetch(request, { parsedBody: message }))
  }
  const transport = new sdk.WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true })
  await server.connect(transport)
  try {
    return await read(await transport.handleRequest(request, { parsedBody: message }))
  } finally {
    await server.close()
  }
}

async function read(response: Response): Promise<unknown> {
  const text = await response.text()
  if (text === '') return undefined
  return withStatus(response.status, parseKept(text) as object) // reason: JSON-RPC answers objects
}

function withStatus<T extends object>(status: number, answer: T): T {
  STATUSES.set(answer, status)
  return answer
}

function unknownMethod({ id, method = '' }: Message) {
  return {
    jsonrpc: '2.0',
    id: id ?? null,
    error: { code: METHOD_NOT_FOUND, message: `Cannot find method "${method}": nothing is streamed here` },
  }
}
