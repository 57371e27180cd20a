/** Functions in this process on a real PostgreSQL of their own, for what is measured without a platform around it. */
import { randomBytes } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import { catalog } from '../../functions/catalog.ts'
import { call, insertTenant, openFunctions } from '../servers/functions/in-process.ts'
import { makeStateFolder, startMigratedPostgres } from '../servers/servers.ts'

export interface MeasuredDatabase {
  urls: { owner: string; app: string }
  /** For what is prepared before anything is measured. */
  owner: Sql
  stop(): Promise<void>
}

/** A database with the schema in place, and nothing in it. */
export async function openMeasuredDatabase(): Promise<MeasuredDatabase> {
  const { state, remove } = await makeStateFolder()
  const { urls, stop } = await startMigratedPostgres(state)
  const owner = postgres(urls.owner, { max: 1, onnotice: () => {} })
  return {
    urls,
    owner,
    async stop() {
      await owner.end()
      await stop()
      await remove()
    },
  }
}

export interface Caller {
  tenant: string
  user: string
  /** Makes one call and waits for its answer. @throws Error where that is no success */
  calls(method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown>
}

export interface MeasuredFunctions extends MeasuredDatabase {
  /** A person of a tenant of the largest plan; a developer by default. */
  newCaller(roles?: string[]): Promise<Caller>
}

/** All functions in one process, as `npm start` sets them up; without Redis, so that limits bind here. */
export async function openMeasuredFunctions(): Promise<MeasuredFunctions> {
  const database = await openMeasuredDatabase()
  const { app, close } = await openFunctions({
    functions: catalog,
    databaseUrl: database.urls.app,
    eventKey: randomBytes(32).toString('base64url'),
    settings: { DATABASE_PREPARE: 'on' },
  })
  return {
    ...database,
    async newCaller(roles = ['developer']) {
      const { id, user, key } = await insertTenant(database.owner, 'enterprise', roles)
      return {
        tenant: id,
        user,
        async calls(method, path, body) {
          const { status, body: answer } = await call(app, key, method, path, body)
          if (status !== 200) throw new Error(`Cannot measure ${path}: ${status} ${JSON.stringify(answer)}`)
          return answer
        },
      }
    },
    async stop() {
      await close()
      await database.stop()
    },
  }
}
