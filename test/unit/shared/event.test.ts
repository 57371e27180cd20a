import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createEvent, deriveResultKey, verifyEvent, type KgentsEvent } from '../../../shared/events/event.ts'

const key = randomBytes(32).toString('base64url')
const acme = '00000000-0000-4000-8000-00000000000a'
const globex = '00000000-0000-4000-8000-00000000000b'
const job = '00000000-0000-4000-8000-0000000000ff'

function newEvent(changes: Partial<Parameters<typeof createEvent>[0]> = {}): KgentsEvent {
  return createEvent(
    {
      source: '/functions/x',
      type: 'io.kgents.test.happened',
      tenant: acme,
      data: { b: 1, a: { d: [1], c: null } },
      ...changes,
    },
    key,
  )
}

describe('verifyEvent()', () => {
  test('accepts what createEvent() signed', () => {
    expect(() => verifyEvent(newEvent(), key)).not.toThrow()
  })

  test.each([
    ['another tenant', { tenantid: globex }],
    ['another type', { type: 'io.kgents.test.else' }],
    ['another id', { id: job }],
    ['other data', { data: { b: 2 } }],
    ['another subject', { subject: 'x' }],
    ['another time', { time: '2020-01-01T00:00:00Z' }],
    ['no signature', { signature: undefined }],
    ['an empty signature', { signature: '' }],
  ])('refuses the same event with %s', (_what, change) => {
    const forged = { ...newEvent(), ...change } as KgentsEvent
    expect(() => verifyEvent(forged, key)).toThrow(expect.objectContaining({ code: 'SIGNATURE_INVALID' }))
  })

  test('refuses an event that lacks an attribute', () => {
    expect(() => verifyEvent({ ...newEvent(), id: '' }, key)).toThrow(
      expect.objectContaining({ code: 'EVENT_SYNTAX' }),
    )
  })

  test('survives intermediaries that rewrite the time and the order of members', () => {
    const event = newEvent()
    const rewritten = {
      ...event,
      time: (event.time ?? '').replace(/0*Z$/, 'Z').replace('.Z', 'Z'),
      data: { a: { c: null, d: [1] }, b: 1 },
    }
    expect(() => verifyEvent(rewritten, key)).not.toThrow()
  })

  test('believes a worker about its own job, and about nothing else', () => {
    const resultKey = deriveResultKey(key, acme, job)
    const result = {
      source: '/gpu-workers',
      tenant: acme,
      type: 'io.kgents.inference.completed',
      data: { job, text: 'hi' },
    }
    expect(() => verifyEvent(createEvent(result, resultKey), key)).not.toThrow()
    const others = [
      { ...result, data: { job: acme, text: 'hi' } },
      { ...result, tenant: globex },
      { ...result, type: 'io.kgents.job.completed' },
    ]
    for (const other of others) expect(() => verifyEvent(createEvent(other, resultKey), key)).toThrow()
  })
})
