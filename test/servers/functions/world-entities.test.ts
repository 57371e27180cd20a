import { describe, expect } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { withTenant } from '../../../shared/database/database.ts'
import { createApp } from '../../../shared/http/app.ts'
import { insertColleague, testWith, type Tenant } from './world.ts'

const test = testWith()

/** Calls a verb of an entity, as an archetype where one is named. */
function on(tenant: Tenant, holon: string, as?: string) {
  const headers = as === undefined ? {} : { 'x-observer-archetype': as }
  return (verb: string, input: object = {}) =>
    tenant.calls('POST', `/v1/agentese/world/${holon}/${verb}`, input, headers)
}

const HOUSE = {
  entity_type: 'building',
  description: 'An old house by the sea',
  state: { dimensions: { width: 8 }, materials: ['oak'], price: 250_000, colour: 'grey' },
  metadata: { source: 'survey' },
}

async function withHouse(newTenant: () => Promise<Tenant>): Promise<Tenant> {
  const tenant = await newTenant()
  expect((await on(tenant, 'house')('define', HOUSE)).status).toBe(200)
  return tenant
}

describe('world.*.define', () => {
  test('makes the thing that the path names, and with a name a part of it', async ({ newTenant, owner }) => {
    const tenant = await withHouse(newTenant)
    const { status, body } = await on(tenant, 'house')('define', {
      name: 'door',
      relations: { faces: ['house'] },
    })
    expect(status).toBe(200)
    expect(body.result).toEqual({
      handle: 'world.door',
      name: 'door',
      entity_type: 'generic',
      description: '',
      state: {},
      metadata: {},
      parent: 'house',
      relations: { faces: ['house'] },
    })
    const changes = await owner`select target, state from changes where tenant_id = ${tenant.id} order by at`
    expect(changes).toEqual([
      {
        target: 'world.house',
        state: { handle: 'world.house', name: 'house', parent: null, relations: {}, ...HOUSE },
      },
      { target: 'world.door', state: body.result },
    ])
  })

  test('makes nothing twice, nothing of an unknown whole, and nothing where the platform has a node', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await withHouse(newTenant)
    expect(await on(tenant, 'house')('define', HOUSE)).toMatchObject({
      status: 409,
      body: { code: 'STATE_CONFLICT' },
    })
    expect(await on(tenant, 'hose')('define', { name: 'door' })).toMatchObject({
      status: 404,
      body: { code: 'NOT_FOUND', available: ['world.house'] },
    })
    expect(
      await on(tenant, 'house')('define', { relations: { near: ['nowhere'] }, name: 'door' }),
    ).toMatchObject({
      status: 404,
    })
    expect((await on(tenant, 'agent', 'architect')('demolish')).body.code).toBe('NODE_NOT_REGISTERED')
    expect(await on(tenant, 'house')('define', { name: 'agent' })).toMatchObject({
      status: 409,
      body: { code: 'STATE_CONFLICT' },
    })
    expect(await owner`select name from entities where tenant_id = ${tenant.id}`).toEqual([{ name: 'house' }])
    expect(await owner`select held from holdings where tenant_id = ${tenant.id}`).toEqual([{ held: 1 }])
  })

  test('takes nothing that is no plain, small JSON', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    const deep = JSON.parse(`${'{"a":'.repeat(20)}1${'}'.repeat(20)}`)
    const bad = [
      { state: { text: 'x'.repeat(66_000) } },
      { state: deep },
      { metadata: { text: 'x'.repeat(17_000) } },
      { state: [] },
      { state: { ['k'.repeat(200)]: 1 } },
      { entity_type: 'A type' },
      { relations: { parent: ['house'] } },
      { relations: { near: 'house' } },
      { name: 'Door' },
      { owner: 'me' },
    ]
    for (const input of bad) {
      expect(await on(tenant, 'house')('define', input), JSON.stringify(input).slice(0, 60)).toMatchObject({
        status: 400,
        body: { code: 'TYPE_MISMATCH' },
      })
    }
    for (const text of ['{"state":{"a":{"__proto__":{"admin":true}}}}', '{"state":{"a":1e999}}']) {
      const { status } = await tenant.calls('POST', '/v1/agentese/world/house/define', text)
      expect(status, text).toBe(400)
    }
    expect(await owner`select from entities where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('belongs to those who build, and to whoever has taken the verb on', async ({ newTenant, owner }) => {
    const tenant = await newTenant()
    for (const archetype of ['poet', 'guest', 'inhabitant', 'scientist']) {
      expect((await on(tenant, 'house', archetype)('define')).body.code, archetype).toBe('AFFORDANCE_DENIED')
    }
    await owner`insert into capabilities (tenant_id, user_id, capability) values (${tenant.id}, ${tenant.user}, 'define')`
    expect((await on(tenant, 'house', 'poet')('define')).status).toBe(200)
  })

  test('shares the last place of a plan out to one of a crowd', async ({ newTenant, owner }) => {
    const tenant = await newTenant('free')
    await owner`insert into holdings (tenant_id, kind, held) values (${tenant.id}, 'entity', 999)`
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_, at) => on(tenant, `house_${at}`)('define')),
    )
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 429, 429, 429, 429])
    expect(answers.find(({ status }) => status === 429)?.body).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      details: { resource: 'entity', tier: 'free', limit: 1000 },
    })
    expect(await owner`select from entities where tenant_id = ${tenant.id}`).toHaveLength(1)
  })
})

describe('world.*.manifest', () => {
  test('shows the same thing to each archetype as it sees', async ({ newTenant }) => {
    const tenant = await withHouse(newTenant)
    const seen = async (archetype: string) => (await on(tenant, 'house', archetype)('manifest')).body.result
    expect(await seen('architect')).toEqual({
      type: 'blueprint',
      dimensions: { width: 8 },
      materials: ['oak'],
      structural_analysis: { load_bearing: [], stress_points: [], integrity: null },
    })
    expect(await seen('poet')).toMatchObject({ type: 'poetic', mood: 'contemplative' })
    expect(await seen('economist')).toMatchObject({ type: 'economic', market_value: 250_000 })
    expect(await seen('guest')).toEqual({
      type: 'basic',
      summary: 'house: building',
      content: expect.stringContaining('An old house by the sea.'),
      metadata: { source: 'survey' },
    })
    expect(await seen('poet')).toEqual(await seen('poet'))
  })

  test('is text for those who ask for text', async ({ newTenant, runtime, owner }) => {
    const tenant = await withHouse(newTenant)
    const colleague = await insertColleague(owner, tenant, 'developer')
    const response = await createApp(runtime).request('/v1/agentese/world/house/manifest', {
      method: 'POST',
      headers: { 'x-api-key': colleague, 'x-observer-archetype': 'architect', accept: 'text/plain' },
    })
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/)
    expect(await response.text()).toContain('BLUEPRINT\ndimensions:\n  width: 8\nmaterials: oak')
  })

  test('names similar things where there is none, and only those of this tenant', async ({ newTenant }) => {
    const tenant = await withHouse(newTenant)
    const other = await newTenant()
    const unknown = { status: 404, body: { code: 'NOT_FOUND', path: 'world.hous.manifest' } }
    expect(await on(tenant, 'hous')('manifest')).toMatchObject(unknown)
    expect((await on(tenant, 'hous')('manifest')).body.available).toEqual(['world.house'])
    expect(await on(other, 'hous')('manifest')).toMatchObject(unknown)
    expect((await on(other, 'hous')('manifest')).body.available).toEqual([])
  })
})

describe('world.*.transform', () => {
  test('changes the named members of the state, takes away what is null, and leaves the rest', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await withHouse(newTenant)
    const { body } = await on(tenant, 'house')('transform', {
      changes: { colour: 'red', price: null, dimensions: { height: 3 } },
      input: { colour: 'blue', roof: 'slate' },
    })
    expect(body.result).toMatchObject({
      transformed: true,
      changes: { colour: 'red', price: null, dimensions: { height: 3 }, roof: 'slate' },
    })
    expect(body.result.entity.state).toEqual({
      colour: 'red',
      dimensions: { height: 3 },
      materials: ['oak'],
      roof: 'slate',
    })
    const [latest] = await owner`
      select state, user_id from changes where tenant_id = ${tenant.id} order by at desc, id desc limit 1`
    expect(latest).toEqual({ state: body.result.entity, user_id: tenant.user })
  })

  test('says when nothing is different, and records nothing then', async ({ newTenant, owner }) => {
    const tenant = await withHouse(newTenant)
    const same = { changes: { colour: 'grey', never: null }, description: HOUSE.description }
    expect((await on(tenant, 'house')('transform', same)).body.result).toMatchObject({
      transformed: false,
      changes: {},
    })
    expect(await owner`select from changes where tenant_id = ${tenant.id}`).toHaveLength(1)
    expect((await on(tenant, 'house')('transform', {})).status).toBe(400)
  })

  test('loses no change of a crowd', async ({ newTenant }) => {
    const tenant = await withHouse(newTenant)
    const keys = Array.from({ length: 10 }, (_, at) => `key_${at}`)
    await Promise.all(keys.map((key) => on(tenant, 'house')('transform', { changes: { [key]: 1 } })))
    const { body } = await on(tenant, 'house')('analyze')
    expect(body.result.state).toMatchObject(Object.fromEntries(keys.map((key) => [key, 'number'])))
    expect(body.result.changes).toBe(10)
  })

  test('ends where many small changes come to too much', async ({ newTenant }) => {
    const tenant = await withHouse(newTenant)
    const half = { changes: { first: 'x'.repeat(40_000) } }
    expect((await on(tenant, 'house')('transform', half)).status).toBe(200)
    const more = { changes: { second: 'x'.repeat(40_000) } }
    expect(await on(tenant, 'house')('transform', more)).toMatchObject({
      status: 409,
      body: { code: 'STATE_CONFLICT' },
    })
  })
})

describe('world.*.relate', () => {
  test('tells whole, parts and ties in both directions, page by page', async ({ newTenant }) => {
    const tenant = await withHouse(newTenant)
    await on(tenant, 'garden')('define', { relations: { around: ['house'] } })
    await on(tenant, 'house')('define', { name: 'door' })
    await on(tenant, 'house')('transform', { relations: { near: ['garden'], home_of: [] } })
    const all = [
      { handle: 'world.garden', relation: 'around', direction: 'in' },
      { handle: 'world.door', relation: 'child', direction: 'down' },
      { handle: 'world.garden', relation: 'near', direction: 'out' },
    ]
    expect((await on(tenant, 'house')('relate')).body.result).toEqual({
      handle: 'world.house',
      related: all,
      next_cursor: null,
    })
    const pages: unknown[] = []
    let cursor: string | undefined
    do {
      const { result } = (await on(tenant, 'house')('relate', { limit: 1, ...(cursor ? { cursor } : {}) }))
        .body
      pages.push(...result.related)
      cursor = result.next_cursor ?? undefined
    } while (cursor !== undefined)
    expect(pages).toEqual(all)
    expect((await on(tenant, 'door')('relate', { target: 'house' })).body.result.related).toEqual([
      { handle: 'world.house', relation: 'parent', direction: 'up' },
    ])
    expect((await on(tenant, 'door')('relate', { target: 'nowhere' })).status).toBe(404)
  })
})

describe('world.*.measure', () => {
  test('measures numbers of the state and around it, and says which there are', async ({ newTenant }) => {
    const tenant = await withHouse(newTenant)
    await on(tenant, 'house')('define', { name: 'door' })
    const all = { 'state.dimensions.width': 8, 'state.price': 250_000, parts: 1, relations: 0, changes: 0 }
    expect((await on(tenant, 'house')('measure')).body.result.measurements).toMatchObject(all)
    const { result } = (await on(tenant, 'house')('measure', { metric: 'state.dimensions.width' })).body
    expect(result).toEqual({
      handle: 'world.house',
      measurements: { 'state.dimensions.width': 8 },
      value: 8,
    })
    for (const metric of ['state.colour', 'toString', '__proto__']) {
      const unknown = await on(tenant, 'house')('measure', { metric })
      expect(unknown, metric).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
      expect(unknown.body.available).toContain('state.price')
    }
  })
})

describe('world.*.demolish', () => {
  test("is not the poet's, and another's house falls only when that person agrees", async ({
    newTenant,
    owner,
    runtime,
  }) => {
    const tenant = await withHouse(newTenant)
    const colleague = await insertColleague(owner, tenant, 'developer')
    const demolish = async (as: string) => {
      const response = await createApp(runtime).request('/v1/agentese/world/house/demolish', {
        method: 'POST',
        headers: { 'x-api-key': colleague, 'x-observer-archetype': as },
      })
      return { status: response.status, body: await response.json() }
    }
    expect(await demolish('poet')).toMatchObject({
      status: 403,
      body: {
        code: 'AFFORDANCE_DENIED',
        available: ['witness', 'affordances', 'help', 'alternatives', 'manifest'],
      },
    })
    expect(await demolish('architect')).toMatchObject({
      status: 451,
      body: {
        code: 'CONSENT_REQUIRED',
        suggestion: expect.stringContaining('"world.house.demolish"'),
        details: { consent_required: tenant.user },
      },
    })
    const agrees = owner`
      insert into consents (tenant_id, user_id, path) values (${tenant.id}, ${tenant.user}, 'world.house.demolish')`
    await agrees
    expect(await demolish('architect')).toMatchObject({
      status: 200,
      body: { result: { handle: 'world.house', demolished: true } },
    })
    expect((await on(tenant, 'house')('manifest')).status).toBe(404)
    expect(
      await owner`select state from changes where tenant_id = ${tenant.id} order by at desc limit 1`,
    ).toEqual([{ state: null }])
    expect(await owner`select held from holdings where tenant_id = ${tenant.id}`).toEqual([{ held: 0 }])
  })

  test('needs no word of the one who acts, and takes nothing that still has parts', async ({ newTenant }) => {
    const tenant = await withHouse(newTenant)
    await on(tenant, 'house')('define', { name: 'door' })
    const architect = on(tenant, 'house', 'architect')
    expect(await architect('demolish')).toMatchObject({
      status: 409,
      body: { code: 'STATE_CONFLICT', available: ['world.door'] },
    })
    expect((await on(tenant, 'door', 'architect')('demolish')).status).toBe(200)
    expect((await architect('demolish')).status).toBe(200)
    expect((await architect('demolish')).status).toBe(404)
  })

  test('leaves no part without its whole when both are made and torn down at once', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await newTenant()
    for (let round = 0; round < 5; round++) {
      await on(tenant, `house_${round}`)('define')
      const answers = await Promise.all([
        on(tenant, `house_${round}`, 'architect')('demolish'),
        on(tenant, `house_${round}`)('define', { name: `door_${round}` }),
      ])
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual(
        answers[0].status === 200 ? [200, 404] : [200, 409],
      )
    }
    const orphans = await owner`
      select from entities e where tenant_id = ${tenant.id} and parent is not null and not exists (
        select from entities p where p.tenant_id = e.tenant_id and p.name = e.parent)`
    expect(orphans).toHaveLength(0)
  })

  test('hides what is gone from those that were tied to it', async ({ newTenant }) => {
    const tenant = await withHouse(newTenant)
    await on(tenant, 'garden')('define', { relations: { around: ['house'] } })
    expect((await on(tenant, 'house', 'architect')('demolish')).status).toBe(200)
    expect((await on(tenant, 'garden')('relate')).body.result.related).toEqual([])
  })
})

describe('world.*', () => {
  test('shows another tenant nothing, and lets it have things of the same name', async ({
    newTenant,
    owner,
  }) => {
    const tenant = await withHouse(newTenant)
    const other = await newTenant()
    for (const verb of ['manifest', 'relate', 'measure', 'analyze']) {
      expect(await on(other, 'house')(verb), verb).toMatchObject({ status: 404, body: { available: [] } })
    }
    expect((await on(other, 'house')('transform', { changes: { a: 1 } })).status).toBe(404)
    expect((await on(other, 'house', 'architect')('demolish')).status).toBe(404)
    expect((await on(other, 'shed')('define', { relations: { near: ['house'] } })).status).toBe(404)
    expect((await on(other, 'house')('define')).status).toBe(200)
    expect((await on(other, 'house')('analyze')).body.result.state).toEqual({})
    expect(await owner`select changes from entities where tenant_id = ${tenant.id}`).toEqual([{ changes: 0 }])
  })

  test('leaves its marks under the name of the thing', async ({ newTenant, runtime }) => {
    const tenant = await withHouse(newTenant)
    await on(tenant, 'house')('manifest')
    await runtime.recorder.flush()
    const { result } = (await on(tenant, 'house')('witness')).body
    expect(result).toMatchObject({
      handle: 'world.house',
      history: [{ path: 'world.house.manifest' }, { path: 'world.house.define' }],
    })
  })

  test('lists the things of the tenant by name for queries', async ({ newTenant, runtime }) => {
    const tenant = await withHouse(newTenant)
    const other = await newTenant()
    await on(other, 'hovel')('define')
    await on(tenant, 'hotel')('define')
    await on(tenant, 'garden')('define')
    const holons = catalog.find(({ node }) => node === 'world.*')?.holons
    const listed = await withTenant(runtime.database, tenant.id, 'read', async (db) =>
      holons?.(db, { like: 'ho%', limit: 1, offset: 0 }),
    )
    expect(listed).toEqual({ names: ['hotel'], total: 2 })
  })
})
