/** Ports that nobody listens on, from a range that the system does not hand out to outgoing connections. */
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
 * A port of 127.0.0.1 that nobody listens on, and that this process has not handed out lately.
 *
 * @throws Error when a hundred in a row are taken
 */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const port = FIRST + next
    next = (next + 1) % COUNT
    if (await isFree(port)) return port
  }
  throw new Error(`Cannot find a free port: a hundred from ${FIRST + next - 100} on are taken`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}
