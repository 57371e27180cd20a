import { describe, expect, test } from 'vitest'
import { prefersEventStream, prefersPlainText } from '../../../shared/http/accept.ts'

describe('prefersEventStream()', () => {
  test.each([
    'text/event-stream',
    'Text/Event-Stream',
    'text/event-stream; charset=utf-8',
    'text/event-stream;q=0.1',
    'application/json;q=0.9, text/event-stream',
    'application/json, text/event-stream',
    'text/event-stream, */*',
    'text/event-stream, application/json;q=0',
    'text/*',
    'text/*, application/json;q=0.5',
    'text/event-stream;q=0.5, */*;q=0.1',
    '*/*;q=0.1, text/*',
  ])('is what "%s" says', (accept) => {
    expect(prefersEventStream(accept)).toBe(true)
  })

  test.each([
    undefined,
    '',
    '*/*',
    'application/json',
    'application/*, text/event-stream;q=0.9',
    'application/json, text/event-stream;q=0.9',
    'text/event-stream;q=0',
    'text/event-stream;q=0, text/*',
    'text/event-stream;q=0.2, */*;q=0.8',
    'text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8',
    'application/json, text/*',
    'text/event-streams',
    'application/json;note="text/event-stream"',
  ])('is not what "%s" says', (accept) => {
    expect(prefersEventStream(accept)).toBe(false)
  })
})

test('prefersPlainText() takes the name of the type alone for a preference', () => {
  expect(prefersPlainText('text/plain')).toBe(true)
  expect(prefersPlainText('text/plain;q=0.5, application/json;q=0.4')).toBe(true)
  expect(prefersPlainText('text/plain;q=0')).toBe(false)
  expect(prefersPlainText('application/json, text/plain;q=0.5')).toBe(false)
  expect(prefersPlainText('text/*')).toBe(false)
})
