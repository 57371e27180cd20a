import * as fc from 'fast-check'
import { headers as createHeaders } from 'nats'
import { describe, expect, test } from 'vitest'
import { fromNats, isEventMessage, MESSAGE_ID_HEADER, toNats } from '../../../shared/nats/event-message.ts'
import { createEvent, verifyEvent, type KgentsEvent } from '../../../shared/events/event.ts'

const KEY = Buffer.alloc(32, 7).toString('base64url')

function anEvent(change: { subject?: string; data?: unknown } = {}): KgentsEvent {
  return createEvent(
    {
      source: '/functions/void-entropy',
      type: 'io.kgents.entropy.sipped',
      tenant: '0195f000-0000-7000-8000-000000000001',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      data: { amount: 1 },
      ...change,
    },
    KEY,
  )
}

/** What a reader gets when the server hands the message on. */
function overTheWire({ headers, payload }: ReturnType<typeof toNats>) {
  return { headers, data: payload }
}

describe('toNats() and fromNats()', () => {
  test('carry an event through whole: its signature still fits', () => {
    const event = anEvent({ subject: 'void.entropy.sip' })
    const read = fromNats(overTheWire(toNats(event)))
    expect(read).toEqual(event)
    expect(() => verifyEvent(read, KEY)).not.toThrow()
  })

  test('carry any subject and any JSON data', () => {
    const subject = fc.string({ unit: 'grapheme', minLength: 1 })
    fc.assert(
      fc.property(subject, fc.jsonValue(), (subject, data) => {
        const event = anEvent({ subject, data: JSON.parse(JSON.stringify(data)) as unknown })
        const { headers, payload } = toNats(event)
        expect(fromNats({ headers, data: payload })).toEqual(event)
        for (const [, [value]] of headers) expect(value).toMatch(/^[!-~]+$/)
      }),
    )
  })

  test('name the event id as the message id, so that the stream stores it once', () => {
    const event = anEvent()
    expect(toNats(event).headers.get(MESSAGE_ID_HEADER)).toBe(event.id)
  })

  test.each(['ce-id', 'ce-source', 'ce-type', 'ce-tenantid', 'ce-specversion'])(
    'refuse a message without %s',
    (name) => {
      const { headers, payload } = toNats(anEvent())
      headers.delete(name)
      expect(() => fromNats({ headers, data: payload })).toThrow(
        expect.objectContaining({ code: 'EVENT_SYNTAX' }),
      )
    },
  )

  test('refuse data that is not JSON, and take no data for none', () => {
    const { headers } = toNats(anEvent())
    expect(() => fromNats({ headers, data: Buffer.from('{') })).toThrow(
      expect.objectContaining({ code: 'EVENT_SYNTAX' }),
    )
    expect(fromNats({ headers, data: new Uint8Array() })).not.toHaveProperty('data')
  })
})

test('isEventMessage() tells an event from a token chunk, delivered or looked up', () => {
  const { headers, payload } = toNats(anEvent())
  expect(isEventMessage({ headers, data: payload })).toBe(true)
  expect(isEventMessage({ header: headers, data: payload })).toBe(true)
  expect(isEventMessage({ headers: createHeaders(), data: payload })).toBe(false)
  expect(isEventMessage({ data: payload })).toBe(false)
})
