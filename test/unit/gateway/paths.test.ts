import { array, assert, constantFrom, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createEndpointLookup, pathPattern, specificity } from '../../../gateway/endpoint-paths.ts'
import { readTarget } from '../../../gateway/upstream/request-path.ts'

describe('pathPattern()', () => {
  test('takes a name for one segment, and everything else literally', () => {
    const matches = (path: string, text: string) => new RegExp(`^${pathPattern(path)}`).test(text)
    expect(matches('/v1/jobs/:id', '/v1/jobs/7')).toBe(true)
    expect(matches('/v1/jobs/:id', '/v1/jobs/7/stream')).toBe(false)
    expect(matches('/v1/jobs/:id', '/v1/jobs/')).toBe(false)
    expect(matches('/.well-known/jwks.json', '/.well-known/jwks.json')).toBe(true)
    expect(matches('/.well-known/jwks.json', '/awell-known/jwksxjson')).toBe(false)
  })
})

describe('createEndpointLookup()', () => {
  const paths = ['/a/:b/:c', '/a/x/:c', '/a/:b/y', '/a/x/y']
  const find = createEndpointLookup(paths.map((path) => ({ method: 'GET', path })))

  test('takes the path that spells out the first differing segment', () => {
    expect(find('GET', '/a/x/y')?.path).toBe('/a/x/y')
    expect(find('GET', '/a/x/z')?.path).toBe('/a/x/:c')
    expect(find('GET', '/a/z/y')?.path).toBe('/a/:b/y')
    expect(find('GET', '/a/z/z')?.path).toBe('/a/:b/:c')
    expect(find('POST', '/a/x/y')).toBeUndefined()
    expect(find('GET', '/a/x')).toBeUndefined()
  })

  test('ranks as Kong will: no two paths that match the same request have one rank', () => {
    expect(new Set(paths.map(specificity)).size).toBe(paths.length)
  })
})

describe('readTarget()', () => {
  test.each([
    ['/v1/jobs?limit=1', '/v1/jobs', '?limit=1'],
    ['/v1/a/../jobs', '/v1/jobs', ''],
    ['/v1//jobs/./x', '/v1/jobs/x', ''],
    ['/v1/%6aobs/', '/v1/jobs/', ''],
    ['/v1/x/%2e%2e/jobs', '/v1/jobs', ''],
    ['/v1/x/..%2Fjobs', '/v1/x/..%2Fjobs', ''],
    ['/../../etc', '/etc', ''],
    ['/..', '/', ''],
    ['/v1/a%20b?q=/../', '/v1/a%20b', '?q=/../'],
  ])('reads %s', (url, path, query) => {
    expect(readTarget(url)).toEqual({ path, query })
  })

  test('leaves nothing that a second reading would change', () => {
    const piece = constantFrom('/', '.', '..', '//', 'a', '%2e', '%2F', '%41', '%', '%4', 'b')
    assert(
      property(array(piece), (pieces) => {
        const { path } = readTarget(`/${pieces.join('')}`)
        expect(path.startsWith('/')).toBe(true)
        expect(readTarget(path).path).toBe(path)
      }),
    )
  })
})
