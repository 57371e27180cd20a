/** What every operation of the catalog promises about tenants and roles, whoever wrote it: it gets these tests by being there. */
import { describe } from 'vitest'
import { ROLES } from '../../../shared/identity/permissions.ts'
import { changedTables, digestTenant } from '../laws/tenant-rows.ts'
import { OPERATIONS, requestFor } from './examples.ts'
import { testWithHolders, type Person } from './holders.ts'
import type { Tenant } from './world.ts'

const test = testWithHolders()

const CREDITED = OPERATIONS.filter(({ auth }) => auth === 'required' || auth === 'api-key')
/** Those that are about a thing which is there, and not about one that the caller names. */
const NAMING = CREDITED.filter(
  ({ method, path }) => path.includes('/:') && !(method === 'PUT' && path.endsWith('/:name')),
)
const OPERATORS_ONLY = CREDITED.filter(({ permission }) => permission === 'platform:operate')
/** An operation that is for admins, and what its answer may be to somebody else. */
const ADMINS_ONLY = CREDITED.filter(({ permission }) => permission === 'tenant:admin')

/** One of each thing that a tenant's admin can make by an operation. */
async function makeThings(admin: Person): Promise<void> {
  for (const endpoint of CREDITED) {
    if (endpoint.method !== 'POST' || endpoint.path.includes('/:')) continue
    if (endpoint.permission === 'platform:operate' || endpoint.examples.length === 0) continue
    await admin.calls(...requestFor(endpoint))
  }
}

describe('operations', () => {
  test('answer nothing of another tenant, and change nothing of it, whatever id they are given', async ({
    admin,
    newTenant,
    owner,
    runtime,
    expect,
  }) => {
    await makeThings(admin)
    await runtime.recorder.flush()
    const ids = await idsOf(admin, owner)
    expect(ids.length).toBeGreaterThan(8)
    const before = await digestTenant(owner, admin.id)
    const globex = await newTenant('enterprise', ['admin'])
    // Models are everybody's.
    for (const endpoint of NAMING.filter(({ name }) => name !== 'models.get')) {
      for (const id of ids) {
        const [method, url, body, headers] = requestFor(endpoint)
        const named = url.replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, id)
        const answer = await globex.calls(method, named, body, headers)
        const what = `${endpoint.name} ${answer.status} ${JSON.stringify(answer.body)}`
        expect(answer.status, what).toBeGreaterThanOrEqual(400)
        expect(answer.status, what).toBeLessThan(500)
      }
    }
    const changed = changedTables(before, await digestTenant(owner, admin.id))
    // Ticks of other tests write its export.
    expect(changed.filter((name) => !name.startsWith('export'))).toEqual([])
  })

  test('list nothing of another tenant', async ({ admin, newTenant, owner, runtime, expect }) => {
    await makeThings(admin)
    await runtime.recorder.flush()
    const ids = await idsOf(admin, owner)
    const globex = await newTenant('enterprise', ['admin'])
    for (const endpoint of CREDITED.filter(({ method, path }) => method === 'GET' && !path.includes('/:'))) {
      const [method, url] = requestFor(endpoint)
      const text = JSON.stringify((await globex.calls(method, url)).body ?? '')
      expect(
        ids.filter((id) => text.includes(id)),
        endpoint.name,
      ).toEqual([])
    }
  })

  test.for(ROLES.filter((role) => role !== 'super_admin'))(
    'of operators are missing a permission to a tenant’s %s, and change nothing',
    async (role, { newTenant, owner, admin, expect }) => {
      const tenant = await newTenant('enterprise', [role])
      const before = await digestTenant(owner, admin.id)
      for (const endpoint of OPERATORS_ONLY) {
        const [method, url, body] = requestFor(endpoint)
        const named = url.replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, admin.id)
        const answer = await tenant.calls(method, named, body)
        expect(answer, endpoint.name).toMatchObject({
          status: 403,
          body: { code: 'SCOPE_MISSING', details: { permission: 'platform:operate' } },
        })
      }
      expect(changedTables(before, await digestTenant(owner, admin.id))).toEqual([])
      const [row] = await owner`select suspended_at from tenants where id = ${admin.id}`
      expect(row).toEqual({ suspended_at: null })
    },
  )

  test.for(['viewer', 'developer'])(
    'of admins are missing a permission to a %s',
    async (role, { newTenant, expect }) => {
      const tenant = await newTenant('enterprise', [role])
      for (const endpoint of ADMINS_ONLY) {
        const answer = await tenant.calls(...requestFor(endpoint))
        expect(answer.status, endpoint.name).toBe(403)
        expect(JSON.stringify(answer.body), endpoint.name).toMatch(
          /"permission":"tenant:admin"|tenant:admin\\" is missing/,
        )
      }
    },
  )

  test('are there for operators and for admins', ({ expect }) => {
    expect(OPERATORS_ONLY.map(({ path }) => path).every((path) => path.startsWith('/v1/operator/'))).toBe(
      true,
    )
    expect(CREDITED.filter(({ path }) => path.startsWith('/v1/operator/'))).toHaveLength(
      OPERATORS_ONLY.length,
    )
    expect(ADMINS_ONLY.length).toBeGreaterThan(8)
  })
})

/** Ids of the rows of a tenant, whatever they are. */
async function idsOf({ id: tenant }: Tenant, owner: Parameters<typeof digestTenant>[0]): Promise<string[]> {
  const tables = await owner<{ name: string }[]>`
    select a.table_name as name from information_schema.columns a
    join information_schema.columns b using (table_schema, table_name)
    where table_schema = 'public' and a.column_name = 'id' and a.data_type = 'uuid' and b.column_name = 'tenant_id'`
  const found: string[] = [tenant]
  for (const { name } of tables) {
    if (['marks', 'outbox'].includes(name)) continue
    const rows = await owner<
      { id: string }[]
    >`select id from ${owner(name)} where tenant_id = ${tenant} limit 2`
    found.push(...rows.map(({ id }) => id))
  }
  return found
}
