import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Failure } from '../../../shared/failures.ts'
import { expandTemplate, readTemplate } from '../../../functions/agentese/world/tool/template.ts'

const TEMPLATE = readTemplate('https://api.example.com/users/{id}/{id}.json?lang={lang}&v=1&q=a{q}')

test('expandTemplate() keeps every argument in its segment or value', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '..',
      '.',
      '/',
      '%2e%2e',
      '?',
      '&',
      '#',
      '\\',
      '@',
      ':',
      'ä',
      '\ud800',
      '\u{1f4a9}',
      '\0',
      '\r\n',
    ),
  )
  fc.assert(
    fc.property(text, text, fc.option(text, { nil: undefined }), (id, lang, q) => {
      let expanded
      try {
        expanded = expandTemplate(TEMPLATE, { id, lang, q })
      } catch (error) {
        expect((error as Failure).code).toBe('TYPE_MISMATCH')
        expect(['', '.', '..']).toContain(id)
        return
      }
      const { origin, hash, pathname, searchParams } = new URL(expanded)
      expect({
        origin,
        hash,
        path: pathname.split('/').map(decodeURIComponent),
        query: [...searchParams],
      }).toEqual({
        origin: 'https://api.example.com',
        hash: '',
        path: ['', 'users', id.toWellFormed(), `${id.toWellFormed()}.json`],
        query: [
          ['lang', lang.toWellFormed()],
          ['v', '1'],
          ...(q === undefined ? [] : [['q', `a${q.toWellFormed()}`]]),
        ],
      })
    }),
  )
})

test('readTemplate() tells which arguments a template takes, and where', () => {
  expect(readTemplate('https://api.example.com:8443/a/{b}/{c_1}x?d={e}')).toEqual({
    origin: 'https://api.example.com:8443',
    segments: ['a', '{b}', '{c_1}x'],
    query: [{ name: 'd', value: '{e}' }],
    inPath: ['b', 'c_1'],
    inQuery: ['e'],
  })
  expect(expandTemplate(readTemplate('https://api.example.com'), {})).toBe('https://api.example.com/')
})
