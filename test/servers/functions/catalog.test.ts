/** What every aspect of the catalog promises, whoever wrote it: an aspect gets these tests by being there. */
import { describe, expect } from 'vitest'
import { archetypesFor } from '../../../shared/agentese/observer.ts'
import type { StoredIdentity } from '../../../shared/identity/identity.ts'
import { permissionsOf, type Role } from '../../../shared/identity/permissions.ts'
import type { Runtime } from '../../../shared/calls/runtime.ts'
import { codeIn } from './code-in.ts'
import { ASPECTS, asAllowed, OPERATIONS, requestFor, ROUTES, runExample, urlOf } from './examples.ts'
import { testWith, type Tenant } from './world.ts'

const test = testWith()

describe.for(ASPECTS)('$path', (known) => {
  const { path, endpoint, aspect } = known
  const [example = { summary: '', input: {} }] = endpoint.examples

  test('is discovered with category, effects and schemas', async ({ newTenant }) => {
    const tenant = await newTenant()
    const { body } = await tenant.calls('GET', `/v1/agentese/discover/${path.split('.')[0]}`)
    const found = body.paths.find((each: { path: string }) => each.path === path)
    expect(found).toMatchObject({
      category: aspect.category,
      effects: aspect.effects,
      input: { type: 'object' },
      output: { type: 'object' },
    })
  })

  test('answers its first example as its contract says', async ({ newTenant, settles }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const ran = await runExample(known, example, tenant, settles)
    // What is outside is not there for tests; that it is asked for, and how it fails, is all that can be seen.
    if (example.outside === true) return expect(ran.body.code).toBe('UPSTREAM_FAILED')
    expect(ran.body, path).toMatchObject({ result: expect.anything() })
    expect(endpoint.output.safeParse(ran.body.result).error?.message, path).toBeUndefined()
  })

  test('answers the manifest of its node to the same observer', async ({ newTenant, settles }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    await runExample(known, example, tenant, settles)
    const manifest = ASPECTS.find(
      (each) => each.aspect.node === aspect.node && each.aspect.verb === 'manifest',
    )
    if (manifest === undefined) throw new Error(`${aspect.node} has no manifest`)
    const own = manifest.endpoint.examples[0] ?? example
    const fresh = await newTenant('enterprise', ['admin'])
    const { status } = await runExample(manifest, own, fresh, settles)
    expect(status).toBe(200)
  })

  test('refuses what its schema does not know, and changes nothing', async ({ newTenant, owner }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const input = { ...example.input, 'no-such-member': 1 }
    const { status, body } = await tenant.calls('POST', urlOf(known, example.holon), input, asAllowed(aspect))
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'TYPE_MISMATCH' })
    expect(body.message).toContain(endpoint.name)
    expect(await owner`select from outbox where tenant_id = ${tenant.id}`).toHaveLength(0)
  })

  test('lets nobody pass without the verb, the permission or the scope', async ({ newTenant, runtime }) => {
    if (endpoint.auth === 'optional') return // guests may, so everybody may
    const { archetypes } = aspect
    const tenant = await newTenant('enterprise', ['admin'])
    const url = urlOf(known, example.holon)
    if (archetypes !== 'all') {
      const stranger = archetypesFor(['admin']).find((each) => !archetypes.includes(each)) ?? ''
      const denied = await tenant.calls('POST', url, example.input, {
        'x-observer-archetype': stranger,
      })
      expect(denied.body).toMatchObject({ code: 'AFFORDANCE_DENIED', available: expect.any(Array) })
    }
    const { identity, token } = await narrowToken(tenant, runtime)
    const narrowed = await tenant.calls('POST', url, example.input, {
      ...asAllowed(aspect),
      authorization: `Bearer ${token}`,
    })
    expect(identity.permissions).toEqual([])
    expect(narrowed.body.code).toBe('SCOPE_MISSING')
  })

  test('shows another tenant nothing of it', async ({ newTenant, settles }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const [other, stranger] = [
      await newTenant('enterprise', ['admin']),
      await newTenant('enterprise', ['admin']),
    ]
    const before = await stranger.calls('POST', urlOf(known, example.holon), example.input, asAllowed(aspect))
    const { input, given, body } = await runExample(known, example, tenant, settles)
    const after = await other.calls('POST', urlOf(known, example.holon), input, asAllowed(aspect))
    const secrets = idsOf([given, body.result])
    for (const id of secrets) {
      if (JSON.stringify(input).includes(id)) continue // it is told what it said itself
      expect(JSON.stringify(after.body), path).not.toContain(id)
    }
    const names = JSON.stringify(input)
    if (!secrets.some((id) => names.includes(id))) return expect(after.status, path).toBe(before.status)
    // It named what is another's: that is not there, or nothing was done to it.
    if (after.status === 200) expect(after.body.result, path).not.toEqual(body.result)
    else expect(after.status, path).toBeGreaterThanOrEqual(400)
  })
})

