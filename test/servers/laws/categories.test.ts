/**
 * Laws 5 and 6, for every aspect of the catalog: what only looks leaves the tenant's state as it was; what draws on
 * chance moves ledgers and nothing else; what changes or makes needs elevation, and changes nothing without it.
 */
import { describe, expect } from 'vitest'
import { ASPECTS, asAllowed, runExample, urlOf } from '../functions/examples.ts'
import { testWith } from '../functions/world.ts'
import { changedTables, digestTenant } from './tenant-rows.ts'

const test = testWith()

/** Where an aspect that asks a model leaves its job and what that used; nothing of it is the tenant's own state. */
const JOB_TABLES = ['allowances', 'charges', 'jobs']
/** What verbs of chance and thanks may move. */
const LEDGERS = ['charges', 'entropy_grants', 'entropy_pools', 'gratitude', 'gratitude_ledger', 'thanks']

const looking = ASPECTS.filter(({ aspect }) => ['P', 'C', 'I'].includes(aspect.category))
const drawing = ASPECTS.filter(({ aspect }) => aspect.category === 'E')
const elevated = ASPECTS.filter(({ aspect }) => ['M', 'G'].includes(aspect.category))

describe('law 5: looking changes nothing', () => {
  test.for(looking)('$path', async (known, { newTenant, settles, owner }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const [example = { summary: '', input: {} }] = known.endpoint.examples
    const ran = await runExample(known, example, tenant, settles)
    const before = await digestTenant(owner, tenant.id)
    const url = urlOf(known, example.holon)
    await tenant.calls('POST', url, ran.input, asAllowed(known.aspect))
    await settles(tenant)
    const changed = changedTables(before, await digestTenant(owner, tenant.id))
    const allowed = known.endpoint.complete === undefined ? [] : JOB_TABLES
    expect(changed.filter((table) => !allowed.includes(table))).toEqual([])
  })
})

describe('law 5: drawing moves ledgers, and nothing else', () => {
  test.for(drawing)('$path', async (known, { newTenant, settles, owner }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const [example = { summary: '', input: {} }] = known.endpoint.examples
    const ran = await runExample(known, example, tenant, settles)
    expect(ran.status).toBe(200)
    const changed = changedTables({}, await digestTenant(owner, tenant.id))
    expect(
      changed.filter((table) => !LEDGERS.includes(table) && table !== 'api_keys' && table !== 'users'),
    ).toEqual([])
  })
})

describe('law 6: without elevation nothing changes and nothing is charged', () => {
  test.for(elevated)('$path', async (known, { newTenant, settles, owner, runtime }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const [example = { summary: '', input: {} }] = known.endpoint.examples
    const ran = await runExample(known, example, tenant, settles)
    const before = await digestTenant(owner, tenant.id)
    const { token } = await runtime.platform.issueToken({
      tenant: tenant.id,
      tier: 'enterprise',
      user: tenant.user,
      roles: ['admin'],
      permissions: ['agentese:read', 'agentese:invoke', 'jobs:read'],
    })
    const { status, body } = await tenant.calls('POST', urlOf(known, example.holon), ran.input, {
      ...asAllowed(known.aspect),
      authorization: `Bearer ${token}`,
    })
    expect({ status, code: body.code }).toEqual({ status: 403, code: 'SCOPE_MISSING' })
    await settles(tenant)
    expect(changedTables(before, await digestTenant(owner, tenant.id))).toEqual([])
  })
})
