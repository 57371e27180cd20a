/** Who listens on a port: nobody yet, or somebody else already. */
import { connect, createServer } from 'node:net'

/** Says who can be asked where `host` is listened on: all addresses include the loopback one. */
function addressOf(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
}

/** Whether anybody answers there. */
export function isListening(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: addressOf(host) })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** The port if it can be listened on, or one that is free where it is 0; throws an error that names what is wrong. */
export async function claimPort(port: number, host: string): Promise<number> {
  // "localhost" is both loopback addresses to a client, so nobody else may answer on the other one
  if (port !== 0 && host === '127.0.0.1' && (await isListening(port, '::1'))) throw new Error(inUse(port))
  return await listenOnce(port, host)
}

function listenOnce(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => reject(new Error(reasonOf(error, port, host))))
    server.listen({ port, host }, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port))
    })
  })
}

function reasonOf(error: Error, port: number, host: string): string {
  const code = 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE') return inUse(port)
  if (code === 'EACCES') return `Cannot start: port ${port} is not for this user; set PORT to another`
  return `Cannot start: HOST "${host}" cannot be listened on: ${error.message}`
}

function inUse(port: number): string {
  return `Cannot start: port ${port} is in use; set PORT to another`
}
