/** What is measured on the hot path: whole platforms, of this checkout and of others, and the floor beside them. */
import { randomUUID } from 'node:crypto'
import { migrate } from '../../shared/database/migrate.ts'
import type { HttpRequest } from './http-request.ts'
import { startMeasuredPlatform, type MeasuredPlatform } from './platform.ts'
import { meterOf, type Meter } from './processes.ts'
import { serverFile, startServer } from './server-process.ts'

export const KINDS = ['write', 'read'] as const
export type Kind = (typeof KINDS)[number]

/** Both go by a row of its own for each tenant, so there are many. */
const TENANTS = 50
/** The smallest that there is: a tenant's pool must not run dry while we measure. */
const SIP = 0.001
const CALLS: Record<Kind, { verb: string; input: object }> = {
  write: { verb: 'sip', input: { amount: SIP } },
  read: { verb: 'manifest', input: {} },
}
const FLOOR_DATABASE = 'floor'

export interface Subject {
  port: number
  requests: Record<Kind, HttpRequest[]>
  /** Counts the CPU time of all its processes from now on. */
  meter(): Meter
  /** Waits until it has nothing left to do. */
  settle(): Promise<void>
  stop(): Promise<void>
}

export interface PlatformSubject extends Subject {
  platform: MeasuredPlatform
}

/** @param root the checkout whose platform it is; ours by default */
export async function startPlatformSubject(root?: string): Promise<PlatformSubject> {
  const platform = await startMeasuredPlatform({ KNATIVE_TIME_SCALE: '1', INFERENCE: 'off' }, root)
  const { port, meter, settle, stop } = platform
  return { platform, port, requests: requestsOf(await platform.addTenants(TENANTS)), meter, settle, stop }
}

/** The floor, on the PostgreSQL of `platform`, in a database of its own with the same schema. */
export async function startFloor(platform: MeasuredPlatform): Promise<Subject> {
  await platform.sql.unsafe(`create database ${FLOOR_DATABASE}`)
  await migrate(platform.databaseUrl('owner', FLOOR_DATABASE))
  const headers = Array.from({ length: TENANTS }, () => ({
    'x-tenant-id': randomUUID(),
    'content-type': 'application/json',
  }))
  const requests = requestsOf(headers)
  const program = {
    args: [serverFile('floor.ts')],
    env: { DATABASE_URL: platform.databaseUrl('app', FLOOR_DATABASE) },
  }
  const server = await startServer(program, requests.read[0] as HttpRequest)
  return {
    port: server.port,
    requests,
    meter() {
      const meters = [meterOf(server.pid, () => 'function'), platform.meterPostgres()]
      return () => Object.assign({}, ...meters.map((read) => read()))
    },
    async settle() {},
    stop: server.stop,
  }
}

/** The last one first: the floor is a guest of a platform. */
export async function stopAll(subjects: Record<string, Subject>): Promise<void> {
  for (const subject of Object.values(subjects).toReversed()) await subject.stop()
}

function requestsOf(tenants: readonly Record<string, string>[]): Record<Kind, HttpRequest[]> {
  const of = (kind: Kind): HttpRequest[] =>
    tenants.map((headers) => ({
      method: 'POST',
      path: `/v1/agentese/void/entropy/${CALLS[kind].verb}`,
      headers,
      body: JSON.stringify(CALLS[kind].input),
    }))
  return { write: of('write'), read: of('read') }
}
