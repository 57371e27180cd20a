import { createServer, type Server, type ServerResponse } from 'node:http'
import { expect } from 'vitest'
import { followFeed } from '../../../gateway/local/pods.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { listen, test as base, type LocalWorld } from './local-world.ts'

/** A stand-in's feed, and one pod that is named in it. */
interface PodWorld extends LocalWorld {
  pod: string
  stopPod(): Promise<void>
  tell(functions: Record<string, string[]>): void
  endFeed(): void
  reports: Record<string, number>[]
  callsOfPod: string[]
}

const SIP = '/v1/agentese/void/entropy/sip'

async function stop(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  server.closeAllConnections()
  await closed
}

const test = base.extend<{ pods: PodWorld }>({
  pods: async ({ world }, use) => {
    const reports: Record<string, number>[] = []
    const callsOfPod: string[] = []
    let listener: ServerResponse | undefined
    const feed = createServer((request, response) => {
      if (request.url === '/endpoints') {
        listener = response
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
        return
      }
      let text = ''
      request.on('data', (chunk: Buffer) => (text += chunk.toString()))
      request.on('end', () => {
        reports.push(JSON.parse(text) as Record<string, number>)
        response.writeHead(204).end()
      })
    })
    const pod = createServer((request, response) => {
      callsOfPod.push(request.headers.host ?? '')
      request.resume().on('end', () => response.end('{"pod":true}'))
    })
    const [feedAddress, podAddress] = [await listen(feed), await listen(pod)]
    const stopping = new AbortController()
    const following = followFeed(
      feedAddress,
      world.gateway.pods,
      createLog('test', 'silent'),
      stopping.signal,
    )
    await expect.poll(() => listener !== undefined).toBe(true)
    await use({
      ...world,
      pod: podAddress,
      stopPod: () => stop(pod),
      tell: (functions) =>
        listener?.write(`data: ${JSON.stringify({ reportMilliseconds: 20, functions })}\n\n`),
      endFeed: () => listener?.destroy(),
      reports,
      callsOfPod,
    })
    stopping.abort()
    await following
    await stop(feed)
    await stop(pod)
  },
})

async function call({ url, token }: PodWorld): Promise<unknown> {
  const response = await fetch(`${url}${SIP}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: '{}',
  })
  return response.json()
}

test('the gateway goes straight to a pod that the feed names, and tells how busy it made it', async ({
  pods,
}) => {
  expect(await call(pods)).toEqual({ ok: true })
  pods.tell({ 'void-entropy': [pods.pod] })
  await expect.poll(() => call(pods)).toEqual({ pod: true })
  expect(pods.callsOfPod[0]).toBe('void-entropy.kgents.svc.cluster.local')
  await expect.poll(() => pods.reports.length).toBeGreaterThan(0)
  expect(pods.reports[0]?.['void-entropy']).toBeGreaterThan(0)
})

test('a pod that is gone costs no request: the ingress takes it', async ({ pods }) => {
  pods.tell({ 'void-entropy': [pods.pod] })
  await expect.poll(() => call(pods)).toEqual({ pod: true })
  await pods.stopPod()
  expect(await call(pods)).toEqual({ ok: true })
})

test('without the feed everything goes to the ingress again', async ({ pods }) => {
  pods.tell({ 'void-entropy': [pods.pod] })
  await expect.poll(() => call(pods)).toEqual({ pod: true })
  pods.endFeed()
  await expect.poll(() => call(pods)).toEqual({ ok: true })
})
