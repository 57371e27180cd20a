/** API keys: what they allow, and when they end. */
import { describe } from 'vitest'
import { testWithHolders, type Person } from './holders.ts'

const MANIFEST = '/v1/agentese/void/entropy/manifest'

const test = testWithHolders()

async function make(person: Person, wanted: object = {}): Promise<{ id: string; key: string }> {
  const { status, body } = await person.calls('POST', '/v1/api-keys', { name: 'test', ...wanted })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return { id: body.api_key.id, key: body.key }
}

const works = async (person: Person) => (await person.calls('POST', MANIFEST, {})).status

describe('POST /v1/api-keys', () => {
  test('shows the key once, and stores nothing that it could be derived from', async ({
    admin,
    withKey,
    owner,
    expect,
  }) => {
    const { id, key } = await make(admin)
    expect(await works(withKey(key))).toBe(200)
    const { body } = await admin.calls('GET', `/v1/api-keys/${id}`)
    expect(body.api_key).toMatchObject({
      id,
      prefix: key.slice(0, 8),
      owner: { kind: 'person', id: admin.user },
    })
    const secret = key.slice(9)
    const rows = await owner`select to_jsonb(k) as row from api_keys k where id = ${id}`
    const audit = await owner`select record from audit where tenant_id = ${admin.id}`
    expect(JSON.stringify([body, rows, audit])).not.toContain(secret)
  })

  test('shows it to no repetition under the same Idempotency-Key', async ({ admin, owner, expect }) => {
    const again = () => admin.calls('POST', '/v1/api-keys', { name: 'once' }, { 'idempotency-key': 'k' })
    const [first, second] = [await again(), await again()]
    expect(first.body.key).toMatch(/^kg_/)
    expect(second.body).toEqual({ api_key: first.body.api_key })
    const kept = await owner`select answer::text from idempotency_keys where tenant_id = ${admin.id}`
    expect(JSON.stringify(kept)).not.toContain(first.body.key.slice(9))
  })

  test('narrows a key by its scopes, and tokens with it', async ({ admin, withKey, withTokenOf, expect }) => {
    const { key } = await make(admin, { scopes: ['entropy:read'] })
    expect(await works(withKey(key))).toBe(200)
    for (const holder of [withKey(key), await withTokenOf(key), await withTokenOf(key, 'entropy:read')]) {
      const { status, body } = await holder.calls('GET', '/v1/jobs')
      expect({ status, code: body.code }).toEqual({ status: 403, code: 'SCOPE_MISSING' })
    }
    const wider = await withKey(key).calls('POST', '/v1/auth/token', { scope: 'entropy:read job:read' })
    expect(wider).toMatchObject({ status: 403, body: { details: { scopes: ['job:read'] } } })
  })

  test('gives no key more than its maker has', async ({ admin, colleague, withTokenOf, expect }) => {
    const { key } = await make(admin)
    const narrow = await withTokenOf(key, 'api_key:write')
    const wanted = { name: 'x', scopes: ['api_key:write', 'job:read'] }
    expect((await narrow.calls('POST', '/v1/api-keys', wanted)).body.code).toBe('SCOPE_MISSING')
    const inherits = await narrow.calls('POST', '/v1/api-keys', { name: 'x' })
    expect(inherits.body.api_key.scopes).toEqual(['api_key:write'])
    const tenants = await (await colleague()).calls('POST', '/v1/api-keys', { name: 'x', owner: 'tenant' })
    expect(tenants).toMatchObject({ status: 403, body: { details: { permission: 'tenant:admin' } } })
    const operator = { name: 'x', owner: 'tenant', roles: ['super_admin'] }
    expect((await admin.calls('POST', '/v1/api-keys', operator)).status).toBe(400)
  })

  test('gives no key that lasts longer than the one it was made with', async ({
    admin,
    withKey,
    withTokenOf,
    expect,
  }) => {
    const end = '2999-01-01T00:00:00.000Z'
    const { id: lasting } = await make(admin)
    const { id, key } = await make(admin, { expires_at: end })
    for (const holder of [withKey(key), await withTokenOf(key)]) {
      const inherits = await holder.calls('POST', '/v1/api-keys', { name: 'x' })
      expect(inherits.body.api_key.expires_at).toBe(end)
      const later = { name: 'x', expires_at: '2999-01-01T00:00:01Z' }
      const refused = { status: 403, body: { code: 'SCOPE_MISSING', details: { expires_at: end } } }
      expect(await holder.calls('POST', '/v1/api-keys', later)).toMatchObject(refused)
      expect(await holder.calls('POST', `/v1/api-keys/${lasting}/rotate`)).toMatchObject(refused)
    }
    expect((await withKey(key).calls('POST', `/v1/api-keys/${id}/rotate`)).status).toBe(200)
  })

  test.for<[string, object]>([
    ['an end that is over', { expires_at: '2020-01-01T00:00:00Z' }],
    ['an end that no time is', { expires_at: '2030-02-30T00:00:00Z' }],
    ['no name', { name: ' ' }],
    ['a scope that is none', { scopes: ['everything'] }],
    ['no scope at all', { scopes: [] }],
    ['a rate of nothing', { rate_limit_rpm: 0 }],
    ['a rate beyond all bounds', { rate_limit_rpm: 1e12 }],
    ['roles of its own, for a person', { roles: ['viewer'] }],
    ['another owner', { owner: 'globex' }],
    ['a member that it has not', { user_id: '019a0000-0000-7000-8000-000000000000' }],
  ])('refuses %s', async ([, wanted], { admin, owner, expect }) => {
    const { status, body } = await admin.calls('POST', '/v1/api-keys', { name: 'x', ...wanted })
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'TYPE_MISMATCH' })
    expect(await owner`select from audit where tenant_id = ${admin.id}`).toHaveLength(0)
  })

  test('ends with as many keys as a person may have', async ({ colleague, expect }) => {
    const person = await colleague()
    const answers = await Promise.all(
      Array.from({ length: 25 }, () => person.calls('POST', '/v1/api-keys', { name: 'x' })),
    )
    // One it has already.
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(19)
    expect(answers.find(({ status }) => status !== 201)?.body.code).toBe('QUOTA_EXCEEDED')
  })
})

