/** The local gateway in front of one real HTTP server, which plays all functions and remembers what reached it. */
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT } from 'jose'
import { test as base } from 'vitest'
import { components } from '../../../functions/components.ts'
import { deployKongConfig } from '../../../gateway/kong/deployment.ts'
import { createKongConfig } from '../../../gateway/kong/kong.ts'
import type { RoutedFunction } from '../../../gateway/kong/routes.ts'
import { createGateway, type Gateway } from '../../../gateway/local/gateway.ts'
import { createResolver } from '../../../gateway/upstream/addresses.ts'
import { createLog } from '../../../shared/telemetry/log.ts'

export interface Received {
  method: string
  url: string
  headers: IncomingHttpHeaders
  body: string
}

export interface LocalWorld {
  url: string
  gateway: Gateway
  token: string
  received: Received[]
  /** How functions answer; at first with 200 and a small object. */
  answer(listener: RequestListener): void
  /** Ends the server behind the gateway. */
  stopFunctions(): Promise<void>
}

const catalog: RoutedFunction[] = [
  {
    name: 'void-entropy',
    scale: { timeoutSeconds: 60 },
    node: 'void.entropy',
    endpoints: [
      {
        name: 'void.entropy.sip',
        method: 'POST',
        path: '/v1/agentese/void/entropy/sip',
        auth: 'required',
        streams: false,
      },
    ],
  },
  {
    name: 'health',
    scale: { timeoutSeconds: 60 },
    endpoints: [{ name: 'health.brief', method: 'GET', path: '/health', auth: 'none', streams: false }],
  },
]

const keyPair = generateKeyPairSync('ed25519')
export const publicKeys = {
  keys: [{ ...keyPair.publicKey.export({ format: 'jwk' }), kty: 'OKP', kid: 'test', alg: 'EdDSA' as const }],
}

export function makeToken(claims: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT({
    tenant_id: randomUUID(),
    org_id: randomUUID(),
    roles: ['developer'],
    permissions: [],
    tier: 'pro',
    ...claims,
  })
    .setProtectedHeader({ alg: 'EdDSA', kid: 'test', typ: 'JWT' })
    .setSubject(randomUUID())
    .setIssuer('https://issuer.test')
    .setAudience('https://api.test')
    .setIssuedAt()
    .setExpirationTime('10 minutes')
    .setJti(randomUUID())
    .sign(keyPair.privateKey)
}

/** Listens on a free port and tells where. */
export async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

export const test = base.extend<{ world: LocalWorld }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads the fixture's needs from this pattern
  world: async ({}, use) => {
    const received: Received[] = []
    let listener: RequestListener = (_request, response) => void response.end('{"ok":true}')
    const functions = createServer((request, response) => {
      const entry = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: '',
      }
      received.push(entry)
      request.on('data', (chunk: Buffer) => (entry.body += chunk.toString()))
      request.on('end', () => listener(request, response))
      request.on('error', () => undefined)
    })
    const ingress = await listen(functions)
    const gateway = createGateway({
      config: deployKongConfig(createKongConfig(catalog, components), { keys: publicKeys }),
      resolve: createResolver({ CLUSTER_INGRESS: ingress }),
      log: createLog('gateway', 'silent'),
    })
    const address = await listen(gateway.server)
    const stopFunctions = async () => {
      const closed = new Promise((resolve) => functions.close(resolve))
      functions.closeAllConnections()
      await closed
    }
    await use({
      url: `http://${address}`,
      gateway,
      token: await makeToken(),
      received,
      answer: (each) => (listener = each),
      stopFunctions,
    })
    await gateway.drain(0)
    await stopFunctions()
  },
})
