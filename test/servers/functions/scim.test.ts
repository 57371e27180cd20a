/** SCIM 2.0: a directory provisions people and groups, in the dialects of Azure and Okta. */
import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import { openBrowser } from './browser.ts'
import { testWithHolders, type Person } from './holders.ts'
import { insertColleague, type Tenant } from './world.ts'

const test = testWithHolders().extend<{ directoryOf: (admin: Tenant) => Promise<Person>; directory: Person }>(
  {
    // As directories call: with the key of the tenant as a bearer token.
    directoryOf: async ({ withToken }, use) =>
      use(async (admin) => {
        const wanted = { name: 'directory', owner: 'tenant', roles: ['admin'], scopes: ['scim:*'] }
        const { body } = await admin.calls('POST', '/v1/api-keys', wanted)
        const { calls } = withToken(body.key)
        const type = { 'content-type': 'application/scim+json' }
        return { calls: (method, path, sent, headers) => calls(method, path, sent, { ...type, ...headers }) }
      }),
    directory: async ({ directoryOf, admin }, use) => use(await directoryOf(admin)),
  },
)

const USERS = '/scim/v2/Users'
const GROUPS = '/scim/v2/Groups'
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'

const patch = (directory: Person, path: string, ...Operations: object[]) =>
  directory.calls('PATCH', path, { schemas: [PATCH], Operations })

async function provision(directory: Person, userName = 'grace@example.com', more = {}) {
  const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User']
  const { status, body } = await directory.calls('POST', USERS, { schemas, userName, ...more })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return body
}

async function group(directory: Person, displayName: string, ...ids: string[]) {
  const members = ids.map((value) => ({ value }))
  const { status, body } = await directory.calls('POST', GROUPS, { displayName, members })
  if (status !== 201) throw new Error(JSON.stringify(body))
  return body
}

async function mapGroups(admin: Tenant) {
  const answer = await admin.calls('PUT', '/v1/identity-providers/idp', {
    issuer: 'https://idp.acme.com',
    client_id: 'acme',
    role_map: { admins: ['admin'], developers: ['developer'] },
    default_roles: ['viewer'],
  })
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
}

