/** The audit: what is written into it, and that nobody can change it unseen. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { verifyAudit } from '../../../functions/control/audit/verify.ts'
import { testWithHolders, type Person } from './holders.ts'

interface Page {
  tenant: string
  records: { record: string; previous: string; hash: string }[]
  next_after: number | null
}

const test = testWithHolders().extend<{
  /** The public keys, as anybody can get them. */
  keys: object
  /** The whole audit of a tenant in pages of some size. */
  copyOf(person: Person, limit?: number): Promise<Page[]>
  headOf(person: Person): Promise<object>
}>({
  keys: async ({ opened }, use) => {
    const response = await opened.app.request('/.well-known/jwks.json')
    await use((await response.json()) as object)
  },
  copyOf: async ({}, use) =>
    use(async (person, limit = 1000) => {
      const pages: Page[] = []
      for (let after: number | null = 0; after !== null; after = pages.at(-1)?.next_after ?? null)
        pages.push((await person.calls('GET', `/v1/audit/export?after=${after}&limit=${limit}`)).body)
      return pages
    }),
  headOf: async ({}, use) => use(async (person) => (await person.calls('GET', '/v1/audit/head')).body),
})

const makeKey = (person: Person, name = 'x') => person.calls('POST', '/v1/api-keys', { name })

describe('a record', () => {
  test('says who did what to what, by which key and from where', async ({ admin, expect }) => {
    const headers = { 'x-real-ip': '203.0.113.7', 'x-forwarded-for': '198.51.100.1, 203.0.113.7' }
    const { body: made } = await admin.calls('POST', '/v1/api-keys', { name: 'Ada’s' }, headers)
    const { id, prefix } = made.api_key
    await admin.calls('DELETE', `/v1/api-keys/${id}`, undefined, { 'x-real-ip': 'nowhere' })
    const { body } = await admin.calls('GET', '/v1/audit')
    expect(body.audit).toMatchObject([
      { seq: 2, action: 'api_key.revoked', target: id, actor: { user: admin.user } },
      {
        seq: 1,
        action: 'api_key.created',
        target: id,
        actor: { user: admin.user, roles: ['admin'], key: expect.any(String), address: '203.0.113.7' },
        details: { name: 'Ada’s', prefix },
        at: expect.stringMatching(/Z$/),
      },
    ])
    expect(body.audit[0].actor.address).toBeUndefined()
  })

  test('is found by action, actor, target and time, in pages', async ({ admin, expect }) => {
    for (const name of ['a', 'b', 'c']) await makeKey(admin, name)
    const names = async (query: string) => {
      const { body } = await admin.calls('GET', `/v1/audit?${query}`)
      return body.audit.map((each: { details: { name: string } }) => each.details.name)
    }
    const { body: first } = await admin.calls('GET', '/v1/audit?limit=2')
    expect(await names(`limit=2&cursor=${first.next_cursor}`)).toEqual(['a'])
    expect(await names(`target=${first.audit[1].target}`)).toEqual(['b'])
    expect(await names('action=api_key.created&limit=1')).toEqual(['c'])
    expect(await names('action=member.removed')).toEqual([])
    expect(await names(`actor=${admin.user}`)).toHaveLength(3)
    expect(await names(`since=${first.audit[1].at}&until=${first.audit[0].at}`)).toEqual(['b'])
    for (const query of ['action=nothing', 'actor=me', 'since=yesterday', 'cursor=x', 'limit=0'])
      expect((await admin.calls('GET', `/v1/audit?${query}`)).status, query).toBe(400)
  })

  test('is written with its change, or not at all', async ({ admin, owner, expect }) => {
    await makeKey(admin)
    expect((await admin.calls('POST', '/v1/invitations', { email: 'a@b.c', roles: ['admin'] })).status).toBe(
      400,
    )
    expect((await admin.calls('DELETE', `/v1/members/${admin.user}`)).status).toBe(409)
    await makeKey(admin)
    const rows = await owner<
      { seq: number }[]
    >`select seq::int from audit where tenant_id = ${admin.id} order by seq`
    expect(rows.map(({ seq }) => seq)).toEqual([1, 2])
  })

  test('is for admins of its tenant', async ({ admin, colleague, newTenant, withTokenOf, expect }) => {
    const { body } = await makeKey(admin)
    const globex = await newTenant('enterprise', ['admin'])
    for (const path of ['/v1/audit', '/v1/audit/export', '/v1/audit/head']) {
      expect((await (await colleague()).calls('GET', path)).status).toBe(403)
      expect((await (await withTokenOf(body.key, 'api_key:read')).calls('GET', path)).status).toBe(403)
      expect(JSON.stringify((await globex.calls('GET', path)).body)).not.toContain(admin.id)
    }
  })
})

