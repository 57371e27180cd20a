import { createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { claimPort } from '../../../knative/local/listening.ts'

test('claimPort() refuses a port that somebody listens on, on whichever address that is', async () => {
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    const { server, port } = await listen(host)
    const message = `Cannot start: port ${port} is in use; set PORT to another`
    await expect(claimPort(port, '127.0.0.1')).rejects.toThrow(message)
    server.close()
    await once(server, 'close')
    expect(await claimPort(port, '127.0.0.1')).toBe(port)
  }
})

test('claimPort() chooses a port for 0, and names a HOST that is not of this machine', async () => {
  expect(await claimPort(0, '127.0.0.1')).toBeGreaterThan(0)
  await expect(claimPort(0, '192.0.2.1')).rejects.toThrow(/^Cannot start: HOST "192.0.2.1" cannot be/)
})

async function listen(host: string): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const address = server.address()
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 }
}
