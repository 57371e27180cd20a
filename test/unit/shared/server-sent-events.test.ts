import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readServerSentEvents } from '../../../shared/http/server-sent-events.ts'

async function read(parts: Iterable<Uint8Array>): Promise<string[]> {
  const stream = (async function* () {
    yield* parts
  })()
  return (await Array.fromAsync(readServerSentEvents(stream))).map(({ data }) => data)
}

/** Cuts `text` after the given byte positions. */
function cut(text: string, positions: number[]): Uint8Array[] {
  const bytes = Buffer.from(text)
  const ends = [...positions.map((at) => at % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}

test('readServerSentEvents() gives the same events wherever the network cuts the bytes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/[\r\n]/.test(text))),
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.array(fc.nat()),
      async (events, newline, positions) => {
        const text = events.map((data) => `data: ${data}${newline}${newline}`).join('')
        expect(await read(cut(text, positions))).toEqual(events)
      },
    ),
  )
})

test('readServerSentEvents() skips comments and other fields, and joins the data lines of one event', async () => {
  const text = ': still working\n\nevent: x\nid: 7\ndata: one\ndata:two\n\n: more\n\ndata: [DONE]'
  expect(await read([Buffer.from(text)])).toEqual(['one\ntwo', '[DONE]'])
})

test('readServerSentEvents() gives up on an event without an end', async () => {
  const endless = Array.from({ length: 5 }, () => Buffer.from(`data: ${'x'.repeat(2 ** 20)}`))
  await expect(read(endless)).rejects.toThrow('exceeded')
})
