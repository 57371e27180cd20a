import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { catalog } from '../../../functions/catalog.ts'
import { components as parts } from '../../../functions/components.ts'
import { createAsyncApi } from '../../../functions/control/reference/async-api.ts'
import { createOpenApi } from '../../../functions/control/reference/open-api.ts'
import { createKongConfig } from '../../../gateway/kong/kong.ts'
import { takesParameters } from '../../../shared/contract/facts.ts'
import { secretsFor } from '../../../shared/contract/needs.ts'
import { aspect, defineNode } from '../../../shared/contract/define-node.ts'
import { defineOperation, route } from '../../../shared/contract/define-operation.ts'
import { takesBody } from '../../../shared/contract/facts.ts'
import type { Endpoint } from '../../../shared/contract/function.ts'
import { inputSchemaOf, outputSchemaOf, type JsonSchema } from '../../../shared/contract/schemas.ts'
import { listFailures } from '../../../shared/failures.ts'
import { OpenApiDocument, type Operation } from './open-api-schema.ts'
import { danglingReferences, resolve } from './references.ts'

const document = createOpenApi(catalog)
const { paths, components } = OpenApiDocument.parse(document)

function operationOf({ method, path }: Endpoint): Operation {
  const url = path.replaceAll(/:(\w+)/g, '{$1}')
  const operation = paths[url]?.[method.toLowerCase() as 'get' | 'post' | 'patch' | 'delete']
  if (operation === undefined) throw new Error(`${method} ${url} is not in the document`)
  return operation
}

/** Parameters and answers with references followed. */
function followed<T extends object>(part: T | { $ref: string } | undefined): Partial<T> {
  if (part === undefined) return {}
  return '$ref' in part ? (resolve(document, part.$ref) as T) : part
}

function parametersOf(endpoint: Endpoint, place: string) {
  return operationOf(endpoint)
    .parameters.map(followed)
    .filter((parameter) => parameter.in === place)
}

/** A schema with its own place in a document, so that it can be compared with one that has none. */
function named(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema).replaceAll(/"#\/components\/schemas\/\w+/g, '"#'))
}

const endpoints = catalog.flatMap((definition) => definition.endpoints)
/** What the gateway sends to the stream hub whatever its headers say, so that it is no other function's. */
const hubRoutes = createKongConfig(catalog, parts)
  .services.filter(({ name }) => name === 'stream-hub')
  .flatMap(({ routes }) => routes)
  .filter(({ headers, methods }) => headers === undefined && methods !== undefined)
const cases = endpoints.map((endpoint) => [`${endpoint.method} ${endpoint.path}`, endpoint] as const)