describe.for(ROUTES)('$method $path', (endpoint) => {
  test('takes the first example of its aspect, answers the result alone, and leaves the mark of the path', async ({
    newTenant,
    settles,
    owner,
  }) => {
    const tenant = await newTenant('enterprise', ['admin'])
    const [example = { summary: '', input: {} }] = endpoint.examples
    const { status, body } = await runExample({ endpoint, aspect: endpoint.aspect }, example, tenant, settles)
    const answer = endpoint.streams && 'result' in body ? body.result : body
    expect(endpoint.output.safeParse(answer).error?.message, JSON.stringify(body)).toBeUndefined()
    expect(status).toBe(endpoint.route?.creates === undefined ? 200 : 201)
    if (endpoint.writes)
      expect(
        await owner`
        select from marks where tenant_id = ${tenant.id} and path = ${endpoint.aspect.path}`,
      ).not.toEqual([])
  })
})

describe('operations', () => {
  const credited = OPERATIONS.filter(({ auth }) => auth === 'required')

  test.for(credited.filter(({ scopes }) => scopes.length > 0))(
    '$name takes a narrowed token only where that covers its scopes',
    async (endpoint, { newTenant, runtime }) => {
      const role = endpoint.permission === 'platform:operate' ? 'super_admin' : 'admin'
      const tenant = await newTenant('enterprise', [role])
      const [method, url, body, headers] = requestFor(endpoint)
      const callWith = async (scope: string) => {
        const { token } = await runtime.platform.issueToken({ ...identityOf(tenant, role), scopes: [scope] })
        return tenant.calls(method, url, body, { ...headers, authorization: `Bearer ${token}` })
      }
      const [scope = ''] = endpoint.scopes
      const { status, body: refused } = await callWith('other:*')
      expect({ status, code: codeIn(refused) }).toEqual({ status: 403, code: 'SCOPE_MISSING' })
      if (endpoint.errors === undefined) expect(refused.details).toEqual({ scopes: endpoint.scopes })
      // Whatever it comes to: it is not for its scopes that it fails.
      const { body: other } = await callWith(scope)
      expect({ code: codeIn(other ?? {}), details: other?.details }).not.toEqual({
        code: 'SCOPE_MISSING',
        details: refused.details,
      })
    },
  )

  test('need scopes, but for those that pass the call on to paths, and sessions, which allow no more than a credential', () => {
    const free = credited.filter(({ scopes }) => scopes.length === 0)
    expect(free.map(({ name }) => name)).toEqual([
      'sso-sessions.open',
      'sso-sessions.show',
      'sso-sessions.close',
      'logos.invoke',
      'logos.compose',
      'logos.invokeByUrl',
      'mcp.call',
    ])
  })
})

/** Ids that only one tenant can know. */
function idsOf(value: unknown): string[] {
  return JSON.stringify(value).match(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g) ?? []
}

/** A token of the tenant's person that may do nothing at all. */
async function narrowToken(tenant: Tenant, runtime: Runtime) {
  const identity = { ...identityOf(tenant), permissions: [] }
  return { identity, ...(await runtime.platform.issueToken(identity)) }
}

/** The tenant's person in its role. */
function identityOf({ id, user }: Tenant, role: Role = 'admin'): StoredIdentity {
  const roles = [role]
  return { tenant: id, tier: 'enterprise', user, roles, permissions: permissionsOf(roles) }
}
