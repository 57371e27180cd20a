/** The people of a tenant: how they are invited, come in, change and go. */
import { randomUUID } from 'node:crypto'
import type postgres from 'postgres'
import { describe } from 'vitest'
import { createInvitationToken } from '../../../shared/identity/invitations.ts'
import { testWithHolders, type Person } from './holders.ts'
import type { Tenant } from './world.ts'

const test = testWithHolders()

const MANIFEST = '/v1/agentese/void/entropy/manifest'
const ADA = { email: 'ada@example.com', name: 'Ada' }

async function invite(admin: Person, email = ADA.email, roles = ['developer']) {
  const { status, body } = await admin.calls('POST', '/v1/invitations', { email, roles })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return { id: body.invitation.id as string, token: body.token as string }
}

const accept = (holder: Person, who: object = ADA, headers = {}) =>
  holder.calls('POST', '/v1/invitations/accept', who, headers)

/** An invitation beyond those that an admin may have open; answers its token. */
async function insertInvitation(owner: postgres.Sql, { id }: Tenant, email: string): Promise<string> {
  const { token, hash } = createInvitationToken()
  await owner`
    insert into invitations (id, tenant_id, email, roles, token_hash, expires_at)
    values (${randomUUID()}, ${id}, ${email}, '{developer}', ${hash}, now() + interval '1 day')`
  return token
}

const works = async (person: Person) => (await person.calls('POST', MANIFEST, {})).status