describe('a copy', () => {
  test('of changes that came at once is a chain without gaps, up to the signed head', async ({
    admin,
    copyOf,
    headOf,
    keys,
    expect,
  }) => {
    await Promise.all(Array.from({ length: 15 }, (_, at) => makeKey(admin, `key ${at} “ü” \\ "x"`)))
    const pages = await copyOf(admin, 4)
    expect(pages).toHaveLength(4)
    expect(verifyAudit([keys, await headOf(admin), ...pages.toReversed()])).toBe(
      `Records 1 to 15 of tenant ${admin.id}: unchanged, up to the head of record 15`,
    )
  })

  test.for<[string, (records: Page['records'], page: Page) => void, RegExp]>([
    [
      'a record was changed',
      ([, second]) => second && (second.record = second.record.replace('"b"', '"B"')),
      /Record 2 was changed/,
    ],
    [
      'a record was changed and hashed anew',
      ([, second]) => second && (second.hash = 'ab'.repeat(32)),
      /Record 2 was changed/,
    ],
    ['a record was removed', (records) => records.splice(1, 1), /Record 2 is missing/],
    ['the last record was removed', (records) => records.pop(), /Record 3 is missing, which was the last/],
    ['a record is there twice', (records) => records.push(...records.slice(0, 1)), /Record 1 is there twice/],
    [
      'it was given to another tenant',
      (_, page) => (page.tenant = '019a0000-0000-7000-8000-000000000000'),
      /several tenants/,
    ],
  ])('where %s is found out', async ([, change, why], { admin, copyOf, headOf, keys, expect }) => {
    for (const name of ['a', 'b', 'c']) await makeKey(admin, name)
    const [page] = await copyOf(admin)
    if (page === undefined) throw new Error('There is no page')
    const head = await headOf(admin)
    expect(verifyAudit([keys, head, page])).toContain('unchanged')
    change(page.records, page)
    expect(() => verifyAudit([keys, head, page])).toThrow(why)
  })

  test('whose head was not signed by the platform is found out', async ({ admin, headOf, keys, expect }) => {
    await makeKey(admin)
    const head = (await headOf(admin)) as { statement: string; seq: number }
    const [header, payload = '', signature] = head.statement.split('.')
    const forged = Buffer.from(payload, 'base64url').toString().replace('"seq":1', '"seq":9')
    const statement = [header, Buffer.from(forged).toString('base64url'), signature].join('.')
    expect(() => verifyAudit([keys, { ...head, seq: 9, statement }])).toThrow(
      /signature of the head does not fit/,
    )
    expect(() => verifyAudit([keys, { ...head, seq: 9 }])).toThrow(/not what its statement says/)
    expect(() => verifyAudit([head])).toThrow(/not among those given/)
  })

  test('is verified by a program that needs nothing else', async ({
    admin,
    copyOf,
    headOf,
    keys,
    expect,
  }) => {
    await makeKey(admin)
    const folder = mkdtempSync(join(tmpdir(), 'audit-'))
    try {
      const answers = { export: (await copyOf(admin))[0], head: await headOf(admin), keys }
      const files = Object.entries(answers).map(([name, answer]) => {
        const file = join(folder, `${name}.json`)
        writeFileSync(file, JSON.stringify(answer))
        return file
      })
      const program = 'functions/control/audit/verify.ts'
      const good = spawnSync(process.execPath, [program, ...files], { encoding: 'utf8' })
      expect(good.stdout).toBe(
        `Records 1 to 1 of tenant ${admin.id}: unchanged, up to the head of record 1\n`,
      )
      const bad = spawnSync(process.execPath, [program, ...files.slice(0, 2)], { encoding: 'utf8' })
      expect({ status: bad.status, stdout: bad.stdout }).toEqual({ status: 1, stdout: '' })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('is no credential: the signed head opens nothing', async ({ admin, headOf, withToken, expect }) => {
    const { statement } = (await headOf(admin)) as { statement: string }
    expect((await withToken(statement).calls('GET', '/v1/jobs')).status).toBe(401)
  })
})

describe('the database', () => {
  test('lets nobody change a record, whatever the grants say', async ({ admin, owner, expect }) => {
    await makeKey(admin)
    for (const statement of [
      `update audit set record = '{}' where tenant_id = '${admin.id}'`,
      `delete from audit where tenant_id = '${admin.id}'`,
      'truncate audit',
    ])
      await expect(owner.unsafe(statement)).rejects.toThrow(/neither changed nor removed/)
  })

  test('removes the oldest records when the plan says so, and what is left can be verified', async ({
    newTenant,
    copyOf,
    headOf,
    keys,
    owner,
    expect,
  }) => {
    const tenant = await newTenant('starter', ['admin'])
    for (const name of ['a', 'b', 'c']) await makeKey(tenant, name)
    const left = await owner
      .begin(async (db) => {
        await db`set local role kgents_relay`
        await db`select delete_old_audit(1000)`
        await db`reset role`
        const [kept] = await db`select count(*)::int as kept from audit where tenant_id = ${tenant.id}`
        await db`
          insert into plans (id, version, name, limits, features, made_for)
          select id, 1_000_000, name, limits || '{"auditDays": 0}', features, ${tenant.id} from plans
          where id = 'starter' and version = 1`
        await db`update tenants set plan_version = 1_000_000 where id = ${tenant.id}`
        await db`set local role kgents_relay`
        await db`select delete_old_audit(1000)`
        await db`reset role`
        const [gone] = await db`select count(*)::int as kept from audit where tenant_id = ${tenant.id}`
        throw new Undone([kept?.['kept'], gone?.['kept']])
      })
      .catch((error: unknown) => (error as Undone).counts)
    expect(left).toEqual([3, 0])
    const [page] = await copyOf(tenant)
    const without = { ...page, records: page?.records.slice(1) }
    expect(verifyAudit([keys, await headOf(tenant), without])).toContain('Records 2 to 3')
  })
})

/** Other tests use the same database. */
class Undone extends Error {
  readonly counts: unknown[]

  constructor(counts: unknown[]) {
    super('undone')
    this.counts = counts
  }
}
