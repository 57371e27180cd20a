import { describe, expect, test } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { components } from '../../../functions/components.ts'
import { createKongConfig } from '../../../gateway/kong/kong.ts'
import type { RoutedEndpoint, RoutedFunction } from '../../../gateway/kong/routes.ts'
import { createEndpointLookup } from '../../../gateway/endpoint-paths.ts'
import { createRouter, listMatches, priorityOf } from '../../../gateway/local/router.ts'

const KEY = { 'x-api-key': 'kg_abcde_secret' }
const SESSION = { cookie: 'theme=dark; __Host-kgents_session=kgs_secret' }
const TOKEN = { authorization: 'Bearer x.y.z' }
const STREAM = { accept: 'text/event-stream' }
const WAIT = { prefer: 'respond-async, wait=10' }

const findRoute = createRouter(listMatches(createKongConfig(catalog, components)))

function find(method: string, path: string, headers: Record<string, string>) {
  const match = findRoute(method, path, headers)
  return {
    service: match?.service?.name,
    route: match?.route.name,
    checksToken: match?.route.plugins?.some(({ name }) => name === 'jwt') ?? false,
  }
}

/** A request for `endpoint`: its path with something in place of each name. */
function pathOf({ path }: RoutedEndpoint): string {
  return path.replaceAll(/:\w+/g, '0190b0f2-7f2b-7000-8000-000000000001')
}

const cases = catalog.flatMap((definition: RoutedFunction) =>
  definition.endpoints.map(
    (endpoint) => [`${endpoint.method} ${endpoint.path}`, definition, endpoint] as const,
  ),
)

describe.each(cases)('%s', (_name, definition, endpoint) => {
  const { method, auth, errors, streams } = endpoint
  const path = pathOf(endpoint)
  // Of MCP, the function itself refuses: its challenge says where the metadata is.
  const required = auth === 'required' && errors !== 'mcp'

  test('reaches its function, with its token checked where one is required', () => {
    expect(find(method, path, TOKEN)).toEqual({
      service: definition.name,
      route: endpoint.name.replace('*', '~'),
      checksToken: required,
    })
    expect(find(method, path, {}).checksToken).toBe(required)
  })

  test('reaches its function with an API key, which the function checks', () => {
    expect(find(method, path, KEY)).toMatchObject({ service: definition.name, checksToken: false })
  })

  test('is not let off by something that is no API key', () => {
    expect(find(method, path, { 'x-api-key': 'anything' }).checksToken).toBe(required)
  })

  test('reaches its function by a method that it does not have, for 405 and the methods that there are', () => {
    for (const headers of [TOKEN, KEY, { ...TOKEN, ...STREAM }]) {
      expect(find('PATCH', path, headers).service).toBe(definition.name)
    }
  })

  if (!streams) return
  test('goes to the stream hub where the caller waits', () => {
    for (const wish of [STREAM, WAIT, { ...STREAM, ...WAIT }]) {
      expect(find(method, path, { ...TOKEN, ...wish })).toMatchObject({
        service: 'stream-hub',
        checksToken: required,
      })
      expect(find(method, path, { ...KEY, ...wish })).toMatchObject({
        service: 'stream-hub',
        checksToken: false,
      })
    }
  })
})

describe('other paths', () => {
  test('GET /v1/jobs/{id}/stream goes to the stream hub', () => {
    expect(find('GET', '/v1/jobs/1/stream', TOKEN)).toMatchObject({
      service: 'stream-hub',
      checksToken: true,
    })
    expect(find('GET', '/v1/jobs/1/stream', KEY)).toMatchObject({ service: 'stream-hub', checksToken: false })
  })

  test('an unknown aspect of a node, by another method, goes to the node', () => {
    expect(find('GET', '/v1/agentese/void/entropy/frob', TOKEN)).toMatchObject({
      service: 'void-entropy',
      checksToken: true,
    })
    expect(find('GET', '/v1/agentese/void/entropy/frob', KEY)).toMatchObject({ service: 'void-entropy' })
  })

  test('an unknown node goes to logos, which can suggest one', () => {
    expect(find('POST', '/v1/agentese/self/nowhere/manifest', TOKEN)).toMatchObject({
      service: 'logos',
      checksToken: true,
    })
    expect(find('GET', '/v1/agentese/world', TOKEN)).toMatchObject({ service: 'logos' })
  })

  test.each(['/', '/v1', '/v2/jobs', '/v1/jobsfoo', '/events', '/health/live', '/metrics/x'])(
    '%s is unknown',
    (path) => {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        expect(find(method, path, TOKEN)).toMatchObject({ service: undefined, route: 'unknown' })
      }
    },
  )

  test('OPTIONS on any path meets a route without a token, so that preflight requests are answered', () => {
    for (const path of ['/v1/jobs', '/v1/nothing']) {
      expect(find('OPTIONS', path, {})).toMatchObject({ route: expect.any(String), checksToken: false })
    }
  })
})

