/** Ports that nobody listens on, from a range that the system does not hand out to outgoing connections. */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

const FIRST = 20_000
const COUNT = 12_000

/** Two processes on one machine begin at different places. */
let next = Math.floor(Math.random() * COUNT)

/** As many free loopback ports as requested, all different. */
export async function findFreePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) ports.push(await findFreePort())
  return ports
}

/**
 * A port of 127.0.0.1 that nobody listens on, and that no process of this machine is handed as long as this one runs.
 *
 * @throws Error when a hundred in a row are taken
 */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = FIRST + next
    next = (next + 1) % COUNT
    if ((await reserve(port)) && (await isFree(port))) return port
  }
  throw new Error(`Cannot find a free port: a hundred from ${FIRST + next - 100} on are taken`)
}

/**
 * Keeps a port from all other processes that want a free one, until this process ends, however it ends: by the UDP port
 * of the same number, which nothing else uses. Between the answer and the server that listens there, seconds can pass.
 */
function reserve(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    socket.once('error', () => {
      socket.close()
      resolve(false)
    })
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => {
      socket.unref()
      resolve(true)
    })
  })
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