describe('a key of the tenant', () => {
  test('acts with its own roles, and outlives its maker', async ({
    admin,
    withKey,
    owner,
    passTime,
    expect,
  }) => {
    const { id, key } = await make(admin, { owner: 'tenant', roles: ['viewer'] })
    expect((await withKey(key).calls('POST', '/v1/agentese/world/house/define', {})).status).toBe(403)
    await owner`update users set removed_at = now(), email = null where id = ${admin.user}`
    passTime()
    expect(await works(admin)).toBe(401)
    expect(await works(withKey(key))).toBe(200)
    const { body } = await withKey(key).calls('GET', `/v1/api-keys/${id}`)
    expect(body.api_key.owner).toMatchObject({ kind: 'tenant', name: 'test', roles: ['viewer'] })
    const own = await withKey(key).calls('POST', '/v1/api-keys', { name: 'x' })
    expect(own).toMatchObject({ status: 409, body: { code: 'STATE_CONFLICT' } })
  })
})

describe('keys of others', () => {
  test('are there for an admin alone, who revokes them and never learns them', async ({
    admin,
    colleague,
    withKey,
    passTime,
    expect,
  }) => {
    const [person, another] = [await colleague(), await colleague()]
    const { id, key } = await make(person)
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/rotate'],
    ] as const)
      expect((await another.calls(method, `/v1/api-keys/${id}${path}`)).status).toBe(404)
    expect((await another.calls('GET', '/v1/api-keys?all=true')).status).toBe(403)
    expect((await another.calls('GET', '/v1/api-keys')).body.api_keys).toHaveLength(1)
    const { body } = await admin.calls('GET', '/v1/api-keys?all=true')
    expect(body.api_keys.map((each: { id: string }) => each.id)).toContain(id)
    expect((await admin.calls('POST', `/v1/api-keys/${id}/rotate`)).body.code).toBe('AFFORDANCE_DENIED')
    expect((await admin.calls('DELETE', `/v1/api-keys/${id}`)).body.api_key.revoked_at).toBeDefined()
    passTime()
    expect(await works(withKey(key))).toBe(401)
  })

  test('of another tenant are not there', async ({ admin, newTenant, expect }) => {
    const globex = await newTenant('enterprise', ['admin'])
    const { id } = await make(admin)
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['POST', '/rotate'],
    ] as const)
      expect((await globex.calls(method, `/v1/api-keys/${id}${path}`)).status).toBe(404)
    const { body } = await globex.calls('GET', '/v1/api-keys?all=true&revoked=true')
    expect(JSON.stringify(body)).not.toContain(id)
  })
})

