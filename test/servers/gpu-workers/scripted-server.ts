/** Model servers that answer as a test says, piece by piece, over a real connection. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'

export interface Asked {
  body: { messages: { role: string; content: string }[]; max_tokens: number }
  url: string
  authorization: string | undefined
}

export type Script = (response: ServerResponse, asked: Asked) => void

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A server that answers as `script` says, and what it was asked. */
export async function openServer(script: Script): Promise<{ baseUrl: string; asked: Asked[] }> {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const { url = '', headers } = request
      asked.push({ body: body as Asked['body'], url, authorization: headers.authorization })
      script(response, { body: body as Asked['body'], url, authorization: headers.authorization })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return JSON.parse(Buffer.concat(parts).toString())
}

/** Sends a body byte for byte, in pieces as small as `size`, so that events and characters are cut anywhere. */
export function send(text: string, { type = 'text/event-stream', size = Infinity } = {}): Script {
  return (response) => {
    response.writeHead(200, { 'content-type': type })
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at += size) response.write(bytes.subarray(at, at + size))
    response.end()
  }
}

export const event = (data: unknown) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
export const events = (...data: unknown[]) => data.map(event).join('')
export const delta = (content: unknown, more: object = {}) => ({
  choices: [{ index: 0, delta: { content }, ...more }],
})
export const finish = (reason: string, more: object = {}) => ({
  choices: [{ index: 0, delta: {}, finish_reason: reason }],
  ...more,
})
export const usage = (prompt_tokens: unknown, completion_tokens: unknown) => ({
  prompt_tokens,
  completion_tokens,
})
export const DONE = '[DONE]'

export function refuse(status: number, body: string, headers: Record<string, string> = {}): Script {
  return (response) => response.writeHead(status, headers).end(body)
}
