import { describe, expect, test } from 'vitest'
import { readLastEventId, readPreference } from '../../../gateway/stream-hub/preference.ts'

describe('readPreference()', () => {
  test.each([
    [{ accept: 'text/event-stream' }, { kind: 'stream' }],
    [{ accept: 'application/json;q=0.9, text/event-stream', prefer: 'wait=5' }, { kind: 'stream' }],
    [
      { accept: 'application/json, text/event-stream;q=0', prefer: 'wait=5' },
      { kind: 'wait', seconds: 5 },
    ],
    [{ prefer: 'wait=5' }, { kind: 'wait', seconds: 5 }],
    [{ prefer: 'respond-async, wait=120' }, { kind: 'wait', seconds: 60 }],
    [{ prefer: 'handling=lenient; wait="7"' }, { kind: 'wait', seconds: 7 }],
    [{ prefer: 'wait=0' }, { kind: 'wait', seconds: 0 }],
    [{ prefer: 'await=5' }, { kind: 'none' }],
    [{ prefer: 'wait=soon' }, { kind: 'none' }],
    [{ accept: '*/*' }, { kind: 'none' }],
  ])('reads %j', (headers, preference) => {
    expect(readPreference(headers)).toEqual(preference)
  })
})

describe('readLastEventId()', () => {
  test('reads the header, then the query, and starts anew from anything else', () => {
    expect(readLastEventId({ 'last-event-id': '7' }, '?last_event_id=3')).toBe(7)
    expect(readLastEventId({}, '?last_event_id=3')).toBe(3)
    expect(readLastEventId({}, '')).toBe(-1)
    expect(readLastEventId({ 'last-event-id': '-1' }, '')).toBe(-1)
    expect(readLastEventId({ 'last-event-id': '1e3' }, '')).toBe(-1)
    expect(readLastEventId({ 'last-event-id': 'end' }, '')).toBe(-1)
  })
})
