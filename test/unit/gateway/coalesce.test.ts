import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createCoalescer } from '../../../gateway/stream-hub/coalesce.ts'
import type { StreamEvent } from '../../../gateway/stream-hub/transcript.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const chunk = (index: number, text: string): StreamEvent => ({
  event: 'chunk',
  id: index,
  data: { text, index },
})

function open() {
  const sent: StreamEvent[] = []
  return { sent, coalescer: createCoalescer((event) => sent.push(event), 20) }
}

test('createCoalescer() sends the first piece at once, and joins those that come within its window', () => {
  const { sent, coalescer } = open()
  coalescer.add(chunk(1, 'a'))
  expect(sent).toEqual([chunk(1, 'a')])
  coalescer.add(chunk(2, 'b'))
  coalescer.add(chunk(3, 'c'))
  expect(sent).toHaveLength(1)
  vi.advanceTimersByTime(20)
  expect(sent.slice(1)).toEqual([chunk(3, 'bc')])
  coalescer.add(chunk(4, 'd'))
  vi.advanceTimersByTime(20)
  vi.advanceTimersByTime(20)
  coalescer.add(chunk(5, 'e'))
  expect(sent.slice(2)).toEqual([chunk(4, 'd'), chunk(5, 'e')])
})

test('createCoalescer() sends what waits before anything that is no text, and nothing once it is closed', () => {
  const { sent, coalescer } = open()
  const restart: StreamEvent = { event: 'restart', id: 3, data: {} }
  coalescer.add(chunk(1, 'a'))
  coalescer.add(chunk(2, 'b'))
  coalescer.add(restart)
  expect(sent).toEqual([chunk(1, 'a'), chunk(2, 'b'), restart])
  coalescer.add(chunk(4, 'c'))
  coalescer.add(chunk(5, 'd'))
  coalescer.close()
  vi.runAllTimers()
  expect(sent).toHaveLength(4)
})