describe('a credential that was good a moment ago', () => {
  test('is refused when its key is revoked, the token of that key too', async ({
    admin,
    withKey,
    withTokenOf,
    passTime,
    expect,
  }) => {
    const { id, key } = await make(admin)
    const holders = [withKey(key), await withTokenOf(key)]
    for (const holder of holders) expect(await works(holder)).toBe(200)
    await admin.calls('DELETE', `/v1/api-keys/${id}`)
    passTime()
    for (const holder of holders) {
      const { status, body } = await holder.calls('POST', MANIFEST, {})
      expect({ status, code: body.code }).toEqual({ status: 401, code: 'CREDENTIALS_INVALID' })
    }
    expect(await works(admin)).toBe(200)
    expect((await admin.calls('POST', `/v1/api-keys/${id}/rotate`)).body.code).toBe('STATE_CONFLICT')
  })

  test('is refused when its key has come to its end', async ({
    admin,
    withKey,
    withTokenOf,
    owner,
    passTime,
    expect,
  }) => {
    const { id, key } = await make(admin, { expires_at: '2999-01-01T00:00:00+02:00' })
    const holders = [withKey(key), await withTokenOf(key)]
    await owner`update api_keys set expires_at = now() where id = ${id}`
    passTime()
    expect([await works(holders[0] as Person), await works(holders[1] as Person)]).toEqual([401, 401])
  })

  test('is refused after a rotation, when the overlap is over', async ({
    admin,
    withKey,
    withTokenOf,
    owner,
    passTime,
    expect,
  }) => {
    const { id, key } = await make(admin)
    const before = [withKey(key), await withTokenOf(key)]
    const rotated = await admin.calls('POST', `/v1/api-keys/${id}/rotate`, { overlap_seconds: 600 })
    expect(rotated.body.api_key).toMatchObject({ id, rotation: 1, previous_until: expect.any(String) })
    const after = [withKey(rotated.body.key), await withTokenOf(rotated.body.key)]
    passTime()
    for (const holder of [...before, ...after]) expect(await works(holder)).toBe(200)
    await owner`update api_keys set previous_until = now() where id = ${id}`
    passTime()
    for (const holder of before) expect(await works(holder)).toBe(401)
    for (const holder of after) expect(await works(holder)).toBe(200)
  })

  test('allows no more than its person may do now', async ({
    admin,
    withTokenOf,
    owner,
    passTime,
    expect,
  }) => {
    const { key } = await make(admin)
    const token = await withTokenOf(key)
    expect((await token.calls('GET', '/v1/dead-letters')).status).toBe(200)
    await owner`update users set roles = '{viewer}' where id = ${admin.user}`
    passTime()
    expect((await token.calls('GET', '/v1/dead-letters')).status).toBe(403)
    expect(await works(token)).toBe(200)
  })

  test('says so where its tenant is suspended', async ({ admin, withTokenOf, owner, passTime, expect }) => {
    const token = await withTokenOf((await make(admin)).key)
    await owner`update tenants set suspended_at = now() where id = ${admin.id}`
    passTime()
    for (const holder of [admin, token]) {
      const { status, body } = await holder.calls('POST', MANIFEST, {})
      expect({ status, code: body.code }).toEqual({ status: 403, code: 'TENANT_SUSPENDED' })
    }
    await owner`update tenants set suspended_at = null where id = ${admin.id}`
    passTime()
    expect([await works(admin), await works(token)]).toEqual([200, 200])
  })
})

describe('the use of a key', () => {
  test('is noted, and written once a minute at most', async ({ admin, withKey, owner, runtime, expect }) => {
    const { id, key } = await make(admin)
    const row = async () => (await owner`select last_used_at, xmin::text from api_keys where id = ${id}`)[0]
    expect((await row())?.['last_used_at']).toBeNull()
    for (let time = 0; time < 3; time += 1) await works(withKey(key))
    await runtime.database.sql`select note_key_uses(${runtime.database.sql.json([id])})`
    const noted = await row()
    expect(noted?.['last_used_at']).toBeInstanceOf(Date)
    await runtime.database.sql`select note_key_uses(${runtime.database.sql.json([id])})`
    expect(await row()).toEqual(noted)
    expect((await admin.calls('GET', `/v1/api-keys/${id}`)).body.api_key.last_used_at).toBeDefined()
  })

  test('is limited to its own rate, which leaves the others theirs', async ({
    admin,
    withKey,
    withTokenOf,
    expect,
  }) => {
    const { key } = await make(admin, { rate_limit_rpm: 6 })
    expect(await works(withKey(key))).toBe(200)
    const refused = await withKey(key).calls('POST', MANIFEST, {})
    expect(refused).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } })
    expect(refused.headers.get('ratelimit-limit')).toBe('6')
    expect(await works(admin)).toBe(200)
    const other = await make(admin)
    expect(await works(await withTokenOf(other.key))).toBe(200)
  })
})
