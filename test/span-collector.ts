/** A collector that keeps the text of what it is sent by OTLP. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SpanCollector {
  url: string
  /** What was sent so far: the path and the JSON of each request. */
  received(): string
  close(): void
}

export async function openSpanCollector(): Promise<SpanCollector> {
  let received = ''
  const server = createServer((request, response) => {
    received += `${request.url} `
    request.setEncoding('utf8').on('data', (chunk: string) => (received += chunk))
    request.on('end', () => response.end('{}'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, received: () => received, close: () => void server.close() }
}
