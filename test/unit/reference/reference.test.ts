import { describe, expect, test } from 'vitest'
import { catalog } from '../../../functions/catalog.ts'
import { loaders } from '../../../functions/loaders.ts'
import { createApp } from '../../../shared/http/app.ts'
import { problemOf } from '../../../shared/http/problem.ts'
import { Failure, listFailures } from '../../../shared/failures.ts'
import { Problem } from '../../../shared/problem.ts'
import { FunctionConfig } from '../../../shared/runtime/config.ts'
import { openRuntime } from '../../../shared/runtime/create-runtime.ts'
import { inputSchemaOf, outputSchemaOf } from '../../../shared/contract/schemas.ts'

const NO_KEYS = '{"keys":[]}'
const config = FunctionConfig.parse({
  FUNCTION: 'reference,json-web-keys',
  LOG_LEVEL: 'silent',
  PLATFORM_JWKS: NO_KEYS,
  DISPATCH_JWKS: NO_KEYS,
})
const { runtime } = await openRuntime(config, loaders)
const app = createApp(runtime)

describe.each([
  ['/openapi.json', 'application/json', '"openapi":"3.1'],
  ['/asyncapi.json', 'application/json', '"asyncapi":"3.0'],
  ['/docs', 'text/html; charset=UTF-8', '<!doctype html>'],
])('GET %s', (path, type, part) => {
  test('answers anybody, without a database', async () => {
    const response = await app.request(path)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe(type)
    expect(await response.text()).toContain(part)
  })

  test('may be kept, and is not sent again to who has it', async () => {
    const first = await app.request(path)
    const etag = first.headers.get('etag') ?? ''
    expect(first.headers.get('cache-control')).toBe('public, max-age=300')
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const second = await app.request(path, { headers: { 'If-None-Match': known } })
      expect([second.status, await second.text()]).toEqual([304, ''])
      expect(second.headers.get('etag')).toBe(etag)
    }
    const changed = await app.request(path, { headers: { 'If-None-Match': '"other"' } })
    expect([changed.status, changed.headers.get('etag')]).toEqual([200, etag])
  })

  test('takes no input', async () => {
    const response = await app.request(`${path}?x=1`)
    expect(response.status).toBe(400)
    expect(response.headers.get('cache-control')).toBeNull()
  })
})

test('GET /docs may be framed by nobody', async () => {
  const { headers } = await app.request('/docs')
  expect(headers.get('content-security-policy')).toBe("frame-ancestors 'none'")
  expect(headers.get('x-content-type-options')).toBe('nosniff')
})

test('a route that nobody may keep carries no ETag', async () => {
  const { headers } = await app.request('/v1/jobs', { headers: { 'If-None-Match': '*' } })
  expect(headers.get('etag')).toBeNull()
})

test('Problem describes what every failure answers', () => {
  for (const { code } of listFailures()) {
    const failure = new Failure(code, 'why', {
      suggestion: 'do',
      retryAfterSeconds: 1,
      available: ['a'],
      details: { a: 1 },
    })
    const { body } = problemOf(failure, 'void.entropy.sip', 'abc')
    expect(Problem.safeParse(body).error).toBeUndefined()
  }
})

describe('the catalog', () => {
  const endpoints = catalog.flatMap((definition) => definition.endpoints)

  test('names all statuses where one is computed', () => {
    for (const { name, status, statuses, route } of endpoints) {
      expect(statuses === undefined, `${name}: add the "statuses" that "status" may come to`).toBe(
        status === undefined && route?.creates === undefined,
      )
    }
  })

  test('keeps only what is the same for everybody', () => {
    const kept = endpoints.filter(({ maxAgeSeconds }) => maxAgeSeconds !== undefined)
    for (const { name, auth, method } of kept) expect([auth, method], name).toEqual(['none', 'GET'])
  })

  test('has schemas that are made once', () => {
    for (const endpoint of endpoints) {
      expect(inputSchemaOf(endpoint)).toBe(inputSchemaOf(endpoint))
      expect(outputSchemaOf(endpoint)).toBe(outputSchemaOf(endpoint))
    }
  })
})