describe('an invitation', () => {
  test('makes whoever accepts it a member, with a first key', async ({
    admin,
    withKey,
    withToken,
    expect,
  }) => {
    const { id, token } = await invite(admin)
    const { status, body } = await accept(withToken(token))
    expect({ status, body }).toMatchObject({
      status: 201,
      body: { member: { id, ...ADA, roles: ['developer'] }, api_key: { owner: { id } } },
    })
    expect(await works(withKey(body.key))).toBe(200)
    expect((await withKey(body.key).calls('GET', `/v1/members/${id}`)).body.member).toEqual(body.member)
    const { body: listed } = await admin.calls('GET', '/v1/members')
    expect(listed.members.map((each: { id: string }) => each.id)).toEqual(
      expect.arrayContaining([id, admin.user]),
    )
    expect((await admin.calls('GET', '/v1/invitations?state=accepted')).body.invitations).toMatchObject([
      { id },
    ])
  })

  test('reports itself by an event that has everything but the token, which is kept nowhere', async ({
    admin,
    withToken,
    owner,
    expect,
  }) => {
    const { id, token } = await invite(admin)
    const { body } = await accept(withToken(token), ADA, { 'idempotency-key': 'k' })
    const events = await owner<
      { event: string }[]
    >`select event from outbox where tenant_id = ${admin.id} order by seq`
    expect(events.map(({ event }) => JSON.parse(event).type)).toEqual([
      'io.kgents.members.invited',
      'io.kgents.members.joined',
    ])
    expect(JSON.parse(events[0]?.event ?? '').data.invitation).toMatchObject({
      id,
      email: ADA.email,
      state: 'open',
    })
    const rows = await owner`
      select to_jsonb(i)::text as row from invitations i where tenant_id = ${admin.id}
      union all select to_jsonb(a)::text from audit a where tenant_id = ${admin.id}
      union all select answer::text from idempotency_keys where tenant_id = ${admin.id}`
    for (const secret of [token.slice(4), body.key.slice(9)])
      expect(JSON.stringify([events, rows])).not.toContain(secret)
  })

  test('that is accepted again under one key is answered as before, without the secret', async ({
    admin,
    withToken,
    expect,
  }) => {
    const { token } = await invite(admin)
    const [first, second] = [
      await accept(withToken(token), ADA, { 'idempotency-key': 'k' }),
      await accept(withToken(token), ADA, { 'idempotency-key': 'k' }),
    ]
    expect(second.status).toBe(201)
    expect({ ...second.body, key: first.body.key }).toEqual(first.body)
    expect(second.body.key).toBeUndefined()
  })

  test.for<[string, string, object]>([
    ['was accepted', 'accepted', {}],
    ['was revoked', 'revoked', {}],
    ['has expired', 'expired', {}],
  ])('that %s lets nobody in', async ([, state], { admin, withToken, owner, expect }) => {
    const { id, token } = await invite(admin)
    if (state === 'accepted') expect((await accept(withToken(token))).status).toBe(201)
    if (state === 'revoked') expect((await admin.calls('DELETE', `/v1/invitations/${id}`)).status).toBe(200)
    if (state === 'expired') await owner`update invitations set expires_at = now() where id = ${id}`
    const before = await owner`select from users where tenant_id = ${admin.id}`
    expect(await accept(withToken(token))).toMatchObject({
      status: 409,
      body: { code: 'STATE_CONFLICT', details: { state } },
    })
    expect(await owner`select from users where tenant_id = ${admin.id}`).toHaveLength(before.length)
    const again = await admin.calls('POST', `/v1/invitations/${id}/resend`)
    expect(again.status).toBe(state === 'expired' ? 200 : 409)
  })

  test('is for its address, and for no person twice', async ({ admin, withToken, expect }) => {
    const { token } = await invite(admin)
    const eve = await accept(withToken(token), { email: 'eve@example.com', name: 'Eve' })
    expect(eve).toMatchObject({ status: 403, body: { code: 'AFFORDANCE_DENIED' } })
    expect(JSON.stringify(eve.body)).not.toContain(ADA.email)
    expect((await accept(withToken(token), { ...ADA, email: ' ADA@Example.com ' })).status).toBe(201)
    const twice = await admin.calls('POST', '/v1/invitations', { email: 'Ada@EXAMPLE.com' })
    expect(twice).toMatchObject({ status: 409, body: { code: 'STATE_CONFLICT' } })
  })

  test('is open once for an address; sent again, only its last token is good', async ({
    admin,
    withToken,
    expect,
  }) => {
    const { id, token } = await invite(admin)
    const again = await admin.calls('POST', '/v1/invitations', { email: ADA.email })
    expect(again).toMatchObject({ status: 409, body: { details: { invitation: id } } })
    const resent = await admin.calls('POST', `/v1/invitations/${id}/resend`)
    expect(await accept(withToken(token))).toMatchObject({
      status: 401,
      body: { code: 'CREDENTIALS_INVALID' },
    })
    expect((await accept(withToken(resent.body.token))).status).toBe(201)
  })

  test('opens nothing else, and nothing else opens it', async ({
    admin,
    withToken,
    withKey,
    opened,
    expect,
  }) => {
    const { token } = await invite(admin)
    expect(await works(withToken(token))).toBe(401)
    expect((await withToken(token).calls('POST', '/v1/auth/token', {})).status).toBe(401)
    for (const stranger of [admin, withKey('kg_nope'), withToken('kgi_nope'), withToken('nonsense')])
      expect((await accept(stranger)).status).toBe(401)
    const { status } = await opened.app.request('/v1/invitations/accept', { method: 'POST' })
    expect(status).toBe(401)
  })

  test('is not accepted while the tenant is suspended', async ({ admin, withToken, owner, expect }) => {
    const { token } = await invite(admin)
    await owner`update tenants set suspended_at = now() where id = ${admin.id}`
    expect(await accept(withToken(token))).toMatchObject({ status: 403, body: { code: 'TENANT_SUSPENDED' } })
  })

  test.for([
    {},
    { email: ADA.email },
    { name: 'Ada' },
    { ...ADA, name: '' },
    { ...ADA, name: 'A\0da' },
    { ...ADA, name: 'x'.repeat(201) },
    { ...ADA, email: [ADA.email] },
    { ...ADA, roles: ['admin'] },
  ])('is not accepted by %j', async (who, { admin, withToken, expect }) => {
    const { token } = await invite(admin)
    expect((await accept(withToken(token), who)).status).toBe(400)
    expect((await accept(withToken(token))).status).toBe(201)
  })

  test.for<[string, object]>([
    ['no address', { email: 'ada' }],
    ['two addresses', { email: 'ada@example.com, eve@example.com' }],
    ['an address with a line in it', { email: 'ada@example.com\nBcc: eve@example.com' }],
    ['an operator', { roles: ['super_admin'] }],
    ['no role', { roles: [] }],
    ['a tenant', { tenant_id: '019a0000-0000-7000-8000-000000000000' }],
  ])('cannot name %s', async ([, wanted], { admin, expect }) => {
    const { status, body } = await admin.calls('POST', '/v1/invitations', { email: ADA.email, ...wanted })
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'TYPE_MISMATCH' })
  })
})

