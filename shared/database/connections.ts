/**
 * Connections to PostgreSQL that are borrowed for one transaction each.
 *
 * Every connection is a client of its own, because the driver's pool waits for the answer to `begin` before it sends
 * anything else, and what waits costs more than the work: a round trip wakes two processes. On a connection of one's own
 * the statements of a transaction go out as they are made, and those made at once share one flush.
 *
 * Promises: a connection that was closed is never used again, so nothing that belongs into a transaction is ever sent
 * outside of it; nobody gets a connection before the one who had it has given it back.
 */
import postgres, { type Sql } from 'postgres'
import { parseKept } from '../exact-json.ts'

export interface DatabaseOptions {
  /** Most transactions that one process runs at once. */
  connections?: number
  /** Named prepared statements: faster, but only on a direct connection, or PgBouncer from 1.21 on. */
  prepare?: boolean
}

/** How long a connection is used, so that a server that was added or moved gets its share. */
const LIFETIME_MS = 3_600_000
/** How long a transaction that has only read may stay open behind its answer, for its end to go out with what comes next. */
const UNFINISHED_MS = 50

export const CONNECTION_OPTIONS = {
  fetch_types: false,
  connect_timeout: 3,
  idle_timeout: 60,
  max_lifetime: null,
  onnotice: () => {},
  connection: { application_name: 'kgents' },
  // The driver would otherwise ask each connection for the types of arrays.
  types: {
    texts: {
      to: 1009,
      from: [],
      serialize: (texts: readonly string[]) => `{${texts.map((text) => JSON.stringify(text)).join(',')}}`,
      parse: (text: string) => text,
    },
    json: {
      to: 114,
      from: [114, 3802],
      serialize: (value: unknown) => JSON.stringify(value),
      parse: parseKept,
    },
  },
} satisfies postgres.Options<Record<string, postgres.PostgresType>>

/** One connection, and what whoever borrows it next has to know. */
export class Connection {
  readonly sql: Sql
  readonly #madeAt = Date.now()
  /** Whether the server has answered on it: statements that are sent before that would not stay in order. */
  isOpen = false
  /** Whether the last transaction on it is still to be committed. It has only read, so nothing depends on when. */
  isUnfinished = false
  isClosed = false

  constructor(url: string, prepare: boolean, onClose: (connection: Connection) => void) {
    this.sql = postgres(url, {
      ...CONNECTION_OPTIONS,
      max: 1,
      prepare,
      onclose: () => {
        this.close()
        onClose(this)
      },
    })
  }

  get isWorn(): boolean {
    return this.isClosed || Date.now() - this.#madeAt > LIFETIME_MS
  }

  /** Refuses every later statement: the driver would connect again and run it outside of its transaction. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.sql.end({ timeout: 0 }).catch(() => {})
  }

  /** Ends a transaction that has only read. */
  finish(): void {
    if (!this.isUnfinished) return
    this.isUnfinished = false
    this.sql.unsafe('commit').catch(() => {})
  }
}

export class Connections {
  readonly #url: string
  readonly #options: Required<DatabaseOptions>
  /** The one used last is on top: the others may close when there is little to do. */
  readonly #idle: Connection[] = []
  readonly #waiting: ((connection: Connection) => void)[] = []
  readonly #all = new Set<Connection>()
  #timer: NodeJS.Timeout | undefined

  constructor(url: string, { connections = 10, prepare = false }: DatabaseOptions) {
    this.#url = url
    this.#options = { connections, prepare }
  }

  /** Borrows a connection; waits where as many as there may be are in use. */
  acquire(): Connection | Promise<Connection> {
    const idle = this.#idle.pop()
    if (idle !== undefined) return idle
    if (this.#all.size < this.#options.connections) return this.#open()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Makes a connection, for whoever comes first. */
  connect(): void {
    const connection = this.#open()
    connection.sql`select 1`.then(
      () => (connection.isOpen = true),
      () => {},
    )
    this.release(connection)
  }

  /** Gives a connection back; one that is worn is closed. */
  release(connection: Connection): void {
    if (connection.isWorn) {
      connection.close()
      this.#forget(connection)
      return
    }
    const next = this.#waiting.shift()
    if (next !== undefined) {
      next(connection)
      return
    }
    this.#idle.push(connection)
    if (connection.isUnfinished) this.#timer ??= setTimeout(() => this.#finishIdle(), UNFINISHED_MS).unref()
  }

  /** Closes all connections, each when the transaction on it is over, but after `timeoutSeconds` at the latest. */
  async close(timeoutSeconds: number): Promise<void> {
    clearTimeout(this.#timer)
    this.#finishIdle()
    await Promise.all([...this.#all].map(({ sql }) => sql.end({ timeout: timeoutSeconds })))
  }

  #open(): Connection {
    const connection = new Connection(this.#url, this.#options.prepare, (closed) => this.#forget(closed))
    this.#all.add(connection)
    return connection
  }

  #forget(connection: Connection): void {
    if (!this.#all.delete(connection)) return
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#waiting.shift()?.(this.#open())
  }

  #finishIdle(): void {
    this.#timer = undefined
    for (const connection of this.#idle) connection.finish()
  }
}
