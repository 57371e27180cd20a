import { newId } from '../../../shared/new-id.ts'
import { randomBytes } from 'node:crypto'
import { describe, expect, inject } from 'vitest'
import { markOf, type Mark } from '../../../shared/calls/record.ts'
import { createRecorder } from '../../../shared/calls/recorder.ts'
import { openDatabase, type Database } from '../../../shared/database/database.ts'
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

function recordOf({ id, user }: Tenant) {
  return markOf(
    {
      id: newId(),
      aspect: { path: 'void.entropy.manifest', category: 'P', effects: [] },
      function: 'void-entropy',
      tenant: id,
      user,
      archetype: 'developer',
      outcome: 'success',
      charges: {},
      traceId: '0'.repeat(32),
      traceparent: '',
      startedAt: Date.now(),
    },
    randomBytes(32).toString('base64url'),
  )
}

describe('the recorder', () => {
  test('writes the marks of several tenants in one commit, each in its own context', async ({
    newTenant,
    owner,
    database,
  }) => {
    const tenants = [await newTenant(), await newTenant(), await newTenant()]
    const recorder = createRecorder(database, silent, NEVER_MS)
    for (const tenant of [...tenants, ...tenants]) {
      const { mark, event } = recordOf(tenant)
      recorder.record(mark, event)
    }
    await recorder.flush()
    const ids = tenants.map(({ id }) => id)
    const marks = await owner<Mark[]>`select tenant_id, xmin::text from marks where tenant_id = any(${ids})`
    expect(marks.map((mark) => mark.tenant_id).sort()).toEqual([...ids, ...ids].sort())
    expect(await owner`select distinct xid::text from outbox where tenant_id = any(${ids})`).toHaveLength(1)
  })

  test("loses one tenant's impossible mark, and nobody else's", async ({ newTenant, owner, database }) => {
    const [good, bad] = [await newTenant(), await newTenant()]
    const recorder = createRecorder(database, silent, NEVER_MS)
    const { mark, event } = recordOf(bad)
    recorder.record({ ...mark, category: 'there is no such category' }, event)
    const kept = recordOf(good)
    recorder.record(kept.mark, kept.event)
    await recorder.flush()
    const ids = [good.id, bad.id]
    expect(await owner`select tenant_id from marks where tenant_id = any(${ids})`).toEqual([
      { tenant_id: good.id },
    ])
  })

  test("refuses a tenant's event in another tenant's row", async ({ newTenant, owner, database }) => {
    const [acme, globex] = [await newTenant(), await newTenant()]
    const recorder = createRecorder(database, silent, NEVER_MS)
    recorder.record(recordOf(acme).mark, recordOf(globex).event)
    await recorder.flush()
    const ids = [acme.id, globex.id]
    expect(await owner`select from marks where tenant_id = any(${ids})`).toHaveLength(0)
    expect(await owner`select from outbox where tenant_id = any(${ids})`).toHaveLength(0)
  })
})
