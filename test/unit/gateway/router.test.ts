import { describe, expect, test } from 'vitest'
import type { KongRoute } from '../../../gateway/kong/types.ts'
import { createRouter, priorityOf } from '../../../gateway/local/router.ts'

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

  test('takes more kinds of attributes first, then more headers, among regular expressions and among prefixes', () => {
    for (const paths of [['~/a/b/c$'], ['/a']]) {
      const find = routes(
        { name: 'path', paths, regex_priority: 9 },
        { name: 'method', paths, methods: ['GET'] },
        { name: 'header', paths, methods: ['GET'], headers: { x: ['1'] } },
        { name: 'headers', paths, methods: ['GET'], headers: { x: ['1'], y: ['2'] } },
      )
      expect(find('GET', '/a/b/c')).toBe('method')
      expect(find('POST', '/a/b/c')).toBe('path')
      expect(find('GET', '/a/b/c', { x: '1' })).toBe('header')
      expect(find('GET', '/a/b/c', { x: '1', y: '2' })).toBe('headers')
      expect(find('GET', '/a/b/c', { x: '1', y: '3' })).toBe('header')
    }
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

describe('priorityOf()', () => {
  const regex = (regex_priority: number, ...headers: string[]): Partial<KongRoute> => ({
    methods: ['POST'],
    paths: ['~/a'],
    regex_priority,
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers.map((name) => [name, ['v']])) }),
  })

  // What get_priority() of Kong 3.9.3 returns under LuaJIT.
  test.each<[string, Partial<KongRoute>, bigint]>([
    ['a prefix', { paths: ['/a/b'] }, 0x2000_0004n],
    ['a prefix with a header', { paths: ['/a/b'], headers: { k: ['v'] } }, 0x4010_0004n],
    ['a low regex_priority', regex(504), 0x0008_0000_4fc0_0000n],
    ['a low one with a header', regex(504, 'k'), 0x0008_0000_6fd0_0000n],
    ['one below 1024 with a header', regex(1016, 'k'), 0x0008_0000_7fd0_0000n],
    ['one below 1024 with two headers', regex(1016, 'k', 'b'), 0x0008_0000_7fe0_0000n],
    ['one that reaches into the kinds of attributes', regex(4032), 0x0008_0000_7e00_0000n],
    ['the same with a header', regex(4032, 'k'), 0x0008_0000_7e10_0000n],
    ['one that becomes negative', regex(4096), 0xffff_ffff_c000_0000n],
    ['one that overflows', regex(8191), 0xffff_ffff_fff8_0000n],
  ])('ranks %s as Kong 3.9.3 does', (_name, route, expected) => {
    const { paths = [] } = route
    const whole = { name: 'r', strip_path: false, preserve_host: false, ...route, paths } as const
    expect(priorityOf(whole, paths[0] ?? '')).toBe(expected)
  })
})