describe('createOpenApi()', () => {
  test('refers only to what is there', () => {
    expect(danglingReferences(document)).toEqual([])
  })

  test('names each operation once', () => {
    const ids = Object.values(paths).flatMap((each) =>
      Object.values(each).map((operation) => operation?.operationId),
    )
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.length).toBe(endpoints.length + hubRoutes.length)
  })

  test.each(hubRoutes)(
    'documents $name, which the stream hub answers itself',
    ({ name, methods, paths: [path = ''] }) => {
      const pattern = new RegExp(`^${path.slice(1)}`)
      const found = Object.entries(paths).find(([url]) => pattern.test(url.replaceAll(/[{}]/g, '')))
      const [url = '', operations = {}] = found ?? []
      const operation = (operations as Record<string, Operation>)[methods?.[0]?.toLowerCase() ?? '']
      expect(operation?.['x-scopes']).not.toHaveLength(0)
      expect(Object.keys(operation?.responses ?? {})).toEqual(
        expect.arrayContaining(['200', '401', '403', '404', '429', '503']),
      )
      expect(operation?.responses).not.toHaveProperty('415')
      // The events of these streams are OpenAI's to document.
      if (name.startsWith('models.')) return
      const asyncApi = Object.values(
        createAsyncApi(catalog)['channels'] as Record<string, { address: string }>,
      )
      expect(asyncApi.map(({ address }) => address)).toContain(url)
    },
  )

  test('documents every failure, with its status', () => {
    const problem = components.schemas['Problem'] as { properties: { code: { enum: string[] } } }
    const rows = listFailures()
    expect(problem.properties.code.enum).toEqual(rows.map(({ code }) => code))
    expect(problem).toMatchObject({ 'x-failures': rows })
    for (const { code, status } of rows) {
      expect(components.responses[`Problem${status}`]?.description).toContain(code)
    }
  })

  test('tells 502 of what asks somebody outside, and of nothing else', () => {
    const telling = endpoints.filter((endpoint) => '502' in operationOf(endpoint).responses)
    expect(telling.map(({ name }) => name).toSorted()).toEqual([
      'billing.cancel',
      'billing.change',
      'billing.checkout',
      'billing.portal',
      'billing.preview',
      'billing.resume',
      'domains.verify',
      'issue-token.issue',
      'logos.compose',
      'logos.invoke',
      'logos.invokeByUrl',
      'sso-sign-in.begin',
      'sso-sign-in.finish',
      'stripe-webhooks.take',
      'world.tool.import',
      'world.tool.invoke',
      'world.tool.refresh',
    ])
  })

  test.each<[operation: [method: string, path: string], taken: unknown[], refused: unknown[]]>([
    [
      ['POST', '/v1/subscriptions'],
      [
        { sink: 'https://a.example', patterns: ['void.**'] },
        { sink: 'https://a.example', events: ['com.x'], patterns: [] },
      ],
      [{ sink: 'https://a.example' }, { sink: 'https://a.example', patterns: [''] }],
    ],
    [
      ['POST', '/v1/auth/token'],
      [{ scope: 'memory:read entity:*' }],
      [{ scope: 'all' }, { scope: 'a:read ' }],
    ],
    [
      ['POST', '/v1/agentese/world/tool/secret'],
      [
        { name: 'A', value: 'long-enough', origins: ['https://a.example'] },
        { name: 'A', value: null },
      ],
      [{ name: 'A', value: 'long-enough' }],
    ],
    [
      ['POST', '/v1/agentese/world/tool/allow'],
      [{ origin: 'http://a.example:81' }],
      [{ origin: 'a.example' }],
    ],
    [
      ['POST', '/v1/agentese/aliases'],
      [{ alias: 'a', target: 'self.memory' }],
      [{ alias: 'a', target: 'nowhere.memory' }],
    ],
    [
      ['GET', '/v1/agentese/query'],
      [{ pattern: '?*' }, { pattern: '?self.mem*.?' }],
      [{ pattern: 'self.*' }, { pattern: '?self.memory.a.b' }],
    ],
    [
      ['GET', '/v1/agentese/affordances'],
      [{ path: 'chaos' }, { path: 'void.entropy' }],
      [{ path: 'Chaos' }, { path: 'void.entropy.sip' }],
    ],
  ])('%j takes what its schema takes, and nothing else', ([method, path], taken, refused) => {
    const [schema = {}] = endpoints
      .filter((each) => each.method === method && each.path === path)
      .map((endpoint) => inputSchemaOf(endpoint))
    const inDocument = z.fromJSONSchema(schema)
    const fits = (inputs: unknown[]) => inputs.map((input) => inDocument.safeParse(input).success)
    expect([fits(taken), fits(refused)]).toEqual([taken.map(() => true), refused.map(() => false)])
  })

  test('says how types and names of an event are written, and that a batch may be empty', () => {
    const content = paths['/v1/events']?.post?.requestBody?.content ?? {}
    const event = content['application/cloudevents+json']?.schema
    expect(JSON.stringify(event?.['properties'])).toContain('"pattern":"^[A-Za-z0-9_:/+@~-]+')
    expect(event).toHaveProperty('propertyNames')
    expect(content['application/cloudevents-batch+json']?.schema).not.toHaveProperty('minItems')
  })

  test('tells no secret: no name of one, and no value of the environment', () => {
    const text = JSON.stringify(document)
    for (const name of secretsFor(catalog.flatMap(({ needs }) => needs))) expect(text).not.toContain(name)
    expect(text).not.toMatch(/kg_[a-z0-9]|BEGIN|"d":/)
  })

  test.each([
    ['IdempotencyKey', ({ writes }: Endpoint) => writes],
    ['ObserverArchetype', ({ aspect }: Endpoint) => aspect !== undefined],
    ['Prefer', ({ streams, method }: Endpoint) => streams && method === 'POST'],
    ['Traceparent', () => true],
  ])('gives %s to the routes that take it', (key, takes) => {
    const reference = { $ref: `#/components/parameters/${key}` }
    for (const endpoint of endpoints.filter(takes)) {
      expect(operationOf(endpoint).parameters, endpoint.name).toContainEqual(reference)
    }
  })
})

