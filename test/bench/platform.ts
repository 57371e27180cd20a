/**
 * A whole platform to be measured, and tenants enough that no plan's limit is what is measured.
 *
 * It may be another checkout's: nothing is known of it but its program, its URL, `secrets.json` and `processes.json`.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'
import { createApiKey } from '../../shared/identity/api-keys.ts'
import { readState, startPlatform, type StartedPlatform } from '../platform/start-platform.ts'
import { sendOnce, type HttpRequest } from './http-request.ts'
import { meterOf, readProc, type Meter, type NameOf } from './processes.ts'

export interface MeasuredPlatform {
  platform: StartedPlatform
  stop(): Promise<void>
  /** Port of the gateway. */
  port: number
  /** The owner's connection. */
  sql: postgres.Sql
  /** The address of a database on its PostgreSQL, for its owner or for functions. */
  databaseUrl(role: 'owner' | 'app', database?: string): string
  /** Counts what its processes use from now on. */
  meter(): Meter
  /** As `meter`, of PostgreSQL alone. */
  meterPostgres(): Meter
  /** Waits until the events of what was measured have left the outbox: that work would disturb what is measured next. */
  settle(): Promise<void>
  /** Makes `count` tenants of the largest plan; answers the headers of each one's calls. */
  addTenants(count: number): Promise<Record<string, string>[]>
}

const SETTLE_MS = 500
const POSTGRES = 'PostgreSQL'

interface Secrets {
  passwords: { postgres: string; app: string }
}

type Processes = Record<string, { pid: number; port?: number }>

/** @param root the checkout whose platform it is; ours by default */
export async function startMeasuredPlatform(
  env: Record<string, string>,
  root?: string,
): Promise<MeasuredPlatform> {
  const platform = await startPlatform({ LOG_LEVEL: 'warn', ...env }, root)
  const port = Number(new URL(platform.url).port)
  const databaseUrl = urlsOf(platform.state)
  const sql = postgres(databaseUrl('owner'), { max: 1, onnotice: () => {} })
  const processes = () => readState<Processes>(platform.state, 'processes.json')
  return {
    platform,
    port,
    sql,
    databaseUrl,
    meter: () => meterOf(pidOf(processes(), 'knative'), nameOf(processes())),
    meterPostgres: () => meterOf(pidOf(processes(), POSTGRES), nameOf(processes())),
    async stop() {
      await sql.end()
      await platform.stop()
    },
    async settle() {
      while ((await sql`select from outbox where published_at is null limit 1`).length > 0)
        await delay(SETTLE_MS)
      await delay(SETTLE_MS) // and the Broker has them as well
    },
    async addTenants(count) {
      const keys = await Promise.all(Array.from({ length: count }, () => addTenant(sql)))
      const headers = []
      for (const key of keys) headers.push(await exchange(port, key))
      return headers
    },
  }
}

function urlsOf(state: string): MeasuredPlatform['databaseUrl'] {
  const { passwords } = readState<Secrets>(state, 'secrets.json')
  const server = `127.0.0.1:${readState<Processes>(state, 'processes.json')[POSTGRES]?.port}`
  const logins = { owner: `postgres:${passwords.postgres}`, app: `kgents_app:${passwords.app}` }
  return (role, database = 'kgents') => `postgres://${logins[role]}@${server}/${database}`
}

function pidOf(processes: Processes, name: string): number {
  const { pid } = processes[name] ?? {}
  if (pid === undefined) throw new Error(`Cannot measure: there is no process "${name}"`)
  return pid
}

/** Functions have no name in `processes.json`: they come and go. */
function nameOf(processes: Processes): NameOf {
  const names = new Map(Object.entries(processes).map(([name, { pid }]) => [pid, name]))
  return (pid) =>
    names.get(pid) ?? (readProc(pid, 'environ')?.includes('\0FUNCTION=') ? 'function' : undefined)
}

/** Answers the tenant's API key. */
async function addTenant(sql: postgres.Sql): Promise<string> {
  const [tenant, user] = [randomUUID(), randomUUID()]
  const { key, prefix, hash } = createApiKey()
  await sql.begin(async (db) => {
    await db`insert into tenants (id, slug, name, tier) values (${tenant}, ${`t-${tenant}`}, 'Bench', 'enterprise')`
    await db`insert into users (id, tenant_id, email, name, roles) values (${user}, ${tenant}, 'a@b.c', 'Bench', ${['developer']})`
    await db`insert into api_keys (id, tenant_id, user_id, name, key_prefix, key_hash)
             values (${randomUUID()}, ${tenant}, ${user}, 'bench', ${prefix}, ${hash})`
  })
  return key
}

/** Headers with the token that `key` is exchanged for, as a client would call. */
async function exchange(port: number, key: string): Promise<Record<string, string>> {
  const request: HttpRequest = { method: 'POST', path: '/v1/auth/token', headers: { 'x-api-key': key } }
  const { status, body } = await sendOnce(port, request)
  if (status !== 200) throw new Error(`Cannot get a token: ${status} ${body}`)
  const { access_token: token } = JSON.parse(body) as { access_token: string }
  return { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
}
