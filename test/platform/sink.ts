/** A tenant's webhook on this machine: remembers what it is sent, and tells it to whoever asks. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Sink {
  origin: string
  close(): void
}

/** What is posted to a path is remembered; a request answers what has come to its path, as a JSON array. */
export async function openSink(): Promise<Sink> {
  const heard = new Map<string, string[]>()
  const server = createServer((request, response) => {
    const bodies = heard.get(request.url ?? '') ?? []
    heard.set(request.url ?? '', bodies)
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.method === 'POST') bodies.push(Buffer.concat(chunks).toString())
      response.end(`[${bodies.join(',')}]`)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, close: () => server.close() }
}
