/** What belongs to one tenant, tried by others on every operation of the catalog: an operation gets these tests by being there. */
import type { Sql } from 'postgres'
import { describe, expect } from 'vitest'
import { takesBody } from '../../../shared/contract/facts.ts'
import type { Endpoint } from '../../../shared/contract/function.ts'
import { ROLES, type Role } from '../../../shared/identity/permissions.ts'
import { call } from './in-process.ts'
import { ASPECTS, OPERATIONS, requestFor, runExample } from './examples.ts'
import { inOwnDatabase, testWith, type Tenant, type World } from './world.ts'

/** In a database of its own: ticks of other files would change what the victim has. */
const test = testWith([], {}, inOwnDatabase)

const FOR_OPERATORS = OPERATIONS.filter(({ permission }) => permission === 'platform:operate')
const OWN = OPERATIONS.filter(
  ({ auth, permission }) => auth === 'required' && permission !== 'platform:operate',
)
/** Those that name a thing in their URL. */
const ABOUT_ONE = OWN.filter(({ path }) => path.includes(':'))
/** Whoever calls them names a thing of its own, and may name it as another tenant's is: they may go well, and say that name. */
const NAMED_BY_CALLER = new Set(['sso-providers.set', 'sso-providers.remove'])
const LISTS = OWN.filter(({ method, path }) => method === 'GET' && !path.includes(':'))
/** Their answer is a stream without an end. */
const STREAMS = new Set(['subscribe'])

/** Tables with rows of tenants, each with the columns that hold its ids. */
async function tablesOf(owner: Sql): Promise<{ table: string; ids: string[] }[]> {
  return owner`
    select c.relname as table, (
      select coalesce(json_agg(a.attname), '[]') from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and a.atttypid = 'uuid'::regtype and a.attname in ('id', 'job_id', 'user_id')
    ) as ids
    from pg_class c join pg_attribute t on t.attrelid = c.oid and t.attname = 'tenant_id' and not t.attisdropped
    where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace
    order by 1`
}

interface Known {
  table: string
  id: string
}

/** An id from each column of ids in each table that has rows of the tenant. */
async function idsOf(owner: Sql, { id }: Tenant): Promise<Known[]> {
  const found = await Promise.all(
    (await tablesOf(owner)).flatMap(({ table, ids }) =>
      ids.map(
        (column) => owner<Known[]>`
          select ${table} as table, ${owner(column)}::text as id from ${owner(table)}
          where tenant_id = ${id} and ${owner(column)} is not null limit 1`,
      ),
    ),
  )
  return [...new Map(found.flat().map((each) => [each.id, each])).values()]
}

/** Those of the table that the URL is named after; all, where there is none. */
function idsFor({ path }: Endpoint, ids: Known[]): Known[] {
  const [, named = ''] = /([\w-]+)\/:/.exec(path) ?? []
  const own = ids.filter(({ table }) => table === named.replaceAll('-', '_').toLowerCase())
  return own.length > 0 ? own : ids
}

/** Sums of the rest, which tests of metering bring up to date for every tenant. */
const SUMS = /^(usage_|storage_samples)/

/** All that is stored of a tenant, as one text for each table. */
async function rowsOf(owner: Sql, { id }: Tenant): Promise<Record<string, string>> {
  const rows = await Promise.all(
    (await tablesOf(owner))
      .filter(({ table }) => !SUMS.test(table))
      .map(async ({ table }) => {
        const [row] = await owner<[{ hash: string }]>`
        select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as hash
        from ${owner(table)} t where t.tenant_id = ${id}`
        return [table, row.hash]
      }),
  )
  return Object.fromEntries(rows) as Record<string, string>
}

/** Makes something by every path and operation that can make something. */
async function fill(tenant: Tenant, settles: World['settles']): Promise<void> {
  for (const known of ASPECTS.filter(({ aspect }) => 'MGE'.includes(aspect.category))) {
    const [example] = known.endpoint.examples
    if (example !== undefined) await runExample(known, example, tenant, settles).catch(() => {}) // one may need what another has removed
  }
  for (const endpoint of OWN.filter(({ method, path }) => method === 'POST' && !path.includes(':')))
    await tenant.calls(...requestFor(endpoint))
  await settles(tenant)
}

/** The request that names `id` wherever its URL names a thing. */
function requestAbout(endpoint: Endpoint, id: string): Parameters<Tenant['calls']> {
  const [method, , body, headers] = requestFor(endpoint)
  return [
    method,
    endpoint.path.replaceAll(/:\w+/g, id),
    takesBody(endpoint) ? body : undefined,
    headers ?? {},
  ]
}

describe('another tenant', () => {
  test('reaches nothing by its id, and changes nothing, with all roles', async ({
    newTenant,
    owner,
    settles,
  }) => {
    const victim = await newTenant('enterprise', ['admin'])
    await fill(victim, settles)
    const ids = await idsOf(owner, victim)
    expect(ids.length).toBeGreaterThan(20)
    const before = await rowsOf(owner, victim)
    const reached: string[] = []
    const attacker = await newTenant('enterprise', [...ROLES])
    for (const endpoint of ABOUT_ONE) {
      for (const { id } of idsFor(endpoint, ids)) {
        const { status, body } = await attacker.calls(...requestAbout(endpoint, id))
        const told = JSON.stringify(body).replaceAll(id, '')
        if (NAMED_BY_CALLER.has(endpoint.name)) continue
        if (status < 400 || ids.some((each) => told.includes(each.id)))
          reached.push(`${endpoint.name} ${status} ${told}`)
      }
    }
    expect(reached).toEqual([])
    expect(await rowsOf(owner, victim)).toEqual(before)
  })

  test('sees nothing of it in any list', async ({ newTenant, owner, settles }) => {
    const victim = await newTenant('enterprise', ['admin'])
    await fill(victim, settles)
    const ids = [victim.id, ...(await idsOf(owner, victim)).map((each) => each.id)]
    const attacker = await newTenant('enterprise', ['admin'])
    for (const endpoint of LISTS.filter(({ name }) => !STREAMS.has(name))) {
      const { body } = await attacker.calls(...requestFor(endpoint))
      const text = JSON.stringify(body)
      expect(
        ids.filter((id) => text.includes(id)),
        endpoint.name,
      ).toEqual([])
    }
  })
})

describe("the operators' operations", () => {
  const refused: Role[] = ROLES.filter((role) => role !== 'super_admin')

  test.for(FOR_OPERATORS)('$name is refused to everybody else', async (endpoint, { newTenant, opened }) => {
    for (const role of refused) {
      const tenant = await newTenant('enterprise', [role])
      const { status, body } = await tenant.calls(...requestFor(endpoint))
      expect({ status, code: body.code }, role).toEqual({ status: 403, code: 'SCOPE_MISSING' })
    }
    const { status } = await call(opened.app, '', ...requestFor(endpoint))
    expect(status).toBe(401)
  })
})
