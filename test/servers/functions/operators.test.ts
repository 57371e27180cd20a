/** Operators of the platform: what they do across tenants, and that nobody else does. */
import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import { verifyAudit } from '../../../functions/control/audit/verify.ts'
import { testWithHolders, type Person } from './holders.ts'
import { insertTenant, type Tenant } from './world.ts'

const MANIFEST = '/v1/agentese/void/entropy/manifest'
const TENANTS = '/v1/operator/tenants'
const OPERATORS = '/v1/operator/operators'

const test = testWithHolders().extend<{
  /** An operator, in a tenant of its own. */
  operator: Tenant
}>({
  operator: async ({ newTenant }, use) => use(await newTenant('enterprise', ['super_admin', 'admin'])),
})

const newSlug = () => `s-${randomUUID()}`

const wanted = (slug = newSlug()) => ({
  slug,
  name: 'Initech',
  tier: 'starter',
  admin_email: 'Bill@Initech.example',
})

const works = async (person: Person) => (await person.calls('POST', MANIFEST, {})).status

describe('POST /v1/operator/tenants', () => {
  test('makes a tenant whose first admin comes in by the token', async ({
    operator,
    withKey,
    withToken,
    expect,
  }) => {
    const { status, body } = await operator.calls('POST', TENANTS, wanted())
    expect({ status, tenant: body.tenant }).toMatchObject({
      status: 201,
      tenant: { tier: 'starter', people: 0 },
    })
    const bill = { email: 'bill@initech.example', name: 'Bill' }
    const joined = await withToken(body.token).calls('POST', '/v1/invitations/accept', bill)
    expect(joined.body.member).toMatchObject({ id: body.invitation, roles: ['admin', 'developer'] })
    const admin = withKey(joined.body.key)
    expect((await admin.calls('GET', '/v1/tenant')).body.tenant).toMatchObject({
      id: body.tenant.id,
      used: { seats: 1 },
    })
    expect((await admin.calls('GET', '/v1/audit')).body.audit).toMatchObject([
      { seq: 2, action: 'invitation.accepted' },
      { seq: 1, action: 'tenant.created', actor: { user: null, operator: true } },
    ])
    const [own] = (await operator.calls('GET', '/v1/audit')).body.audit
    expect(own).toMatchObject({
      action: 'tenant.created',
      target: body.tenant.id,
      actor: { user: operator.user },
    })
  })

  test('shows the token to no repetition, and writes it down nowhere', async ({
    operator,
    owner,
    expect,
  }) => {
    const input = wanted()
    const make = () => operator.calls('POST', TENANTS, input, { 'idempotency-key': 'k' })
    const [first, second] = [await make(), await make()]
    expect(second.body).toEqual({ tenant: first.body.tenant, invitation: first.body.invitation })
    const rows = await owner`
      select answer::text as row from idempotency_keys where tenant_id = ${operator.id}
      union all select record from audit where tenant_id in (${operator.id}, ${first.body.tenant.id})
      union all select to_jsonb(i)::text from invitations i where tenant_id = ${first.body.tenant.id}`
    expect(JSON.stringify(rows)).not.toContain(first.body.token.slice(4))
  })

  test.for<[string, object]>([
    ['a slug of capitals', { slug: 'Initech' }],
    ['a slug that is too long', { slug: 'x'.repeat(64) }],
    ['no name', { name: '' }],
    ['a plan that there is not', { tier: 'platinum' }],
    ['no address', { admin_email: 'bill' }],
    ['a status', { status: 'canceled' }],
  ])('refuses %s', async ([, change], { operator, expect }) => {
    const { status, body } = await operator.calls('POST', TENANTS, { ...wanted(), ...change })
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'TYPE_MISMATCH' })
  })

  test('makes no second tenant of a slug, however many come at once', async ({ operator, owner, expect }) => {
    const input = wanted()
    const answers = await Promise.all([1, 2, 3].map(() => operator.calls('POST', TENANTS, input)))
    expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['201', '409', '409'])
    expect(await owner`select from tenants where slug = ${input.slug}`).toHaveLength(1)
  })
})