describe('Users', () => {
  test('are made, shown, replaced and removed', async ({ directory, admin, owner, expect }) => {
    const { status, body, headers } = await directory.calls('POST', USERS, {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName: 'Grace@Example.com',
      externalId: '00u1',
      name: { givenName: 'Grace', familyName: 'Hopper' },
      emails: [{ value: 'other@example.com' }, { value: 'grace@example.com', primary: true, type: 'work' }],
      phoneNumbers: [{ value: '1' }],
      active: true,
    })
    expect(status).toBe(201)
    expect(headers.get('content-type')).toBe('application/scim+json')
    expect(headers.get('location')).toBe(`${USERS}/${body.id}`)
    expect(body).toMatchObject({
      userName: 'Grace@Example.com',
      externalId: '00u1',
      displayName: 'Grace Hopper',
      name: { formatted: 'Grace Hopper', givenName: 'Grace', familyName: 'Hopper' },
      emails: [{ value: 'grace@example.com', primary: true }],
      active: true,
      roles: [{ value: 'viewer' }],
      meta: { resourceType: 'User' },
    })
    expect((await directory.calls('GET', `${USERS}/${body.id}`)).body).toEqual(body)
    expect((await admin.calls('GET', `/v1/members/${body.id}`)).body.member).toMatchObject({
      name: 'Grace Hopper',
    })
    const { body: replaced } = await directory.calls('PUT', `${USERS}/${body.id}`, {
      userName: 'grace@example.com',
      displayName: 'G. Hopper',
    })
    expect(replaced).toMatchObject({ userName: 'grace@example.com', name: { formatted: 'G. Hopper' } })
    expect(replaced.externalId).toBeUndefined()
    expect((await directory.calls('DELETE', `${USERS}/${body.id}`)).status).toBe(204)
    expect((await directory.calls('GET', `${USERS}/${body.id}`)).status).toBe(404)
    expect((await directory.calls('DELETE', `${USERS}/${body.id}`)).status).toBe(404)
    expect((await provision(directory)).id).not.toBe(body.id)
    const actions = await owner`select action from audit where tenant_id = ${admin.id} order by seq`
    expect(actions.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['member.provisioned', 'member.removed']),
    )
  })

  test('are found by filters, in pages', async ({ directory, admin, expect }) => {
    for (const name of ['a', 'b', 'c'])
      await provision(directory, `${name}@example.com`, { externalId: name.toUpperCase() })
    const find = async (filter: string, more = '') =>
      (await directory.calls('GET', `${USERS}?filter=${encodeURIComponent(filter)}${more}`)).body
    expect(await find('userName eq "A@EXAMPLE.COM"')).toMatchObject({
      totalResults: 1,
      Resources: [{ userName: 'a@example.com' }],
    })
    expect(await find('externalId eq "a"')).toMatchObject({ totalResults: 0, Resources: [] })
    expect(await find('externalId eq "B" or userName sw "c@"')).toMatchObject({ totalResults: 2 })
    expect(await find('emails[type eq "work"].value co "example" and active eq true')).toMatchObject({
      totalResults: 3,
    })
    // Whoever came in another way is found as well, so that no directory makes somebody twice.
    expect(await find('userName eq "a@b.c"')).toMatchObject({
      totalResults: 1,
      Resources: [{ id: admin.user }],
    })
    const page = await find('userName co "example.com"', '&startIndex=2&count=1')
    expect(page).toMatchObject({ totalResults: 3, startIndex: 2, itemsPerPage: 1, Resources: [{}] })
    expect((await directory.calls('GET', `${USERS}?count=0`)).body).toMatchObject({
      totalResults: 4,
      Resources: [],
    })
    expect((await directory.calls('GET', `${USERS}?startIndex=-5&count=9999`)).body).toMatchObject({
      startIndex: 1,
      itemsPerPage: 4,
    })
    for (const filter of [
      'userName',
      'password eq "x"',
      'userName gt "a"',
      '"',
      'userName eq "a\' or 1=1 --" or x eq 1',
      'x'.repeat(1001),
    ]) {
      expect(await find(filter), filter).toMatchObject({ status: '400', scimType: 'invalidFilter' })
    }
    expect(await find(`userName eq "' or '1'='1"`)).toMatchObject({ totalResults: 0 })
  })

  test('are patched as Azure and Okta do it', async ({ directory, expect }) => {
    const { id } = await provision(directory)
    const changed = async (...operations: object[]) =>
      (await patch(directory, `${USERS}/${id}`, ...operations)).body
    // Okta: no path, a value of attributes.
    expect(await changed({ op: 'replace', value: { active: false } })).toMatchObject({ active: false })
    expect(
      await changed({ op: 'replace', value: { active: true, 'name.givenName': 'Grace' } }),
    ).toMatchObject({ active: true, name: { givenName: 'Grace' } })
    // Azure: operations in capitals, truths as text, filters in paths.
    expect(await changed({ op: 'Replace', path: 'active', value: 'False' })).toMatchObject({ active: false })
    expect(await changed({ op: 'Add', path: 'active', value: 'True' })).toMatchObject({ active: true })
    expect(
      await changed({ op: 'Replace', path: 'emails[type eq "work"].value', value: 'g@example.com' }),
    ).toMatchObject({ emails: [{ value: 'g@example.com' }] })
    expect(
      await changed(
        { op: 'add', path: 'urn:ietf:params:scim:schemas:core:2.0:User:name.familyName', value: 'Hopper' },
        {
          op: 'replace',
          path: 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department',
          value: 'R&D',
        },
        { op: 'replace', path: 'displayName', value: 'Admiral' },
      ),
    ).toMatchObject({ displayName: 'Admiral', name: { familyName: 'Hopper' } })
    expect((await changed({ op: 'remove', path: 'name.familyName' })).name.familyName).toBeUndefined()
    const wrong: [object, string][] = [
      [{ op: 'move', path: 'active' }, 'invalidSyntax'],
      [{ op: 'replace', path: 'active', value: 'maybe' }, 'invalidValue'],
      [{ op: 'replace', path: 'emails', value: [{ value: 'nobody' }] }, 'invalidValue'],
      [{ op: 'replace', path: 'a[', value: 1 }, 'invalidPath'],
      [{ op: 'remove', path: 'userName' }, 'mutability'],
      [{ op: 'remove' }, 'noTarget'],
    ]
    for (const [operation, scimType] of wrong) {
      const answer = await patch(directory, `${USERS}/${id}`, operation)
      expect(answer, JSON.stringify(operation)).toMatchObject({
        status: 400,
        body: { scimType, status: '400' },
      })
    }
  })

  test('that are deactivated can do nothing any more, and nothing that they had comes back', async ({
    directory,
    admin,
    opened,
    owner,
    withKey,
    withTokenOf,
    passTime,
    expect,
  }) => {
    const { id } = await provision(directory)
    const key = await insertColleague(owner, admin, 'developer')
    await owner`update api_keys set user_id = ${id} where key_prefix = ${key.slice(0, 8)}`
    await owner`update users set roles = '{developer}' where id = ${id}`
    const browser = openBrowser(opened.app)
    await browser.calls('POST', '/v1/auth/session', {}, { 'x-api-key': key })
    const holders = [withKey(key), await withTokenOf(key), browser]
    const statuses = () =>
      Promise.all(holders.map(async (holder) => (await holder.calls('GET', '/v1/api-keys')).status))
    expect(await statuses()).toEqual([200, 200, 200])
    await patch(directory, `${USERS}/${id}`, { op: 'replace', path: 'active', value: false })
    passTime()
    expect(await statuses()).toEqual([401, 401, 401])
    const events = await owner<{ event: string }[]>`select event from outbox where tenant_id = ${admin.id}`
    expect(events.map(({ event }) => JSON.parse(event))).toContainEqual(
      expect.objectContaining({ type: 'io.kgents.credentials.revoked', data: { user: id } }),
    )
    await patch(directory, `${USERS}/${id}`, { op: 'replace', path: 'active', value: true })
    passTime()
    expect(await statuses()).toEqual([401, 401, 401])
  })

  test('are of one tenant: another’s are not there', async ({
    directory,
    directoryOf,
    newTenant,
    expect,
  }) => {
    const { id } = await provision(directory)
    const { id: theirGroup } = await group(directory, 'admins', id)
    const other = await directoryOf(await newTenant('enterprise', ['admin']))
    expect(
      (await other.calls('GET', USERS)).body.Resources.map((user: { id: string }) => user.id),
    ).not.toContain(id)
    for (const [method, path, body] of [
      ['GET', `${USERS}/${id}`],
      ['PUT', `${USERS}/${id}`, { userName: 'x@example.com' }],
      ['PATCH', `${USERS}/${id}`, { Operations: [{ op: 'replace', path: 'active', value: false }] }],
      ['DELETE', `${USERS}/${id}`],
      ['GET', `${GROUPS}/${theirGroup}`],
      ['PATCH', `${GROUPS}/${theirGroup}`, { Operations: [{ op: 'remove', path: 'members' }] }],
      ['DELETE', `${GROUPS}/${theirGroup}`],
    ] as const) {
      expect((await other.calls(method, path, body)).status, `${method} ${path}`).toBe(404)
    }
    const stolen = await other.calls('POST', GROUPS, { displayName: 'g', members: [{ value: id }] })
    expect(stolen).toMatchObject({ status: 400, body: { scimType: 'invalidValue' } })
    // The same person may be in both.
    expect((await provision(other)).id).not.toBe(id)
  })

  test('are never the last admin, an operator, or somebody twice', async ({
    directory,
    directoryOf,
    admin,
    newTenant,
    expect,
  }) => {
    const off = { op: 'replace', path: 'active', value: false }
    expect((await patch(directory, `${USERS}/${admin.user}`, off)).status).toBe(409)
    expect((await directory.calls('DELETE', `${USERS}/${admin.user}`)).status).toBe(409)
    const operators = await newTenant('enterprise', ['super_admin'])
    expect((await patch(await directoryOf(operators), `${USERS}/${operators.user}`, off)).status).toBe(403)
    await provision(directory)
    for (const user of [
      { userName: 'GRACE@example.com' },
      { userName: 'grace2', emails: [{ value: 'grace@example.com' }] },
    ]) {
      const answer = await directory.calls('POST', USERS, user)
      expect(answer).toMatchObject({ status: 409, body: { scimType: 'uniqueness' } })
    }
    for (const user of [{}, { userName: 'no address' }, { userName: 1 }, { userName: 'a@b.cd', active: 'x' }])
      expect((await directory.calls('POST', USERS, user)).status).toBe(400)
  })

  test('take the key of a tenant with the scope, and a plan that has SCIM', async ({
    admin,
    colleague,
    directoryOf,
    newTenant,
    owner,
    withToken,
    expect,
  }) => {
    expect((await (await colleague()).calls('GET', USERS)).status).toBe(403)
    const { body } = await admin.calls('POST', '/v1/api-keys', {
      name: 'n',
      owner: 'tenant',
      roles: ['admin'],
      scopes: ['api_key:read'],
    })
    const refused = await withToken(body.key).calls('GET', USERS)
    expect(refused).toMatchObject({
      status: 403,
      body: { schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'], status: '403' },
    })
    expect((await withToken('kg_abcde_no').calls('GET', USERS)).status).toBe(401)
    const { token } = await (async () => ({
      token: (await admin.calls('POST', '/v1/auth/token', {})).body.access_token,
    }))()
    expect((await withToken(token).calls('GET', USERS)).status).toBe(401)
    const team = await newTenant('enterprise', ['admin'])
    const directory = await directoryOf(team)
    await owner`update tenants set tier = 'team' where id = ${team.id}`
    expect(await directory.calls('GET', USERS)).toMatchObject({ status: 403, body: { status: '403' } })
  })
})

