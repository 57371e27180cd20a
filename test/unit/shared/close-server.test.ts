import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { test as base } from 'vitest'
import { closeServer } from '../../../shared/http/close-server.ts'

const OPEN_MS = 60_000

interface World {
  server: Server
  /** A connection of a caller that keeps it, after one answer on it. */
  kept: Socket
}

const test = base.extend<World>({
  server: async ({}, use) => {
    const server = createServer((_request, response) => void response.end('done'))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    await use(server)
    server.closeAllConnections()
    server.close()
  },
  kept: async ({ server }, use) => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').setEncoding('utf8')
    await asks(socket)
    await use(socket)
    socket.destroy()
  },
})

/** The answer to one request on `socket`. */
async function asks(socket: Socket): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nhost: here\r\n\r\n')
  const [answer] = (await once(socket, 'data')) as [string]
  return answer
}

test('closeServer() answers a request that was on its way on a kept connection, and ends it then', async ({
  server,
  kept,
  expect,
}) => {
  const answer = asks(kept)
  const closed = closeServer(server, OPEN_MS)
  expect(await answer).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n/i)
  await closed
  expect(server.listening).toBe(false)
})

test('closeServer() ends as soon as callers have closed their connections', async ({
  server,
  kept,
  expect,
}) => {
  const closed = closeServer(server, OPEN_MS)
  kept.end()
  await closed
  expect(server.listening).toBe(false)
})

test('closeServer() closes what callers keep when their time is over', async ({ server, kept, expect }) => {
  const closed = once(kept, 'close')
  await closeServer(server, 1)
  await closed
  expect(server.listening).toBe(false)
})

test('closeServer() ends an answer that takes longer than it may', async ({ server, kept, expect }) => {
  server.removeAllListeners('request').on('request', () => undefined)
  kept.write('GET / HTTP/1.1\r\nhost: here\r\n\r\n')
  await once(server, 'request')
  const closed = once(kept, 'close')
  await closeServer(server, 0, 1)
  await closed
  expect(server.listening).toBe(false)
})
