import { newId } from '../../../shared/new-id.ts'
import { randomBytes } from 'node:crypto'
import { describe, expect, inject } from 'vitest'
import { markOf, type CallOutcome, type Mark } from '../../../shared/calls/record.ts'
import { createRecorder } from '../../../shared/calls/recorder.ts'
import { openDatabase, withTenant, type Database } from '../../../shared/database/database.ts'
import { createLog } from '../../../shared/telemetry/log.ts'
import { testWith, type Tenant } from './world.ts'

const test = testWith().extend<{ database: Database }>({
  database: async ({}, use) => {
    const database = openDatabase(inject('servers').postgres.app)
    await use(database)
    await database.close()
  },
})

const silent = createLog('test', 'silent')
const NEVER_MS = 60_000

const EVENT_KEY = randomBytes(32).toString('base64url')

function readBy({ id, user }: Tenant): CallOutcome {
  return {
    id: newId(),
    aspect: { path: 'void.entropy.manifest', category: 'P', effects: [] },
    function: 'void-entropy',
    tenant: id,
    tier: 'pro',
    user,
    archetype: 'developer',
    outcome: 'success',
    charges: {},
    traceId: '0'.repeat(32),
    traceparent: '',
    startedAt: Date.now(),
    endedAt: Date.now(),
  }
}

describe('the recorder', () => {
  test('writes the marks of several tenants in one commit, each in its own context', async ({
    newTenant,
    owner,
    database,
  }) => {
    const tenants = [await newTenant(), await newTenant(), await newTenant()]
    const recorder = createRecorder(database, silent, EVENT_KEY, NEVER_MS)
    for (const tenant of [...tenants, ...tenants]) recorder.record(readBy(tenant))
    await recorder.flush()
    const ids = tenants.map(({ id }) => id)
    const marks = await owner<Mark[]>`select tenant_id, xmin::text from marks where tenant_id = any(${ids})`
    expect(marks.map((mark) => mark.tenant_id).sort()).toEqual([...ids, ...ids].sort())
    expect(await owner`select distinct xid::text from outbox where tenant_id = any(${ids})`).toHaveLength(1)
  })

  test("loses one tenant's impossible mark, and nobody else's", async ({ newTenant, owner, database }) => {
    const [good, bad] = [await newTenant(), await newTenant()]
    const recorder = createRecorder(database, silent, EVENT_KEY, NEVER_MS)
    const impossible = { ...readBy(bad), aspect: { path: 'a.b.c', category: 'none' as 'P', effects: [] } }
    recorder.record(impossible)
    recorder.record(readBy(good))
    await recorder.flush()
    const ids = [good.id, bad.id]
    expect(await owner`select tenant_id from marks where tenant_id = any(${ids})`).toEqual([
      { tenant_id: good.id },
    ])
  })

  test('keeps what the database could not take, and writes it when it can', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const address = new URL(inject('servers').postgres.app)
    const away = openDatabase(Object.assign(new URL(address), { port: '1' }).href)
    const here = openDatabase(address.href)
    const database = { ...away }
    const recorder = createRecorder(database, silent, EVENT_KEY, NEVER_MS)
    recorder.record(readBy(tenant))
    await recorder.flush()
    expect(await owner`select from marks where tenant_id = ${tenant.id}`).toHaveLength(0)
    Object.assign(database, here)
    recorder.record(readBy(tenant))
    await recorder.flush()
    expect(await owner`select from marks where tenant_id = ${tenant.id}`).toHaveLength(2)
    await Promise.all([away.close(), here.close()])
  })

  test("refuses a tenant's event in another tenant's row", async ({ newTenant, owner, database }) => {
    const [acme, globex] = [await newTenant(), await newTenant()]
    const { mark } = markOf(readBy(acme), EVENT_KEY)
    const { event } = markOf(readBy(globex), EVENT_KEY)
    const batch = [{ tenant: acme.id, marks: [mark], events: [event] }]
    const mixed = withTenant(database, acme.id, 'write', async (db) =>
      db.send(db`select record_calls(${db.json(batch as never)})`),
    )
    await expect(mixed).rejects.toMatchObject({ code: '42501' })
    const ids = [acme.id, globex.id]
    expect(await owner`select from marks where tenant_id = any(${ids})`).toHaveLength(0)
    expect(await owner`select from outbox where tenant_id = any(${ids})`).toHaveLength(0)
  })
})
