/** What `withTenant` promises whatever becomes of the connection: one transaction, one tenant, all or nothing. */
import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { describe, expect, inject, test as base } from 'vitest'
import { openDatabase, withTenant, type Database, type Db } from '../../../shared/database/database.ts'
import { eventually } from '../../eventually.ts'

const test = base
  .extend<{ owner: postgres.Sql }>({
    owner: async ({}, use) => {
      const sql = postgres(inject('servers').postgres.owner, { max: 2, onnotice: () => {} })
      await use(sql)
      await sql.end()
    },
  })
  .extend<{ open: (options?: { connections?: number; prepare?: boolean }) => Database }>({
    open: async ({}, use) => {
      const opened: Database[] = []
      await use((options) => {
        const database = openDatabase(inject('servers').postgres.app, { connections: 1, ...options })
        opened.push(database)
        return database
      })
      for (const database of opened) await database.close()
    },
  })

const keep = (db: Db, tenant: string, key: string) =>
  db`insert into idempotency_keys (tenant_id, key, endpoint, request_hash) values (${tenant}, ${key}, 'test', '')`
const keys = async (db: Db) =>
  (await db<{ key: string }[]>`select key from idempotency_keys order by key`).map(({ key }) => key)
const backendOf = async (db: Db) => (await db<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]?.pid ?? 0

describe.for([{ prepare: true }, { prepare: false }])('withTenant(), with %o', (options) => {
  test('shows each of two tenants its own rows, on one connection, reading and writing in turn', async ({
    open,
  }) => {
    const database = open(options)
    const tenants = [randomUUID(), randomUUID()]
    for (const tenant of tenants) {
      await withTenant(database, tenant, 'write', (db) => keep(db, tenant, tenant))
      await withTenant(database, tenant, 'read', keys)
    }
    for (const tenant of [...tenants, ...tenants])
      expect(await withTenant(database, tenant, 'read', keys)).toEqual([tenant])
  })

  test('sends in order what is not waited for, and fails where it does', async ({ open }) => {
    const database = open(options)
    const tenant = randomUUID()
    await withTenant(database, tenant, 'write', async (db) => {
      for (const key of ['a', 'b', 'c']) db.send(keep(db, tenant, key))
    })
    expect(await withTenant(database, tenant, 'read', keys)).toEqual(['a', 'b', 'c'])
    const twice = withTenant(database, tenant, 'write', async (db) => {
      db.send(keep(db, tenant, 'd'))
      db.send(keep(db, tenant, 'a'))
    })
    await expect(twice).rejects.toMatchObject({ code: '23505' })
    expect(await withTenant(database, tenant, 'read', keys)).toEqual(['a', 'b', 'c'])
  })

  test('refuses to commit what had failed, though the handler did not mind', async ({ open }) => {
    const database = open(options)
    const tenant = randomUUID()
    const careless = withTenant(database, tenant, 'write', async (db) => {
      await keep(db, tenant, 'kept')
      await db`select 1 / 0`.catch(() => {})
    })
    await expect(careless).rejects.toThrow()
    expect(await withTenant(database, tenant, 'read', keys)).toEqual([])
  })

  test('refuses writes in a transaction that reads, and goes on with the next', async ({ open }) => {
    const database = open(options)
    const tenant = randomUUID()
    const write = withTenant(database, tenant, 'read', (db) => keep(db, tenant, 'never'))
    await expect(write).rejects.toMatchObject({ code: 'PURITY_BREACH' })
    await withTenant(database, tenant, 'write', (db) => keep(db, tenant, 'kept'))
    expect(await withTenant(database, tenant, 'read', keys)).toEqual(['kept'])
  })

  test('undoes a savepoint alone, and what was sent in it', async ({ open }) => {
    const database = open(options)
    const tenant = randomUUID()
    await withTenant(database, tenant, 'write', async (db) => {
      await keep(db, tenant, 'before')
      const inner = db.savepoint(async (inside) => {
        inside.send(keep(inside, tenant, 'inside'))
        inside.send(keep(inside, tenant, 'before'))
      })
      await expect(inner).rejects.toMatchObject({ code: '23505' })
      await db.savepoint((inside) => keep(inside, tenant, 'after'))
    })
    expect(await withTenant(database, tenant, 'read', keys)).toEqual(['after', 'before'])
  })
})

