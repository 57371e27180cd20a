/** One transaction on a borrowed connection, as a handler sees it. */
import type { ISql, Parameter, Sql } from 'postgres'
import { Failure } from '../failures.ts'
import type { Connection } from './connections.ts'

export type Mode = 'read' | 'write'

/** A query that was made and not sent yet. */
interface Statement {
  execute(): Promise<unknown>
}

/** Queries in the tenant's transaction. They are refused when it is over. */
export interface Db extends ISql {
  /** A value as jsonb; what cannot be written as JSON is the caller's mistake. */
  json(value: unknown): Parameter
  /** Runs `work` so that what it did is undone when it throws, and the rest of the transaction goes on. */
  savepoint<T>(work: (db: Db) => Promise<T>): Promise<T>
  /**
   * Sends a statement whose answer nobody needs: it shares a flush with what comes next, and the commit waits for it.
   * Where it fails, the transaction does.
   */
  send(statement: Statement): void
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export class Transaction {
  readonly db: Db
  readonly #connection: Connection
  readonly #sql: Sql
  readonly #sent: Promise<unknown>[] = []
  #isOver = false

  constructor(connection: Connection) {
    this.#connection = connection
    this.#sql = connection.sql
    this.db = this.#createDb()
  }

  /**
   * Begins, bound to one tenant. The end of the transaction before, if it has only read, goes out in the same message.
   * Awaiting it is only needed on a connection that is not open yet.
   *
   * @param central what it is about stays in the pool, also where the tenant has a database of its own
   */
  begin(tenant: string, mode: Mode, central = false): Promise<void> {
    // As text, since a message of several statements takes no parameters.
    if (!UUID.test(tenant)) throw new TypeError('A tenant is named by its UUID')
    const connection = this.#connection
    const before = connection.isUnfinished ? 'commit; ' : ''
    connection.isUnfinished = false
    const opening = this.#sql.unsafe(
      `${before}begin ${mode === 'read' ? 'read only' : 'read write'}; set local app.current_tenant = '${tenant}'${central ? "; set local app.central = 'on'" : ''}`,
    )
    return opening.then(() => void (connection.isOpen = true))
  }

  /** Commits what was written; what only read is left to be ended with whatever the connection does next. */
  async end(mode: Mode): Promise<void> {
    this.#isOver = true
    if (mode === 'read') {
      await Promise.all(this.#sent)
      this.#connection.isUnfinished = true
      return
    }
    const [answer] = await Promise.all([this.#sql.unsafe('commit'), ...this.#sent])
    // The server answers so where a statement had failed, although nobody noticed.
    if (answer.command !== 'COMMIT')
      throw new Error('The transaction was rolled back: a statement in it failed')
  }

  async rollBack(): Promise<void> {
    this.#isOver = true
    await Promise.allSettled([this.#sql.unsafe('rollback'), ...this.#sent])
  }

  #createDb(): Db {
    const sql = this.#sql
    const query = (...args: unknown[]) => {
      this.#checkOpen()
      return (sql as unknown as (...args: unknown[]) => unknown)(...args) // reason: it is passed on as it comes
    }
    const { json, array } = sql
    const unsafe: Db['unsafe'] = (...args) => {
      this.#checkOpen()
      return sql.unsafe(...args)
    }
    const savepoint: Db['savepoint'] = (work) => this.#savepoint(work)
    const send: Db['send'] = (statement) => {
      const sent = statement.execute()
      sent.catch(() => {}) // reason: `end` waits for it
      this.#sent.push(sent)
    }
    return Object.assign(query, { json, array, unsafe, savepoint, send }) as unknown as Db // reason: only what is used is there
  }

  /** On the next transaction of this connection a late query would be answered, and maybe for another tenant. */
  #checkOpen(): void {
    if (this.#isOver) throw new Failure('INTERNAL', 'The transaction is over')
  }

  async #savepoint<T>(work: (db: Db) => Promise<T>): Promise<T> {
    const sql = this.#sql
    const before = this.#sent.length
    const marking = sql.unsafe('savepoint step').execute()
    try {
      const [result] = await Promise.all([work(this.db), marking])
      await Promise.all([...this.#sent.splice(before), sql.unsafe('release savepoint step')])
      return result
    } catch (error) {
      this.#sent.length = before
      await sql.unsafe('rollback to savepoint step; release savepoint step')
      throw error
    }
  }
}
