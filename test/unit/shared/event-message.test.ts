import { createParser, type EventSourceMessage } from 'eventsource-parser'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HEARTBEAT, OPENING, writeEventMessage } from '../../../shared/http/event-message.ts'

/** All that Unicode, and so a decoder in Python, takes for the end of a line. */
const LINE_BREAKS = ['\r', '\n', '\v', '\f', '\x1c', '\x1d', '\x1e', '\u0085', '\u2028', '\u2029']
const ODD = '\r\n \v\f \x1c\x1d\x1e \u0085\u2028\u2029 \u0000'

describe('writeEventMessage()', () => {
  test('writes each field on one line, for those too who end lines where Unicode does', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...LINE_BREAKS, '\0', 'a', '"', '\\', '\ud83d') }),
        (text) => {
          const message = writeEventMessage({ event: 'chunk', id: 3, data: { text } })
          const lines = LINE_BREAKS.reduce(
            (pieces, end) => pieces.flatMap((each) => each.split(end)),
            [message],
          )
          expect(lines).toHaveLength(5)
          expect(JSON.parse(lines[2]?.replace('data: ', '') ?? '')).toEqual({ text })
        },
      ),
    )
  })

  test('leaves no blank line but the one behind data, also after an opening and heartbeats', () => {
    const message = writeEventMessage({ event: 'chunk', id: 0, data: {} })
    const text = OPENING + HEARTBEAT + message + HEARTBEAT + HEARTBEAT + message
    const blocks = text.split('\n\n').filter((block) => block !== '')
    expect(blocks).toHaveLength(2)
    for (const block of blocks) expect(block).toMatch(/^data: /m)
  })

  test('is read back by eventsource-parser', () => {
    const read: EventSourceMessage[] = []
    const parser = createParser({ onEvent: (event) => read.push(event) })
    parser.feed(
      OPENING + HEARTBEAT + writeEventMessage({ event: 'complete', id: 'end', data: { text: ODD } }),
    )
    expect(read.map(({ event, id, data }) => [event, id, JSON.parse(data)])).toEqual([
      ['complete', 'end', { text: ODD }],
    ])
  })
})
