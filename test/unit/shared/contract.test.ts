import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { catalog } from '../../../functions/catalog.ts'
import { BASE_ASPECTS, hasAffordance } from '../../../shared/agentese/affordances.ts'
import { observerFor } from '../../../shared/agentese/observer.ts'
import { aspectsOf, findAspect } from '../../../shared/contract/find-aspect.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { defineOperation, route } from '../../../shared/contract/define-operation.ts'

function nodeWith(category: 'P' | 'M', effects: string[], name = 'world.house') {
  const look = aspect({
    category,
    archetypes: 'all',
    summary: 'A verb',
    effects,
    input: NoInput,
    output: z.strictObject({}),
    examples: [],
    handle: () => ({}),
  })
  return () => defineNode(name, { summary: 'A node', aspects: { manifest: look } })
}

describe('defineNode()', () => {
  test.each(['writes:entity', 'deletes:entity'])('refuses "%s" on a verb that only looks', (effect) => {
    expect(nodeWith('P', [effect])).toThrow(/may not declare/)
    expect(nodeWith('M', [effect])).not.toThrow()
  })

  test('refuses an effect without a resource, and a name that is no path', () => {
    expect(nodeWith('P', ['reads'])).toThrow(/kind:resource/)
    expect(nodeWith('P', [], 'space.house')).toThrow(/not a context/)
  })
})

describe('the route of an aspect', () => {
  const verb = {
    category: 'M',
    archetypes: 'all',
    summary: 'A verb',
    effects: [],
    input: z.strictObject({ house: z.string() }),
    output: z.strictObject({ id: z.string() }),
    examples: [],
    handle: () => ({ id: '1' }),
  } as const
  const define = (more: object, node = 'self.kgent') =>
    defineNode(node, { summary: 'A node', aspects: { manifest: aspect({ ...verb, ...more }) } })

  test('is a second endpoint with the same handler, which no path is found by', () => {
    const definition = define({ route: 'POST /v1/houses/:house', creates: true })
    const [own, second] = definition.endpoints.filter(({ aspect }) => aspect?.verb === 'manifest')
    expect(second).toMatchObject({
      path: '/v1/houses/:house',
      scopes: own?.scopes,
      route: { creates: '/v1/houses/:house/:id' },
    })
    expect(second?.handle).toBe(own?.handle)
    expect(findAspect([definition], 'self.kgent.manifest')?.endpoint.path).toBe(own?.path)
    expect(aspectsOf([definition]).filter(({ verb: name }) => name === 'manifest')).toHaveLength(1)
  })

  test('must not change anything by a GET, nor be of an open holon', () => {
    expect(() => define({ route: 'GET /v1/houses' })).toThrow(/must not change/)
    expect(() => define({ route: 'POST /v1/houses' }, 'world.*')).toThrow(/open holons/)
  })
})

describe('defineOperation()', () => {
  const look = {
    route: 'GET /houses',
    summary: 'Houses',
    input: NoInput,
    output: z.strictObject({}),
    handle: () => ({}),
  } as const
  const define = (more: object) => () =>
    defineOperation({ name: 'houses', summary: 'Houses', routes: { look: route({ ...look, ...more }) } })

  test('refuses a route that takes a credential and does not name its scopes, unless it says that there are none', () => {
    expect(define({})).toThrow(/"houses.look".*scopes/)
    expect(define({ auth: 'required' })).toThrow(TypeError)
    for (const auth of ['none', 'optional', 'api-key']) expect(define({ auth })).not.toThrow()
    expect(define({ scopes: [] })).not.toThrow()
    expect(define({ scopes: ['house:read'] })().endpoints[0]?.scopes).toEqual(['house:read'])
  })

  test('refuses a scope that no token could have', () => {
    expect(define({ scopes: ['house:look'] })).toThrow(/"house:look"/)
  })
})

describe('the catalog', () => {
  const endpoints = catalog.flatMap((each) => each.endpoints)

  test('names each function and each route once', () => {
    const names = catalog.map(({ name }) => name)
    const routes = endpoints.map(({ method, path }) => `${method} ${path}`)
    expect(new Set(names).size).toBe(names.length)
    expect(new Set(routes).size).toBe(routes.length)
  })

  test('holds examples that fit their own schemas', () => {
    for (const { name, input, examples } of endpoints) {
      for (const { input: sent, given } of examples) {
        // What names an earlier answer is no input yet.
        if (given === undefined || !JSON.stringify(sent).includes('$from'))
          expect(input.safeParse(sent).error, name).toBeUndefined()
      }
    }
  })

  test('answers no bare array', () => {
    for (const { name, output, format, errors } of endpoints) {
      // JSON-RPC answers objects, and nothing to a notification.
      if (errors === 'mcp') continue
      const schema = z.toJSONSchema(output)
      const types = new Set((schema.anyOf ?? [schema]).map(({ type }) => type))
      expect([...types], name).toEqual([format === 'json' ? 'object' : 'string'])
    }
  })

  test('gives every node manifest and affordances', () => {
    for (const { node, endpoints } of catalog) {
      if (node === undefined) continue
      const verbs = endpoints.map(({ name }) => name.split('.')[2])
      expect(verbs).toEqual(expect.arrayContaining(['manifest', 'affordances']))
    }
  })
})

describe('observerFor()', () => {
  const user = '00000000-0000-4000-8000-000000000001'

  test('lets nobody look as more than its roles allow', () => {
    expect(() => observerFor(user, ['viewer'], 'admin')).toThrow(
      expect.objectContaining({ code: 'ARCHETYPE_DENIED' }),
    )
    expect(() => observerFor(user, ['developer'], 'admin')).toThrow()
    expect(observerFor(user, ['developer'], 'poet')).toMatchObject({ archetype: 'poet' })
    expect(observerFor(user, ['admin'], 'developer')).toMatchObject({ archetype: 'developer' })
  })

  test('looks as the most capable role when nothing is asked, and as guest without a role', () => {
    expect(observerFor(user, ['viewer', 'developer'])).toMatchObject({ archetype: 'developer' })
    expect(observerFor(user, [])).toMatchObject({ archetype: 'guest' })
  })

  test('hasAffordance() gives the base verbs to every archetype', () => {
    const guest = { archetype: 'guest', capabilities: [] }
    const soul = aspectsOf(catalog.filter(({ node }) => node === 'self.soul'))
    const allowed = soul.filter((aspect) => hasAffordance(guest, aspect)).map(({ verb }) => verb)
    expect(allowed).toEqual(expect.arrayContaining([...BASE_ASPECTS]))
    expect(allowed).not.toContain('dialogue')
  })
})