describe.each(cases)('%s', (_name, endpoint) => {
  const operation = operationOf(endpoint)
  const inPath = [...endpoint.path.matchAll(/:(\w+)/g)].map(([, name = '']) => name)
  // The holon of an aspect's path says what is called and is no input.
  const taken = takesParameters(endpoint) ? inPath : []
  const input = inputSchemaOf(endpoint) as { properties?: Record<string, unknown>; required?: string[] }

  test('takes what its contract takes, each member in one place', () => {
    const members = Object.keys(input.properties ?? {}).filter((name) => !taken.includes(name))
    expect(parametersOf(endpoint, 'path').map(({ name }) => name)).toEqual(inPath)
    const query = parametersOf(endpoint, 'query').filter(
      ({ name }) => name !== 'dry_run' || members.includes(name),
    )
    if (!takesBody(endpoint)) {
      expect(input, 'a query has names').toMatchObject({ type: 'object' })
      expect(query.map(({ name }) => name)).toEqual(members)
      for (const { name = '', schema, required } of query) {
        expect(named(schema)).toEqual(input.properties?.[name])
        expect(required).toBe(input.required?.includes(name) ?? false)
      }
      expect(operation.requestBody).toBeUndefined()
      return
    }
    expect(query).toEqual([])
    if (endpoint.body === 'cloudevents') {
      expect(Object.keys(operation.requestBody?.content ?? {})).toEqual([
        'application/cloudevents+json',
        'application/cloudevents-batch+json',
        'application/json',
      ])
      return
    }
    if (endpoint.body === 'signed' || endpoint.body === 'json-rpc') {
      expect(operation.requestBody?.content).toEqual({ 'application/json': { schema: {} } })
      return
    }
    const body = followed(operation.requestBody?.content['application/json']?.schema) as typeof input
    expect(Object.keys(body.properties ?? {})).toEqual(members)
    if (taken.length === 0) {
      const { $schema: _, ...schema } = inputSchemaOf(endpoint)
      expect(named(body)).toEqual(schema)
    }
  })

  test('shows examples that fit the schema in the document and the contract', () => {
    const isEvent = endpoint.body === 'cloudevents'
    const media =
      operation.requestBody?.content[isEvent ? 'application/cloudevents+json' : 'application/json']
    const shown = Object.values(media?.examples ?? {}).map(({ value }) => value as object)
    if (takesBody(endpoint)) expect(shown.length).toBe(endpoint.examples.length)
    // zod reads all of a schema but `not`
    const readable: unknown = JSON.parse(JSON.stringify(inputSchemaOf(endpoint)), (name, value: unknown) =>
      name === 'not' ? undefined : value,
    )
    const documented = z.fromJSONSchema(readable as JsonSchema)
    for (const [at, { input: example }] of endpoint.examples.entries()) {
      expect(example).toMatchObject(isEvent ? { events: [shown[at]] } : (shown[at] ?? {}))
      expect(documented.safeParse(example).error).toBeUndefined()
      expect(endpoint.input.safeParse(example).error).toBeUndefined()
    }
  })

  test('answers as it really does', () => {
    const { $schema: _, ...output } = outputSchemaOf(endpoint)
    const id = operation.operationId
    expect(named(components.schemas[`${id.charAt(0).toUpperCase()}${id.slice(1)}Output`])).toEqual(output)
    for (const status of endpoint.statuses ?? [200]) expect(operation.responses).toHaveProperty(`${status}`)
    const startsJobs = endpoint.streams && endpoint.method === 'POST'
    expect('202' in operation.responses).toBe(startsJobs || (endpoint.statuses?.includes(202) ?? false))
    const good = followed(operation.responses[`${endpoint.statuses?.[0] ?? 200}`])
    expect('text/event-stream' in (good.content ?? {})).toBe(
      endpoint.streams || endpoint.aspect !== undefined,
    )
    if (endpoint.aspect !== undefined) {
      const schema = good.content?.['application/json']?.schema as { anyOf: { properties: { path: {} } }[] }
      if (endpoint.route === undefined) {
        const answered = z.fromJSONSchema(schema.anyOf[0]?.properties.path ?? {})
        expect(answered.safeParse(endpoint.aspect.path.replace('*', 'house')).success).toBe(true)
        expect(answered.safeParse('world.house.other').success).toBe(false)
      }
      expect(operation['x-agentese']).toMatchObject({
        path: endpoint.aspect.path,
        permission: endpoint.permission ?? null,
      })
    }
  })

  test('asks for the credential that it needs, and says how it can fail', () => {
    const schemes = operation.security?.flatMap((each) => Object.keys(each))
    const any = ['bearerToken', 'apiKey', 'session']
    const only = { 'api-key': ['apiKey'], 'optional-api-key': ['apiKey'], invitation: ['invitationToken'] }
    const wanted = { none: [], optional: any, required: any, ...only }[endpoint.auth]
    expect(schemes).toEqual(wanted)
    const open =
      operation.security?.length === 0 || operation.security?.some((each) => Object.keys(each).length === 0)
    expect(open).toBe(['none', 'optional', 'optional-api-key'].includes(endpoint.auth))
    const scopes = operation['x-agentese']?.scopes ?? operation['x-scopes'] ?? []
    expect(scopes).toEqual(endpoint.scopes)
    expect('401' in operation.responses).toBe(endpoint.auth !== 'none')
    expect(Object.keys(operation.responses)).toEqual(
      expect.arrayContaining(['400', '500', '503', '504', 'default']),
    )
  })
})