describe('withTenant()', () => {
  test('runs nothing outside of its transaction when the connection ends in the middle', async ({
    open,
    owner,
  }) => {
    const database = open()
    const tenant = randomUUID()
    await withTenant(database, tenant, 'read', keys) // open, so that nothing is waited for
    const cut = withTenant(database, tenant, 'write', async (db) => {
      await keep(db, tenant, 'first')
      const pid = await backendOf(db)
      await owner`select pg_terminate_backend(${pid})`
      await eventually(async () =>
        expect(await owner`select from pg_stat_activity where pid = ${pid}`).toHaveLength(0),
      )
      await keep(db, tenant, 'second')
    })
    await expect(cut).rejects.toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' })
    expect(await withTenant(database, tenant, 'read', keys)).toEqual([])
  })

  test('goes on after the server has ended every connection, busy or idle', async ({ open, owner }) => {
    const database = open({ connections: 3 })
    const tenant = randomUUID()
    const pids = await Promise.all(
      Array.from({ length: 3 }, () => withTenant(database, tenant, 'read', backendOf)),
    )
    for (const pid of pids) await owner`select pg_terminate_backend(${pid})`
    await eventually(async () => expect(await withTenant(database, tenant, 'read', keys)).toEqual([]))
  })

  test('refuses queries of a handler that goes on when its transaction is over', async ({ open }) => {
    const database = open()
    const [mine, other] = [randomUUID(), randomUUID()]
    const late = await withTenant(database, mine, 'write', async (db) => ({ db }))
    await withTenant(database, other, 'write', (db) => keep(db, other, 'secret'))
    expect(() => late.db`select key from idempotency_keys`).toThrow(/transaction is over/)
    expect(() => late.db.unsafe('select key from idempotency_keys')).toThrow(/transaction is over/)
  })

  test('lets no more than so many transactions run at once, and forgets nobody who waits', async ({
    open,
    owner,
  }) => {
    const database = open({ connections: 2 })
    const tenant = randomUUID()
    let running = 0
    let most = 0
    const work = async (db: Db) => {
      running += 1
      most = Math.max(most, running)
      await db`select pg_sleep(0.01)`
      running -= 1
      if (running % 5 === 4) throw new Error('some fail')
    }
    const all = Array.from({ length: 30 }, () => withTenant(database, tenant, 'write', work).catch(() => {}))
    await Promise.all(all)
    expect(most).toBe(2)
    expect(
      await owner`select from pg_stat_activity where state like 'idle in transaction%' and query like '%pg_sleep%'`,
    ).toHaveLength(0)
  })

  test('finds a connection open that was made before, and waits for nothing on it', async ({ open }) => {
    const { connect, central } = open()
    const { connections } = await central.serving(randomUUID())
    connect()
    const connection = await connections.acquire()
    await eventually(() => expect(connection.isOpen).toBe(true))
    connections.release(connection)
    expect(connections.acquire()).toBe(connection)
  })

  test('leaves no transaction open behind a read for longer than a moment', async ({ open, owner }) => {
    const database = open()
    const pid = await withTenant(database, randomUUID(), 'read', backendOf)
    await eventually(async () => {
      const [row] = await owner<{ state: string }[]>`select state from pg_stat_activity where pid = ${pid}`
      expect(row?.state).toBe('idle')
    })
  })

  test('says that the database is unavailable where nobody answers', async () => {
    const database = openDatabase('postgres://nobody@127.0.0.1:1/none')
    const asked = withTenant(database, randomUUID(), 'read', keys)
    await expect(asked).rejects.toMatchObject({ code: 'DEPENDENCY_UNAVAILABLE' })
    await database.close()
  })

  test('takes nothing for a tenant that is no UUID', async ({ open }) => {
    const asked = withTenant(open(), "x'; drop table tenants; --", 'write', keys)
    await expect(asked).rejects.toThrow(TypeError)
  })
})