describe('seats', () => {
  test.for<[string, number]>([
    ['free', 0],
    ['starter', 0],
    ['pro', 4],
  ])(
    'of plan "%s" let %i in beside the first, however many come at once',
    async ([tier, free], { newTenant, withToken, owner, expect }) => {
      const tenant = await newTenant(tier, ['admin'])
      const people = Array.from({ length: tier === 'pro' ? 50 : 3 }, (_, at) => ({
        email: `p${at}@example.com`,
        name: 'P',
      }))
      const tokens = await Promise.all(people.map(({ email }) => insertInvitation(owner, tenant, email)))
      const answers = await Promise.all(people.map((who, at) => accept(withToken(tokens[at] ?? ''), who)))
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(free)
      for (const { status, body } of answers.filter(({ status }) => status !== 201))
        expect({ status, code: body.code, details: body.details }).toMatchObject({
          status: 429,
          code: 'QUOTA_EXCEEDED',
          details: { resource: 'seat' },
        })
      const [counted] = await owner`select count(*)::int as people from users where tenant_id = ${tenant.id}`
      expect(counted).toEqual({ people: free + 1 })
    },
  )
})

describe('a member', () => {
  async function join(
    admin: Person,
    withToken: (token: string) => Person,
    withKey: (key: string) => Person,
    email = ADA.email,
    roles = ['developer'],
  ) {
    const { id, token } = await invite(admin, email, roles)
    const { body } = await accept(withToken(token), { email, name: 'Ada' })
    return { id, key: body.key as string, ...withKey(body.key) }
  }

  test('that is removed is refused with all keys and tokens; keys of the tenant stay', async ({
    admin,
    withKey,
    withToken,
    withTokenOf,
    passTime,
    expect,
  }) => {
    const ada = await join(admin, withToken, withKey, ADA.email, ['admin'])
    const second = await ada.calls('POST', '/v1/api-keys', { name: 'second' })
    const service = await ada.calls('POST', '/v1/api-keys', { name: 'service', owner: 'tenant' })
    const hers = [
      ada,
      withKey(second.body.key),
      await withTokenOf(ada.key),
      await withTokenOf(second.body.key),
    ]
    for (const each of hers) expect(await works(each)).toBe(200)
    expect((await admin.calls('DELETE', `/v1/members/${ada.id}`)).status).toBe(200)
    passTime()
    for (const each of hers) expect(await works(each)).toBe(401)
    expect(await works(withKey(service.body.key))).toBe(200)
    expect((await admin.calls('GET', `/v1/members/${ada.id}`)).status).toBe(404)
    // The address is free again, for somebody else.
    const again = await join(admin, withToken, withKey)
    expect(again.id).not.toBe(ada.id)
  })

  test('changes what it may do with its roles, within seconds', async ({
    admin,
    withKey,
    withToken,
    withTokenOf,
    passTime,
    expect,
  }) => {
    const ada = await join(admin, withToken, withKey)
    const token = await withTokenOf(ada.key)
    const write = (person: Person) =>
      person.calls('POST', '/v1/agentese/world/house/define', {}, { 'idempotency-key': 'k' })
    expect(
      (await admin.calls('PATCH', `/v1/members/${ada.id}`, { roles: ['viewer'] })).body.member.roles,
    ).toEqual(['viewer'])
    passTime()
    for (const each of [ada, token]) expect((await write(each)).status).toBe(403)
    expect(await works(token)).toBe(200)
  })

  test('raises nobody, itself neither', async ({ admin, withKey, withToken, expect }) => {
    const ada = await join(admin, withToken, withKey)
    for (const id of [ada.id, admin.user]) {
      const raised = await ada.calls('PATCH', `/v1/members/${id}`, { roles: ['admin'] })
      expect(raised).toMatchObject({ status: 403, body: { details: { permission: 'tenant:admin' } } })
    }
    for (const [method, path] of [
      ['GET', '/v1/members'],
      ['GET', `/v1/members/${admin.user}`],
      ['DELETE', `/v1/members/${admin.user}`],
      ['GET', '/v1/invitations'],
    ] as const)
      expect((await ada.calls(method, path)).status).toBe(403)
    const operator = await admin.calls('PATCH', `/v1/members/${ada.id}`, { roles: ['super_admin'] })
    expect(operator.status).toBe(400)
  })

  test('may leave, but the last admin may not, nor stop being one', async ({
    admin,
    withKey,
    withToken,
    expect,
  }) => {
    const ada = await join(admin, withToken, withKey)
    expect((await ada.calls('DELETE', `/v1/members/${ada.id}`)).status).toBe(200)
    expect(await admin.calls('DELETE', `/v1/members/${admin.user}`)).toMatchObject({
      status: 409,
      body: { code: 'STATE_CONFLICT' },
    })
    const lowered = await admin.calls('PATCH', `/v1/members/${admin.user}`, { roles: ['developer'] })
    expect(lowered).toMatchObject({ status: 409, body: { code: 'STATE_CONFLICT' } })
    expect((await admin.calls('GET', `/v1/members/${admin.user}`)).body.member.roles).toEqual(['admin'])
  })

  test('of two admins who remove each other at once, one stays', async ({
    admin,
    withKey,
    withToken,
    owner,
    expect,
  }) => {
    const ada = await join(admin, withToken, withKey, ADA.email, ['admin'])
    const answers = await Promise.all([
      admin.calls('DELETE', `/v1/members/${ada.id}`),
      ada.calls('DELETE', `/v1/members/${admin.user}`),
    ])
    expect(answers.map(({ status }) => String(status)).toSorted()).toEqual(['200', '403'])
    expect(await owner`select from users where tenant_id = ${admin.id} and removed_at is null`).toHaveLength(
      1,
    )
  })

  test('that the platform has appointed is not the tenant’s to change', async ({
    admin,
    withKey,
    withToken,
    owner,
    expect,
  }) => {
    const ada = await join(admin, withToken, withKey)
    await owner`update users set roles = '{super_admin}' where id = ${ada.id}`
    for (const [method, body] of [
      ['DELETE', undefined],
      ['PATCH', { roles: ['viewer'] }],
    ] as const)
      expect((await admin.calls(method, `/v1/members/${ada.id}`, body)).body.code).toBe('AFFORDANCE_DENIED')
  })

  test('of another tenant is not there', async ({ admin, newTenant, expect }) => {
    const globex = await newTenant('enterprise', ['admin'])
    const { id } = await invite(admin)
    for (const [method, path, body] of [
      ['GET', `/v1/members/${admin.user}`, undefined],
      ['PATCH', `/v1/members/${admin.user}`, { roles: ['viewer'] }],
      ['DELETE', `/v1/members/${admin.user}`, undefined],
      ['POST', `/v1/invitations/${id}/resend`, {}],
      ['DELETE', `/v1/invitations/${id}`, undefined],
    ] as const)
      expect((await globex.calls(method, path, body)).status).toBe(404)
    for (const list of ['members', 'invitations'])
      expect(JSON.stringify((await globex.calls('GET', `/v1/${list}`)).body)).not.toContain(id)
  })
})

