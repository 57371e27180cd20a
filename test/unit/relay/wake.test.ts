import type { Sql } from 'postgres'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createMetrics } from '../../../knative/relay/metrics.ts'
import { createWake, type Found } from '../../../knative/relay/wake.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const SLEEP = 'insert into relay_sleep default values'
const AWAKE = 'delete from relay_sleep'

const NOTHING: Found = { moved: false, outlook: 'quiet', full: false }
const WRITING: Found = { ...NOTHING, outlook: 'writing' }
const HELD: Found = { ...NOTHING, outlook: 'held' }
const MOVED: Found = { ...NOTHING, moved: true }

/** A wake on a database that only writes down what it is sent. */
async function aWake() {
  const statements: string[] = []
  const sql = ((text: TemplateStringsArray) => {
    statements.push(text.join('?'))
    return Promise.resolve([])
  }) as unknown as Sql
  const end = new AbortController()
  const wake = createWake(sql, createMetrics(), end.signal)
  /** Reads and finds: milliseconds until it reads again, given that nobody notifies. */
  const read = async (found: Found) => {
    await wake.announce()
    const began = Date.now()
    const next = wake.next(found)
    await vi.runAllTimersAsync()
    await next
    return Date.now() - began
  }
  const reads = async (found: Found, times: number) => {
    const rests: number[] = []
    for (let n = 0; n < times; n += 1) rests.push(await read(found))
    return rests
  }
  await read(NOTHING)
  statements.length = 0
  return { wake, statements, end, read, reads }
}

describe('createWake()', () => {
  test('takes back what a relay that died had said', async () => {
    const statements: string[] = []
    const sql = ((text: TemplateStringsArray) => {
      statements.push(text.join('?'))
      return Promise.resolve([])
    }) as unknown as Sql
    await createWake(sql, createMetrics(), new AbortController().signal).announce()
    expect(statements).toEqual([AWAKE])
  })

  test('reads at its pace, says that it sleeps, reads once more, and only then sleeps', async () => {
    const { statements, reads } = await aWake()
    expect(await reads(NOTHING, 3)).toEqual([8, 8, 8])
    expect(statements).toEqual([])
    expect(await reads(NOTHING, 3)).toEqual([250, 250, 250])
    expect(statements).toEqual([SLEEP])
  })

  test('sleeps only for moments while somebody writes who may not have seen that it sleeps', async () => {
    const { reads } = await aWake()
    await reads(WRITING, 3)
    const moments = await reads(WRITING, 3)
    expect(Math.max(...moments)).toBeLessThan(250)
    expect(moments).toEqual(moments.toSorted((a, b) => a - b))
    expect(await reads(NOTHING, 1)).toEqual([250])
    // Whoever writes now began after that.
    expect(await reads(WRITING, 1)).toEqual([250])
  })

  test('a notification ends the sleep, also one that comes before it', async () => {
    const { wake, reads } = await aWake()
    await reads(NOTHING, 6)
    const next = wake.next(NOTHING)
    wake.hint()
    await vi.advanceTimersByTimeAsync(8)
    await next
    wake.hint()
    const another = wake.next(NOTHING)
    await vi.advanceTimersByTimeAsync(8)
    await another
    expect(vi.getTimerCount()).toBe(0)
  })

  test('now and then something to do: it goes on sleeping, and writers go on notifying', async () => {
    const { statements, reads } = await aWake()
    await reads(NOTHING, 6)
    expect(await reads(MOVED, 9)).toEqual(Array.from({ length: 9 }, () => 50))
    expect(await reads(NOTHING, 1)).toEqual([250])
    expect(statements).toEqual([SLEEP])
  })

  test('always something to do: it takes its word back, once, and reads at its pace', async () => {
    const { wake, statements, reads } = await aWake()
    await reads(NOTHING, 6)
    for (let n = 0; n < 8; n += 1) {
      await wake.announce()
      const next = wake.next(MOVED)
      wake.hint()
      await vi.advanceTimersByTimeAsync(8)
      await next
    }
    expect(statements).toEqual([SLEEP, AWAKE])
    expect(await reads(MOVED, 2)).toEqual([8, 8])
  })

  test('while something is held it stays awake and reads often: nobody notifies about the end of a transaction', async () => {
    const { statements, reads } = await aWake()
    await reads(NOTHING, 6)
    expect(await reads(HELD, 6)).toEqual([8, 16, 20, 20, 20, 20])
    expect(statements).toEqual([SLEEP, AWAKE])
  })

  test('while INFERENCE is full it looks for room ten times a second', async () => {
    const { reads } = await aWake()
    await reads({ ...NOTHING, full: true }, 6)
    expect(await reads({ ...NOTHING, full: true }, 2)).toEqual([100, 100])
  })

  test('the end of the session ends the sleep, and its end takes back that it sleeps', async () => {
    const { wake, statements, end, reads } = await aWake()
    await reads(NOTHING, 6)
    const next = wake.next(NOTHING)
    await vi.advanceTimersByTimeAsync(8)
    end.abort()
    await next
    expect(vi.getTimerCount()).toBe(0)
    await wake.end()
    expect(statements).toEqual([SLEEP, AWAKE])
  })
})
