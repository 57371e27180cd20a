import { expect, test } from 'vitest'
import { Transcript } from '../../../gateway/stream-hub/transcript.ts'
import { SentText } from '../../../gateway/stream-hub/openai/sent-text.ts'

const chunk = (index: number, text: string) => ({
  kind: 'chunk' as const,
  index,
  attempt: 1,
  text,
  tokens: index,
})
const ending = { status: 'completed' as const, path: 'p', text: 'one two three', result: {} }

/** What a client reads that starts over at each restart. */
function textOf(events: (ReturnType<Transcript['eventFor']> | undefined)[], before = ''): string {
  return events.reduce((text, each) => {
    if (each?.event === 'restart') return ''
    return each?.event === 'chunk' ? text + String(each.data['text']) : text
  }, before)
}

test('a Transcript without a log gives the whole text from what the job came to', () => {
  const fresh = new Transcript('j').end(ending)
  expect(fresh.map(({ event, id }) => [event, id])).toEqual([
    ['chunk', 0],
    ['complete', 'end'],
  ])
  const resumed = new Transcript('j', 7).end(ending)
  expect(resumed.map(({ event, id }) => [event, id])).toEqual([
    ['restart', 8],
    ['chunk', 9],
    ['complete', 'end'],
  ])
  expect(textOf(resumed, 'one tw')).toBe(ending.text)
})

test('a Transcript whose log has lost its beginning shows no text with a gap in it', () => {
  const log = [chunk(5, ' two'), chunk(6, ' three')]
  const late = new Transcript('j')
  expect(textOf([...log.map((each) => late.eventFor(each)), ...late.end(ending)])).toBe(ending.text)
  const knows = new Transcript('j', 4)
  const events = [...log.map((each) => knows.eventFor(each)), ...knows.end(ending)]
  expect(events.map((each) => each?.event)).toEqual(['chunk', 'chunk', 'complete'])
  const lacks = new Transcript('j', 3)
  expect(textOf([...log.map((each) => lacks.eventFor(each)), ...lacks.end(ending)], 'one')).toBe(ending.text)
})

test('a Transcript takes a log that begins above all that the client has for another answer, anew', () => {
  const log = [
    { kind: 'started' as const, index: 4000, attempt: 1 },
    chunk(4001, 'one two'),
    chunk(4002, ' three'),
  ]
  for (const [seen, first, before] of [
    [-1, 'started', ''],
    [12, 'restart', 'some other words'],
  ] as const) {
    const transcript = new Transcript('j', seen)
    const events = [...log.map((each) => transcript.eventFor(each)), ...transcript.end(ending)]
    expect(events.map((each) => each?.event)).toEqual([first, 'chunk', 'chunk', 'complete'])
    expect(textOf(events, before)).toBe(ending.text)
  }
})

test('a Transcript repeats nothing at the end of a log that is whole', () => {
  const transcript = new Transcript('j')
  const log = [chunk(0, 'one'), chunk(1, ' two three')]
  const events = [...log.map((each) => transcript.eventFor(each)), ...transcript.end(ending)]
  expect(events.map((each) => each?.event)).toEqual(['chunk', 'chunk', 'complete'])
})

test('SentText goes on where an answer that began anew goes on, and finds one that says something else', () => {
  const sent = new SentText()
  expect([sent.next('one '), sent.next('two ')]).toEqual(['one ', 'two '])
  sent.restart()
  expect([sent.next('one'), sent.next(' two three'), sent.next(' four')]).toEqual(['', 'three', ' four'])
  expect(sent.text).toBe('one two three four')
  sent.restart()
  expect(sent.next('two')).toBeUndefined()
})
