/** Ports that nobody listens on, for servers that cannot choose one themselves. */
import { createServer, type Server } from 'node:net'

/** As many free loopback ports as requested, all different: each is held until all are known. */
export async function findFreePorts(count: number): Promise<number[]> {
  const held = await Promise.all(Array.from({ length: count }, listen))
  const ports = held.map(portOf)
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string')
    throw new Error('Cannot read the port: not a TCP server')
  return address.port
}
