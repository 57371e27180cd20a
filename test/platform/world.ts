/** What a platform test works with: tenants that call, streams that are read to their end, processes that are killed. */
import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { inject, test as base } from 'vitest'
import { createApiKey } from '../../shared/identity/api-keys.ts'
import { readMessages } from '../read-messages.ts'
import { readState } from './start-platform.ts'

interface Answer {
  status: number
  headers: Headers
  // Tests look into answers of every shape.
  body: any // oxlint-disable-line typescript/no-explicit-any -- reason: see above
}

/** One SSE event. */
export interface StreamEvent {
  event: string
  id: string | undefined
  // oxlint-disable-next-line typescript/no-explicit-any -- reason: as above
  data: any
}

export interface Caller {
  tenant: string
  apiKey: string
  /** Sends one request as this tenant, with its API key unless `headers` say otherwise. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** Exchanges the API key for a token. */
  token(): Promise<string>
  /** Opens a stream and yields its events until it ends. */
  stream(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): AsyncGenerator<StreamEvent>
}

export interface World {
  /** The platform that all files share, unless a file has one of its own to break. */
  platform: { url: string; state: string }
  url: string
  state: string
  acme: Caller
  globex: Caller
  /** A tenant that nobody else uses. */
  newTenant(tier?: string, roles?: string[]): Promise<Caller>
  /** The owner's connection: sees every row of every tenant. */
  sql: postgres.Sql
  kill(name: string, signal?: NodeJS.Signals): number
  pidOf(name: string): number
  /** Status of the functions, as the stand-in tells it. */
  functions(): Promise<Record<string, { pods: { pid: number; ready: boolean }[] }>>
}

interface DevFile {
  tenants: Record<'acme' | 'globex', { id: string; apiKey: string }>
}

type Processes = Record<string, { pid: number; port?: number }>

export const test = base.extend<World>({
  platform: [async ({}, use) => use(inject('platform')), { scope: 'file' }],
  url: async ({ platform }, use) => use(platform.url),
  state: async ({ platform }, use) => use(platform.state),
  acme: async ({ url, state }, use) => use(devCaller(url, state, 'acme')),
  globex: async ({ url, state }, use) => use(devCaller(url, state, 'globex')),
  sql: async ({ state }, use) => {
    const sql = postgres(ownerUrl(state), { max: 2, onnotice: () => {} })
    await use(sql)
    await sql.end()
  },
  newTenant: async ({ url, sql }, use) =>
    use((tier = 'pro', roles = ['developer']) => addTenant(url, sql, tier, roles)),
  pidOf: async ({ state }, use) => use((name) => pidOf(state, name)),
  kill: async ({ state }, use) =>
    use((name, signal = 'SIGKILL') => {
      const pid = pidOf(state, name)
      process.kill(pid, signal)
      return pid
    }),
  functions: async ({ state }, use) =>
    use(async () => {
      const { port } = readState<Processes>(state, 'processes.json')['knative'] ?? {}
      const status = (await (await fetch(`http://127.0.0.1:${port}/status`)).json()) as {
        functions: Awaited<ReturnType<World['functions']>>
      }
      return status.functions
    }),
})

function pidOf(state: string, name: string): number {
  const found = readState<Processes>(state, 'processes.json')[name]
  if (found === undefined) throw new Error(`There is no process "${name}"`)
  return found.pid
}

function ownerUrl(state: string): string {
  const { passwords } = readState<{ passwords: { postgres: string } }>(state, 'secrets.json')
  const { port } = readState<Processes>(state, 'processes.json')['PostgreSQL'] ?? {}
  return `postgres://postgres:${passwords.postgres}@127.0.0.1:${port}/kgents`
}

function devCaller(url: string, state: string, slug: 'acme' | 'globex'): Caller {
  const { id, apiKey } = readState<DevFile>(state, 'dev.json').tenants[slug]
  return createCaller(url, id, apiKey)
}

async function addTenant(url: string, sql: postgres.Sql, tier: string, roles: string[]): Promise<Caller> {
  const tenant = randomUUID()
  const user = randomUUID()
  const { key, prefix, hash } = createApiKey()
  await sql.begin(async (db) => {
    await db`insert into tenants (id, slug, name, tier) values (${tenant}, ${`t-${tenant}`}, 'Test', ${tier})`
    await db`insert into users (id, tenant_id, email, name, roles) values (${user}, ${tenant}, 'a@b.c', 'Test', ${roles})`
    await db`insert into api_keys (id, tenant_id, user_id, name, key_prefix, key_hash)
             values (${randomUUID()}, ${tenant}, ${user}, 'test', ${prefix}, ${hash})`
  })
  return createCaller(url, tenant, key)
}

export function createCaller(url: string, tenant: string, apiKey: string): Caller {
  const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    fetch(`${url}${path}`, {
      method,
      headers: {
        ...(headers['authorization'] === undefined ? { 'x-api-key': apiKey } : {}),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  const call: Caller['call'] = async (method, path, body, headers) => {
    const response = await send(method, path, body, headers)
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text !== '' ? JSON.parse(text) : text,
    }
  }
  return {
    tenant,
    apiKey,
    call,
    token: async () => (await call('POST', '/v1/auth/token')).body.access_token,
    async *stream(method, path, body, headers) {
      const response = await send(method, path, body, { accept: 'text/event-stream', ...headers })
      if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
      yield* readEvents(response)
    },
  }
}

async function* readEvents(response: Response): AsyncGenerator<StreamEvent> {
  for await (const { event = 'message', id, data } of readMessages(response)) {
    if (event !== 'comment') yield { event, id, data: JSON.parse(data) }
  }
}

/** Reads a stream to its end. */
export async function readAll(stream: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  return Array.fromAsync(stream)
}

/** The text that a client has put together from a stream's chunks. */
export function textOf(events: readonly StreamEvent[]): string {
  const start = events.findLastIndex(({ event }) => event === 'restart') + 1
  return events
    .slice(start)
    .filter(({ event }) => event === 'chunk')
    .map(({ data }) => data.text)
    .join('')
}