test.each([
  ['POST', '/v1/agentese/subscribe/0190b0f2-7f2b-7000-8000-000000000001/ack', 'subscribe.ack'],
  ['DELETE', '/v1/agentese/subscribe/0190b0f2-7f2b-7000-8000-000000000001', 'subscribe.end'],
])('%s %s is the stream hub’s, and no path of a node', (method, path, route) => {
  expect(find(method, path, TOKEN)).toEqual({ service: 'stream-hub', route, checksToken: true })
  expect(find(method, path, KEY)).toMatchObject({ service: 'stream-hub', checksToken: false })
})

describe('any two paths that match the same request', () => {
  const all = [...catalog, ...components].flatMap((each: Pick<RoutedFunction, 'name' | 'endpoints'>) =>
    each.endpoints.map((endpoint) => ({ ...endpoint, service: each.name })),
  )
  const findMeant = createEndpointLookup(all)
  const findStreaming = createEndpointLookup(all.filter(({ streams }) => streams))
  const canStream = (method: string, path: string) => findStreaming(method, path) !== undefined
  const headers = [{}, KEY, TOKEN, SESSION].flatMap((credential) =>
    [{}, STREAM, WAIT, { ...STREAM, ...WAIT }].map((wish) => ({ ...credential, ...wish })),
  )

  /** `path` as it could be called: its own words, and in place of each name a word that another path has there. */
  function* requestsFor(path: string): Iterable<string> {
    const segments = path.split('/')
    yield pathOf({ path } as RoutedEndpoint)
    for (const other of all) {
      const words = other.path.split('/')
      if (words.length !== segments.length) continue
      const mixed = segments.map((segment, index) => {
        const word = words[index] ?? ''
        return !segment.startsWith(':') ? segment : word.startsWith(':') ? 'x' : word
      })
      yield mixed.join('/')
    }
  }

  test('are told apart by Kong as by the lookup of the hub, whatever the headers', () => {
    const wrong = new Set<string>()
    let tried = 0
    for (const { method, path } of all) {
      for (const request of new Set(requestsFor(path))) {
        const meant = findMeant(method, request)
        for (const each of headers) {
          tried += 1
          const found = find(method, request, each)
          // The hub calls the function that is meant, so it may stand in wherever a stream is possible.
          const waits = canStream(method, request) && ('accept' in each || 'prefer' in each)
          const service = waits ? 'stream-hub' : meant?.service
          const isChecked = meant?.auth === 'required' && meant.errors !== 'mcp'
          const checksToken = isChecked && !('x-api-key' in each) && !('cookie' in each)
          if (found.service !== service || found.checksToken !== checksToken) {
            wrong.add(`${method} ${request} ${JSON.stringify(each)}: ${found.route}`)
          }
        }
      }
    }
    expect([...wrong]).toEqual([])
    expect(tried).toBeGreaterThan(2_000)
  })

  test('never depend on an order that Kong does not promise: of two routes, one has the higher priority', () => {
    const matches = listMatches(createKongConfig(catalog, components))
    const ranks = new Map<string, string>()
    for (const { route, service } of matches) {
      for (const path of route.paths) {
        const key = JSON.stringify([path, route.methods, String(priorityOf(route, path)), route.plugins])
        // Of one service, with the same plugins: both of the hub's routes fit a caller that wants either kind of answer, and both
        // variants fit who sends an API key and a session.
        const before = ranks.get(key)
        if (before !== undefined) expect(service?.name).toBe(before)
        ranks.set(key, service?.name ?? '')
      }
    }
  })
})