describe('a suspended tenant', () => {
  test('is refused with all its credentials, and comes back as it was', async ({
    operator,
    admin,
    withTokenOf,
    passTime,
    expect,
  }) => {
    const { body } = await admin.calls('POST', '/v1/api-keys', { name: 'x', owner: 'tenant' })
    const holders = [admin, await withTokenOf(body.key)]
    for (const holder of holders) expect(await works(holder)).toBe(200)
    const suspended = await operator.calls('POST', `${TENANTS}/${admin.id}/suspend`, {
      reason: 'It mines coins',
    })
    expect(suspended.body.tenant).toMatchObject({
      suspended_reason: 'It mines coins',
      suspended_at: expect.any(String),
    })
    passTime()
    for (const holder of holders)
      expect(await holder.calls('POST', MANIFEST, {})).toMatchObject({
        status: 403,
        body: { code: 'TENANT_SUSPENDED' },
      })
    expect((await operator.calls('POST', `${TENANTS}/${admin.id}/suspend`, { reason: 'x' })).status).toBe(409)
    const resumed = await operator.calls('POST', `${TENANTS}/${admin.id}/resume`)
    expect(resumed.body.tenant.suspended_at).toBeUndefined()
    passTime()
    for (const holder of holders) expect(await works(holder)).toBe(200)
    const { body: audit } = await admin.calls('GET', '/v1/audit')
    expect(audit.audit).toMatchObject([
      { action: 'tenant.resumed' },
      {
        action: 'tenant.suspended',
        details: { reason: 'It mines coins' },
        actor: { user: null, operator: true },
      },
      { action: 'api_key.created' },
    ])
  })

  test('has its schedules waiting, also one that was under way', async ({
    operator,
    admin,
    owner,
    settles,
    ticks,
    expect,
  }) => {
    const defer = { path: 'void.entropy.sip', delay: 3600 }
    const { body } = await admin.calls('POST', '/v1/agentese/time/schedule/defer', defer)
    const { id } = body.result
    const status = async () => (await owner`select status from schedules where id = ${id}`)[0]?.['status']
    await owner`update schedules set due_at = now() - interval '1 second' where id = ${id}`
    await ticks()
    expect(await status()).toBe('running')
    await operator.calls('POST', `${TENANTS}/${admin.id}/suspend`, { reason: 'x' })
    await settles(admin)
    expect(await status()).toBe('pending')
    await ticks()
    expect(await status()).toBe('pending')
    await operator.calls('POST', `${TENANTS}/${admin.id}/resume`)
    await ticks()
    await settles(admin)
    expect(await status()).toBe('executed')
  })

  test('is not the one of the operators themselves', async ({ operator, expect }) => {
    const own = await operator.calls('POST', `${TENANTS}/${operator.id}/suspend`, { reason: 'x' })
    expect(own).toMatchObject({ status: 409, body: { code: 'STATE_CONFLICT' } })
    const unknown = await operator.calls('POST', `${TENANTS}/${randomUUID()}/suspend`, { reason: 'x' })
    expect(unknown.status).toBe(404)
    expect((await operator.calls('POST', `${TENANTS}/${operator.id}/suspend`, {})).status).toBe(400)
  })
})

describe('GET /v1/operator/tenants', () => {
  test('lists all in pages, by the beginning of slugs, plan and standing', async ({ operator, expect }) => {
    const prefix = newSlug().slice(0, 30)
    for (const end of ['b', 'a', 'c']) await operator.calls('POST', TENANTS, wanted(`${prefix}-${end}`))
    const slugs = async (query: string) => {
      const { body } = await operator.calls('GET', `${TENANTS}?slug=${prefix}&${query}`)
      return { slugs: body.tenants.map((each: { slug: string }) => each.slug.at(-1)), next: body.next_cursor }
    }
    const first = await slugs('limit=2')
    expect(first.slugs).toEqual(['a', 'b'])
    expect(await slugs(`limit=2&cursor=${first.next}`)).toEqual({ slugs: ['c'], next: null })
    expect((await slugs('tier=pro')).slugs).toEqual([])
    expect((await slugs('suspended=true')).slugs).toEqual([])
    expect((await slugs('suspended=false')).slugs).toHaveLength(3)
    for (const query of ['tier=gold', 'suspended=perhaps', 'cursor=x'])
      expect((await operator.calls('GET', `${TENANTS}?${query}`)).status).toBe(400)
  })
})

