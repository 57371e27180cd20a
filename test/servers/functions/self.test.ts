import { describe, expect } from 'vitest'
import { archetypesFor } from '../../../shared/agentese/observer.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { z } from 'zod'
import { colleagueOf } from './colleague.ts'
import { insertColleague, testWith, type Tenant } from './world.ts'

/** A node on which everything belongs to one person. */
let owningPerson = ''
const Done = z.strictObject({ done: z.boolean() })
const owned = defineNode('world.owned', {
  summary: 'A node for tests',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'Looks',
      effects: [],
      input: NoInput,
      output: Done,
      examples: [],
      handle: () => ({ done: true }),
    }),
    seize: aspect({
      category: 'M',
      archetypes: 'all',
      summary: 'Takes by force',
      effects: ['forces:entity'],
      owner: async () => owningPerson,
      input: NoInput,
      output: Done,
      examples: [],
      handle: () => ({ done: true }),
    }),
  },
})

const test = testWith([owned])

const invoke = (tenant: Pick<Tenant, 'calls'>, path: string, input: object = {}, archetype?: string) =>
  tenant.calls(
    'POST',
    `/v1/agentese/${path.replaceAll('.', '/')}`,
    input,
    archetype === undefined ? {} : { 'x-observer-archetype': archetype },
  )

describe('self.capabilities', () => {
  test('lets a person keep its archetype and use a verb of another that it could be', async ({
    newTenant,
  }) => {
    const tenant = await newTenant()
    const reflect = () => invoke(tenant, 'self.soul.eigenvectors', {}, 'poet')
    expect((await reflect()).body.code).toBe('AFFORDANCE_DENIED')
    const acquire = () =>
      invoke(tenant, 'self.capabilities.acquire', { capability: 'self.soul.eigenvectors' })
    expect((await acquire()).body.result.status).toBe('acquired')
    expect((await acquire()).body.result.status).toBe('held')
    expect((await reflect()).status).toBe(200)
    const release = () =>
      invoke(tenant, 'self.capabilities.release', { capability: 'self.soul.eigenvectors' })
    expect((await release()).body.result.status).toBe('released')
    expect((await release()).body.code).toBe('NOT_FOUND')
    expect((await reflect()).body.code).toBe('AFFORDANCE_DENIED')
  })

  test('gives nobody a verb that none of its archetypes has', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    for (const capability of ['self.soul.audit', 'audit', '*', 'world.*.*', 'self.soul.nothing', '']) {
      const { status, body } = await invoke(tenant, 'self.capabilities.acquire', { capability })
      expect({ capability, status, code: body.code }).toEqual({
        capability,
        status: 403,
        code: 'AFFORDANCE_DENIED',
      })
      expect(body.available).toContain('self.soul.governance')
    }
    expect(await owner`select from capabilities where tenant_id = ${tenant.id}`).toHaveLength(0)
    const admin = await newTenant('enterprise', ['admin'])
    expect((await invoke(admin, 'self.capabilities.acquire', { capability: 'self.soul.audit' })).status).toBe(
      200,
    )
  })

  test('is a person’s own, and looked back on by that person alone', async ({
    newTenant,
    owner,
    runtime,
  }) => {
    const tenant = await newTenant()
    const colleague = await colleagueOf(tenant, { owner, runtime })
    await invoke(tenant, 'self.capabilities.acquire', { capability: 'self.soul.mode' })
    expect((await invoke(colleague, 'self.capabilities.manifest')).body.result.held).toEqual([])
    const past = {
      target: 'self.capabilities',
      timestamp: new Date(Date.now() + 1000).toISOString(),
    }
    expect((await invoke(tenant, 'time.past.project', past)).body.result.state).toEqual({
      capabilities: ['self.soul.mode'],
    })
    expect((await invoke(colleague, 'time.past.project', past)).body.result.state).toBeNull()
    const listed = (await invoke(tenant, 'self.capabilities.list')).body.result.capabilities
    expect(listed).toContainEqual({ capability: 'self.soul.mode', held: true })
    expect(listed).toContainEqual({ capability: 'self.soul.governance', held: false })
  })
})