describe('createOpenApi() of other catalogs', () => {
  const Tree = z.strictObject({
    name: z.string(),
    get branches() {
      return z.array(Tree).optional()
    },
  })
  const contract = { summary: 'A tree', scopes: [], output: z.strictObject({}), handle: () => ({}) }

  test('keeps schemas that contain themselves in one piece', () => {
    const grow = aspect({
      ...contract,
      category: 'M',
      archetypes: 'all',
      effects: [],
      input: Tree,
      examples: [],
    })
    const look = route({ ...contract, route: 'GET /trees', input: z.strictObject({ tree: Tree.optional() }) })
    const trees = createOpenApi([
      defineNode('world.tree', { summary: 'Trees', aspects: { manifest: grow } }),
      defineOperation({ name: 'trees', summary: 'Trees', routes: { look } }),
    ])
    expect(OpenApiDocument.safeParse(trees).error).toBeUndefined()
    expect(danglingReferences(trees)).toEqual([])
  })

  test('asks for the holon of a node of open holons in the path, and in the path only', () => {
    const look = aspect({
      ...contract,
      category: 'P',
      archetypes: 'all',
      effects: [],
      input: z.strictObject({ holon: z.int() }),
      examples: [{ summary: 'A house', input: { holon: 1 }, holon: 'house' }],
    })
    const { paths, components } = OpenApiDocument.parse(
      createOpenApi([defineNode('world.*', { summary: 'Things', aspects: { manifest: look } })]),
    )
    const post = paths['/v1/agentese/world/{holon}/manifest']?.post
    expect(post?.operationId).toBe('worldManifest')
    expect(post?.parameters[0]).toMatchObject({ name: 'holon', in: 'path', schema: { type: 'string' } })
    expect(components.schemas['WorldManifestInput']).toMatchObject({
      properties: { holon: { type: 'integer' } },
    })
    expect(post?.requestBody?.content['application/json']?.examples?.['a-house']?.value).toEqual({ holon: 1 })
  })

  test('takes a segment of the path out of the body', () => {
    const paint = route({
      ...contract,
      route: 'POST /trees/:tree/paint',
      input: z.strictObject({ tree: z.uuid(), colour: z.string() }),
      examples: [{ summary: 'In red', input: { tree: '01', colour: 'red' } }],
      status: () => 201,
      statuses: [201],
    })
    const trees = createOpenApi([defineOperation({ name: 'trees', summary: 'Trees', routes: { paint } })])
    const { paths, components } = OpenApiDocument.parse(trees)
    const post = paths['/trees/{tree}/paint']?.post
    expect(post?.parameters[0]).toMatchObject({ name: 'tree', in: 'path', schema: { format: 'uuid' } })
    expect(components.schemas['TreesPaintInput']).toEqual({
      type: 'object',
      properties: { colour: { type: 'string' } },
      required: ['colour'],
      additionalProperties: false,
    })
    expect(post?.requestBody?.content['application/json']?.examples?.['in-red']?.value).toEqual({
      colour: 'red',
    })
    expect(Object.keys(post?.responses ?? {})).toContain('201')
    expect(Object.keys(post?.responses ?? {})).not.toContain('200')
  })
})