describe('operators', () => {
  test('are appointed and dismissed by each other, in their own tenant; the last one stays', async ({
    operator,
    admin,
    owner,
    passTime,
    withKey,
    expect,
  }) => {
    const { body } = await operator.calls('POST', '/v1/invitations', { email: 'o@p.example' })
    const joined = await withKey('').calls(
      'POST',
      '/v1/invitations/accept',
      { email: 'o@p.example', name: 'O' },
      { authorization: `Bearer ${body.token}` },
    )
    const colleague = withKey(joined.body.key)
    const { id } = joined.body.member
    expect((await colleague.calls('GET', TENANTS)).status).toBe(403)
    expect((await operator.calls('POST', OPERATORS, { member: id })).body.operator.roles).toContain(
      'super_admin',
    )
    expect((await operator.calls('POST', OPERATORS, { member: id })).status).toBe(409)
    // Nobody of another tenant.
    expect((await operator.calls('POST', OPERATORS, { member: admin.user })).status).toBe(404)
    passTime()
    expect((await colleague.calls('GET', OPERATORS)).body.operators).toHaveLength(2)
    expect((await colleague.calls('DELETE', `${OPERATORS}/${operator.user}`)).status).toBe(200)
    expect((await colleague.calls('DELETE', `${OPERATORS}/${id}`)).status).toBe(409)
    // A credential that is still believed here is one no longer there.
    expect((await operator.calls('GET', TENANTS)).body).toMatchObject({
      code: 'SCOPE_MISSING',
      details: { permission: 'platform:operate' },
    })
    const rows = await owner<
      { action: string }[]
    >`select action from audit where tenant_id = ${operator.id} order by seq`
    expect(rows.map(({ action }) => action).filter((action) => action.startsWith('operator.'))).toEqual([
      'operator.appointed',
      'operator.dismissed',
    ])
  })

  test('leave one chain of records in each audit, whoever acts at once', async ({
    operator,
    newTenant,
    expect,
  }) => {
    const others = await Promise.all([newTenant('pro', ['admin']), newTenant('pro', ['admin'])])
    await Promise.all(
      others.map(({ id }) => operator.calls('POST', `${TENANTS}/${id}/suspend`, { reason: 'x' })),
    )
    await Promise.all(others.map(({ id }) => operator.calls('POST', `${TENANTS}/${id}/resume`)))
    const { body } = await operator.calls('GET', '/v1/audit/export')
    expect(verifyAudit([body])).toContain('Records 1 to 4')
  })
})

describe('the database', () => {
  const CALLS = (person: string, tenant: string) => [
    `select * from page_of_tenants('${person}', '', null, null, null, 1)`,
    `select * from tenant_for_operator('${person}', '${person}')`,
    `select create_tenant_for_operator('${person}', '{}', '${randomUUID()}', '${newSlug()}', 'x', 'pro', '${randomUUID()}', 'a@b.c', '', 7)`,
    `select suspend_for_operator('${person}', '{}', '${tenant}', 'x')`,
    `select appoint_for_operator('${person}', '{}', '${person}', true)`,
    `select make_plan_for_operator('${person}', '{}', '{"id": "pro"}')`,
    `select * from set_plan_for_operator('${person}', '{}', '${tenant}', 'pro', null)`,
  ]

  test('lets nobody act across tenants who is no operator of the tenant of its transaction', async ({
    app,
    owner,
    operator,
    admin,
    expect,
  }) => {
    const victim = await insertTenant(owner, 'pro', ['admin'])
    const tries: [string, string][] = [
      [admin.id, admin.user],
      // Whoever gets a function to send another person's id.
      [admin.id, operator.user],
      [operator.id, admin.user],
    ]
    for (const [tenant, person] of tries) {
      for (const statement of CALLS(person, victim.id)) {
        const attempt = app.begin(async (db) => {
          await db`select set_tenant_context(${tenant})`
          await db.unsafe(statement)
        })
        await expect(attempt, statement).rejects.toThrow(/only operators/)
      }
    }
    for (const statement of CALLS(operator.user, victim.id))
      await expect(app.unsafe(statement)).rejects.toThrow(/only operators/)
    const internal = [
      `select append_audit('${victim.id}', null, '{}', 'x', 'x', '{}')`,
      `select audit_both('${operator.user}', '{}', '${victim.id}', 'x', '{}')`,
      `select delete_old_audit(1)`,
      `select * from put_on_plan('${victim.id}', 'enterprise', null)`,
      `update tenants set plan_version = 1`,
      `insert into plans select * from plans`,
      `select * from storage_changes for update`,
    ]
    for (const statement of internal) await expect(app.unsafe(statement)).rejects.toThrow(/permission denied/)
    expect(await owner`select from tenants where id = ${victim.id} and suspended_at is null`).toHaveLength(1)
  })

  test('lets no function make an operator', async ({ app, admin, expect }) => {
    const as = (statement: string) =>
      app.begin(async (db) => {
        await db`select set_tenant_context(${admin.id})`
        await db.unsafe(statement)
      })
    await expect(as(`update users set roles = '{super_admin}'`)).rejects.toThrow(/row-level security/)
    const insert = `insert into users (id, tenant_id, email, name, roles) values ('${randomUUID()}', '${admin.id}', 'x@y.z', 'x', '{super_admin}')`
    await expect(as(insert)).rejects.toThrow(/row-level security/)
    const invite = `insert into invitations (id, tenant_id, email, roles, token_hash, expires_at) values ('${randomUUID()}', '${admin.id}', 'x@y.z', '{super_admin}', '', now())`
    await expect(as(invite)).rejects.toThrow(/check constraint/)
  })
})
