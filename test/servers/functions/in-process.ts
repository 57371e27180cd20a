/** Functions of one process on a given database, called without a network in between; they call each other by HTTP. */
import { randomBytes, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { exportJWK, generateKeyPair } from 'jose'
import type postgres from 'postgres'
import { parseKept } from '../../../shared/exact-json.ts'
import type { FunctionDefinition } from '../../../shared/contract/function.ts'
import { createApp } from '../../../shared/http/app.ts'
import { createApiKey } from '../../../shared/identity/api-keys.ts'
import type { Runtime } from '../../../shared/calls/runtime.ts'
import { FunctionConfig } from '../../../shared/runtime/config.ts'
import { loadersOf } from '../../../shared/contract/catalog.ts'
import { openRuntime } from '../../../shared/runtime/create-runtime.ts'

/** What the secrets of webhooks are derived from. */
export const WEBHOOK_KEY = Buffer.alloc(32, 9).toString('base64url')

export interface Answer {
  status: number
  headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any -- reason: tests look into answers of every shape
  body: any
}

export interface OpenFunctions {
  runtime: Runtime
  app: ReturnType<typeof createApp>
  close(): Promise<void>
}

export interface FunctionsInProcess {
  functions: readonly FunctionDefinition[]
  /** As `kgents_app`. */
  databaseUrl: string
  /** 32 bytes, base64url: signs events. */
  eventKey: string
  /** Variables of their environment besides the usual ones. */
  settings?: Record<string, string>
}

/** Serves `functions` with keys of their own. */
export async function openFunctions({
  functions,
  databaseUrl,
  eventKey,
  settings = {},
}: FunctionsInProcess): Promise<OpenFunctions> {
  const platform = await keyPair('platform')
  const dispatch = await keyPair('dispatch')
  const ingress = await listen()
  const config = FunctionConfig.parse({
    FUNCTION: functions.map(({ name }) => name).join(','),
    LOG_LEVEL: 'silent',
    DATABASE_URL: databaseUrl,
    PLATFORM_JWKS: platform.set,
    PLATFORM_SIGNING_KEY: platform.secret,
    DISPATCH_JWKS: dispatch.set,
    DISPATCH_SIGNING_KEY: dispatch.secret,
    EVENT_SIGNING_KEY: eventKey,
    WEBHOOK_SIGNING_KEY: WEBHOOK_KEY,
    CLUSTER_INGRESS: ingress.address,
    TOOL_SECRET_KEY: randomBytes(32).toString('base64url'),
    ...settings,
  })
  const { runtime, close: closeRuntime } = await openRuntime(config, loadersOf(functions))
  const app = createApp(runtime)
  ingress.serve(app)
  const close = async () => {
    ingress.close()
    await closeRuntime()
  }
  return { runtime, close, app }
}

/** Where functions find each other: one server for all, as they are all in this process. */
async function listen() {
  let handle: ReturnType<typeof getRequestListener> | undefined
  const server = createServer((request, response) => void handle?.(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    serve: (app: OpenFunctions['app']) => (handle = getRequestListener(app.fetch)),
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** A call with an API key, unless `headers` bring another credential. */
export async function call(
  app: OpenFunctions['app'],
  key: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await app.request(path, {
    method,
    headers: {
      ...('authorization' in headers ? {} : { 'x-api-key': key }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? undefined : parseKept(text),
  }
}

async function keyPair(kid: string) {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true })
  const facts = { kid, alg: 'EdDSA' }
  return {
    secret: JSON.stringify({ ...(await exportJWK(privateKey)), ...facts }),
    set: JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), ...facts }] }),
  }
}

/** A tenant with one person and an API key. */
export async function insertTenant(owner: postgres.Sql, tier: string, roles: string[]) {
  const id = randomUUID()
  const user = randomUUID()
  const { key, prefix, hash } = createApiKey()
  await owner.begin(async (db) => {
    await db`insert into tenants (id, slug, name, tier) values (${id}, ${`t-${id}`}, 'Test', ${tier})`
    await db`insert into users (id, tenant_id, email, name, roles) values (${user}, ${id}, 'a@b.c', 'Test', ${roles})`
    await db`insert into api_keys (id, tenant_id, user_id, name, key_prefix, key_hash)
             values (${randomUUID()}, ${id}, ${user}, 'test', ${prefix}, ${hash})`
  })
  return { id, user, key }
}