describe('events about people', () => {
  test('are delivered to webhooks of admins alone', async ({ admin, colleague, expect }) => {
    const wanted = { events: ['io.kgents.members.invited'], sink: 'https://hooks.example.com/people' }
    expect((await admin.calls('POST', '/v1/subscriptions', wanted)).status).toBe(201)
    const denied = await (await colleague()).calls('POST', '/v1/subscriptions', wanted)
    expect(denied).toMatchObject({ status: 403, body: { code: 'AFFORDANCE_DENIED' } })
    const other = { ...wanted, events: ['io.kgents.inference.completed'] }
    expect((await admin.calls('POST', '/v1/subscriptions', other)).status).toBe(400)
  })
})

describe('a tenant', () => {
  test('shows its plan and its limits, and takes another name', async ({ newTenant, expect }) => {
    const tenant: Tenant = await newTenant('pro', ['admin'])
    const { body } = await tenant.calls('GET', '/v1/tenant')
    expect(body.tenant).toMatchObject({
      id: tenant.id,
      tier: 'pro',
      used: { seats: 1 },
      limits: { seats: 5, requests_per_minute: 1000 },
    })
    const renamed = await tenant.calls('PATCH', '/v1/tenant', { name: ' Acme & Söhne ' })
    expect(renamed.body.tenant.name).toBe('Acme & Söhne')
    for (const name of ['', 'x'.repeat(201), 'a\0b'])
      expect((await tenant.calls('PATCH', '/v1/tenant', { name })).status).toBe(400)
    const developer = await newTenant('pro')
    expect((await developer.calls('PATCH', '/v1/tenant', { name: 'Mine' })).status).toBe(403)
    expect((await developer.calls('GET', '/v1/tenant')).body.tenant.id).toBe(developer.id)
  })
})
