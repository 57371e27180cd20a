import { describe, expect, test } from 'vitest'
import type { KongRoute } from '../../../gateway/kong/types.ts'
import { createRouter } from '../../../gateway/local/router.ts'

function routes(...partial: (Partial<KongRoute> & { name: string; paths: string[] })[]) {
  const find = createRouter(
    partial.map((each) => ({
      route: { strip_path: false, preserve_host: false, ...each } satisfies KongRoute,
    })),
  )
  return (method: string, path: string, headers: Record<string, string> = {}) =>
    find(method, path, headers)?.route.name
}

describe('createRouter()', () => {
  test('takes the longer prefix', () => {
    const find = routes({ name: 'short', paths: ['/a'] }, { name: 'long', paths: ['/a/b'] })
    expect(find('GET', '/a/b/c')).toBe('long')
    expect(find('GET', '/a/x')).toBe('short')
    expect(find('GET', '/x')).toBeUndefined()
  })

  test('takes a regular expression before a prefix, and the higher regex_priority of two', () => {
    const find = routes(
      { name: 'prefix', paths: ['/a/very/long/prefix'] },
      { name: 'low', paths: ['~/a/very/long/[^/]+$'], regex_priority: 1 },
      { name: 'high', paths: ['~/a/[^/]+/long/prefix$'], regex_priority: 2 },
    )
    expect(find('GET', '/a/very/long/prefix')).toBe('high')
    expect(find('GET', '/a/very/long/other')).toBe('low')
    expect(find('GET', '/a/very/long/prefix/more')).toBe('prefix')
  })

  test('anchors a regular expression at the start of the path, and nowhere else', () => {
    const find = routes({ name: 'any', paths: ['~/b'] })
    expect(find('GET', '/a/b')).toBeUndefined()
    expect(find('GET', '/b/c')).toBe('any')
  })

  test('takes more kinds of attributes before anything else, then more headers', () => {
    const find = routes(
      { name: 'path', paths: ['~/a/b/c$'], regex_priority: 9 },
      { name: 'method', paths: ['/a'], methods: ['GET'] },
      { name: 'header', paths: ['/a'], methods: ['GET'], headers: { x: ['1'] } },
      { name: 'headers', paths: ['/a'], methods: ['GET'], headers: { x: ['1'], y: ['2'] } },
    )
    expect(find('GET', '/a/b/c')).toBe('method')
    expect(find('POST', '/a/b/c')).toBe('path')
    expect(find('GET', '/a/b/c', { x: '1' })).toBe('header')
    expect(find('GET', '/a/b/c', { x: '1', y: '2' })).toBe('headers')
    expect(find('GET', '/a/b/c', { x: '1', y: '3' })).toBe('header')
  })

  test('compares header values in lower case, whole or by regular expression', () => {
    const find = routes(
      { name: 'pattern', paths: ['/'], headers: { Accept: ['~*text/EVENT-stream'] } },
      { name: 'value', paths: ['/'], headers: { x: ['One', 'two'] } },
    )
    expect(find('GET', '/', { accept: 'application/json, Text/Event-Stream;q=1' })).toBe('pattern')
    expect(find('GET', '/', { x: 'ONE' })).toBe('value')
    expect(find('GET', '/', { x: 'two' })).toBe('value')
    expect(find('GET', '/', { x: 'one two' })).toBeUndefined()
  })

  test('remembers paths, not what the headers were', () => {
    const find = routes(
      { name: 'keyed', paths: ['/'], headers: { x: ['1'] } },
      { name: 'plain', paths: ['/'] },
    )
    expect(find('GET', '/', { x: '1' })).toBe('keyed')
    expect(find('GET', '/')).toBe('plain')
    expect(find('GET', '/', { x: '1' })).toBe('keyed')
  })
})