describe('self.consent', () => {
  const PATH = 'world.owned.seize'

  test('lets others do by force what was consented to, until it is revoked or over', async ({
    newTenant,
    owner,
    runtime,
  }) => {
    const tenant = await newTenant()
    owningPerson = tenant.user
    const colleague = await colleagueOf(tenant, { owner, runtime })
    const seize = async () => (await invoke(colleague, PATH)).status
    expect(await seize()).toBe(451)
    await invoke(tenant, 'self.consent.grant', { path: 'world.owned.manifest' })
    expect(await seize()).toBe(451)
    const { body } = await invoke(tenant, 'self.consent.grant', { path: PATH, expires_in: 3600 })
    expect(body.result).toEqual({
      path: PATH,
      granted_at: expect.any(String),
      expires_at: new Date(Date.parse(body.result.granted_at) + 3_600_000).toISOString(),
    })
    expect(await seize()).toBe(200)
    expect((await invoke(tenant, 'self.consent.revoke', { path: PATH })).body.result.status).toBe('revoked')
    expect(await seize()).toBe(451)
    await invoke(tenant, 'self.consent.grant', { path: PATH, expires_in: 3600 })
    await owner`update consents set expires_at = now() where tenant_id = ${tenant.id} and path = ${PATH}`
    expect(await seize()).toBe(451)
    expect((await invoke(tenant, 'self.consent.list')).body.result.consents).toMatchObject([
      { path: 'world.owned.manifest', expires_at: null },
    ])
  })

  test('is given by nobody but the owner', async ({ newTenant, owner, runtime }) => {
    const tenant = await newTenant()
    const other = await newTenant()
    owningPerson = tenant.user
    const colleague = await colleagueOf(tenant, { owner, runtime })
    await invoke(colleague, 'self.consent.grant', { path: PATH })
    await invoke(other, 'self.consent.grant', { path: PATH })
    expect((await invoke(colleague, PATH)).status).toBe(451)
    expect((await invoke(other, PATH)).status).toBe(451)
    expect((await invoke(tenant, PATH)).status).toBe(200)
    expect((await invoke(tenant, 'self.consent.revoke', { path: PATH })).body.code).toBe('NOT_FOUND')
    expect((await invoke(tenant, 'self.consent.manifest')).body.result.in_force).toBe(0)
  })

  test('is about one path as it is written, for a time of a second to a year, and about few', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    const grant = async (input: object) => (await invoke(tenant, 'self.consent.grant', input)).body.code
    for (const path of ['world.*.seize', 'world.owned', '', 'space.a.b', 'world.Owned.seize'])
      expect(await grant({ path }), path).toBe('PATH_SYNTAX')
    for (const expires_in of [0, -1, 1.5, 366 * 86_400 + 1])
      expect(await grant({ path: PATH, expires_in })).toBe('TYPE_MISMATCH')
    await owner`
      insert into consents (tenant_id, user_id, path)
      select ${tenant.id}, ${tenant.user}, 'world.house.v' || n from generate_series(1, 200) n`
    expect(await grant({ path: PATH })).toBe('QUOTA_EXCEEDED')
    const paths: string[] = []
    let cursor: string | null | undefined
    do {
      const page = { limit: 100, ...(cursor === undefined ? {} : { cursor }) }
      const { result } = (await invoke(tenant, 'self.consent.list', page)).body
      paths.push(...result.consents.map(({ path }: { path: string }) => path))
      cursor = result.next_cursor
    } while (cursor !== null)
    expect(new Set(paths).size).toBe(200)
  })
})

describe('self.identity', () => {
  test('tells who calls, and what that allows', async ({ newTenant }) => {
    const tenant = await newTenant('team', ['developer'])
    await invoke(tenant, 'self.capabilities.acquire', { capability: 'self.soul.mode' })
    const { body } = await invoke(tenant, 'self.identity.reflect', {}, 'poet')
    expect(body.result).toEqual({
      user: tenant.user,
      tenant: tenant.id,
      name: 'Test',
      roles: ['developer'],
      archetype: 'poet',
      archetypes: [...archetypesFor(['developer'])],
      capabilities: ['self.soul.mode'],
      permissions: expect.arrayContaining(['agentese:write']),
      scopes: null,
      plan: 'team',
    })
    expect((await invoke(tenant, 'self.identity.manifest')).body.result).toMatchObject({
      name: 'Test',
      archetype: 'developer',
    })
  })

  test('tells no address, and of nobody else', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    await insertColleague(owner, tenant, 'admin')
    const { body } = await invoke(tenant, 'self.identity.reflect')
    expect(JSON.stringify(body)).not.toContain('@')
  })
})
