/**
 * Databases of tenants that have one of their own, as processes reach them.
 *
 * A process asks the pool which tenants are served elsewhere, and believes that for 3 seconds: one query for all tenants, so
 * that a call takes none. Should it be wrong by then, the database that it reaches refuses the tenant, and it asks again.
 * A silo is a database on the server of the pool, so its address is that of the pool with another name, and kept nowhere.
 * Connections to a silo are opened when they are used, and closed when nobody has used them for a minute.
 */
import type { Sql } from 'postgres'
import { Connections, type DatabaseOptions } from './connections.ts'

/** Where transactions of a tenant are. */
export interface Serving {
  connections: Connections
  /** Set where what they are about stays in the pool. */
  central?: boolean
}

export interface SilosOptions {
  /** Of the pool. */
  url: string
  pool: Connections
  sql: Sql
  options: DatabaseOptions
}

const BELIEVED_MS = 3000
/** Asked again before that is over, so that no call waits for it. */
const REFRESHED_MS = 1500
/** Most transactions that one process runs at once in one silo. */
const MAX_CONNECTIONS = 4

/** The address of a silo, for whoever the address of the pool is for. */
export function siloUrl(name: string, poolUrl: string): string {
  return Object.assign(new URL(poolUrl), { pathname: `/${name}` }).href
}

export class Silos {
  readonly #options: SilosOptions
  readonly #pool: Serving
  /** By their names; one that is not used keeps no connection open. */
  readonly #open = new Map<string, Serving>()
  #nameOf = new Map<string, string>()
  #readAt = -Infinity
  #reading: Promise<void> | undefined

  constructor(options: SilosOptions) {
    this.#options = options
    this.#pool = { connections: options.pool }
  }

  /** @throws the driver's error where the pool cannot be asked */
  readonly serving = (tenant: string): Serving | Promise<Serving> => {
    const age = performance.now() - this.#readAt
    if (age > BELIEVED_MS) return this.#read().then(() => this.#find(tenant))
    if (age > REFRESHED_MS) this.#read().catch(() => {})
    return this.#find(tenant)
  }

  readonly locate = (): Promise<void> => this.#read()

  /** Silos are asked at once, after the pool. */
  readonly everywhere = async <T>(
    query: (sql: Sql) => Promise<readonly T[]>,
    missed: (error: unknown) => void,
  ): Promise<T[]> => {
    const rows = [...(await query(this.#options.sql))]
    await this.#read()
    const names = new Set(this.#nameOf.values())
    const asking = [...names].map(async (name) => rows.push(...(await this.#ask(name, query))))
    for (const { reason } of (await Promise.allSettled(asking)).filter((each) => each.status === 'rejected'))
      missed(reason)
    return rows
  }

  async close(timeoutSeconds: number): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ connections }) => connections.close(timeoutSeconds)))
  }

  #find(tenant: string): Serving {
    const name = this.#nameOf.get(tenant)
    return name === undefined ? this.#pool : this.#silo(name)
  }

  #silo(name: string): Serving {
    const known = this.#open.get(name)
    if (known !== undefined) return known
    const { url, options } = this.#options
    const connections = new Connections(siloUrl(name, url), {
      ...options,
      connections: Math.min(MAX_CONNECTIONS, options.connections ?? MAX_CONNECTIONS),
    })
    const silo = { connections }
    this.#open.set(name, silo)
    return silo
  }

  /** All that ask while it is being read wait for the same answer. */
  #read(): Promise<void> {
    this.#reading ??= this.#load().finally(() => (this.#reading = undefined))
    return this.#reading
  }

  async #load(): Promise<void> {
    const askedAt = performance.now()
    const rows = await this.#options.sql<{ tenant: string; database: string }[]>`
      select tenant, database from silos_served()`
    this.#nameOf = new Map(rows.map(({ tenant, database }) => [tenant, database]))
    this.#readAt = askedAt
  }

  async #ask<T>(name: string, query: (sql: Sql) => Promise<readonly T[]>): Promise<readonly T[]> {
    const { connections } = this.#silo(name)
    const connection = await connections.acquire()
    try {
      connection.finish()
      return await query(connection.sql)
    } finally {
      connections.release(connection)
    }
  }
}