describe('Groups', () => {
  test('give their members roles by the map of the provider, and take them', async ({
    directory,
    admin,
    expect,
  }) => {
    await mapGroups(admin)
    const { id } = await provision(directory)
    const roles = async () => (await admin.calls('GET', `/v1/members/${id}`)).body.member.roles
    expect(await roles()).toEqual(['viewer'])
    const { id: developers } = await group(directory, 'developers')
    // Azure adds by a path, Okta without one.
    await patch(directory, `${GROUPS}/${developers}`, { op: 'Add', path: 'members', value: [{ value: id }] })
    expect(await roles()).toEqual(['viewer', 'developer'])
    const { id: admins } = await group(directory, 'nobody knows', id)
    await patch(directory, `${GROUPS}/${admins}`, {
      op: 'replace',
      value: { id: admins, displayName: 'admins' },
    })
    expect(await roles()).toEqual(['viewer', 'developer', 'admin'])
    await patch(directory, `${GROUPS}/${developers}`, { op: 'remove', path: `members[value eq "${id}"]` })
    expect(await roles()).toEqual(['viewer', 'admin'])
    await patch(directory, `${GROUPS}/${admins}`, { op: 'Remove', path: 'members', value: [{ value: id }] })
    expect(await roles()).toEqual(['viewer'])
    await directory.calls('PUT', `${GROUPS}/${admins}`, {
      displayName: 'admins',
      members: [{ value: id }, { value: admin.user }],
    })
    expect(await roles()).toEqual(['viewer', 'admin'])
    expect((await directory.calls('GET', `${USERS}/${id}`)).body.groups).toEqual([
      { value: admins, display: 'admins' },
    ])
    expect((await directory.calls('DELETE', `${GROUPS}/${admins}`)).status).toBe(204)
    // One of two stays an admin: somebody has to.
    const left = (await admin.calls('GET', '/v1/members')).body.members.filter((each: { roles: string[] }) =>
      each.roles.includes('admin'),
    )
    expect(left).toHaveLength(1)
  })

  test('are listed, with members or without, and are themselves only once', async ({ directory, expect }) => {
    const { id } = await provision(directory)
    const made = await group(directory, 'a', id)
    expect(made.members).toEqual([{ value: id, display: 'grace@example.com' }])
    const filter = encodeURIComponent('displayName eq "a"')
    expect((await directory.calls('GET', `${GROUPS}?filter=${filter}`)).body).toMatchObject({
      totalResults: 1,
      Resources: [made],
    })
    const { body } = await directory.calls('GET', `${GROUPS}/${made.id}?excludedAttributes=members`)
    expect(body.members).toEqual([])
    expect((await directory.calls('POST', GROUPS, { displayName: 'a' })).status).toBe(409)
    await patch(directory, `${GROUPS}/${made.id}`, { op: 'replace', path: 'members', value: [] })
    expect((await directory.calls('GET', `${GROUPS}/${made.id}`)).body.members).toEqual([])
  })

  test('take no more members at once than can be looked after', async ({ directory, expect }) => {
    const members = Array.from({ length: 2001 }, () => ({ value: randomUUID() }))
    expect(await directory.calls('POST', GROUPS, { displayName: 'huge', members })).toMatchObject({
      status: 400,
      body: { scimType: 'tooMany' },
    })
    const some = members.slice(0, 2000)
    expect((await directory.calls('POST', GROUPS, { displayName: 'strangers', members: some })).status).toBe(
      400,
    )
  })
})

test('what there is of SCIM is public, in its own words', async ({ withToken, expect }) => {
  const { calls } = withToken('')
  const get = async (path: string) =>
    (await calls('GET', `/scim/v2/${path}`, undefined, { authorization: '' })).body
  expect(await get('ServiceProviderConfig')).toMatchObject({
    patch: { supported: true },
    bulk: { supported: false },
  })
  expect((await get('ResourceTypes')).Resources.map(({ id }: { id: string }) => id)).toEqual([
    'User',
    'Group',
  ])
  expect((await get('Schemas')).Resources.map(({ name }: { name: string }) => name)).toEqual([
    'User',
    'Group',
  ])
  expect(await get('ResourceTypes/Other')).toMatchObject({ status: '404' })
})
