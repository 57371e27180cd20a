import type { Sql } from 'postgres'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createMetrics } from '../../../knative/relay/metrics.ts'
import { createWake, type Idle, type Wake } from '../../../knative/relay/wake.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A wake on a database that only writes down what it is told. */
function aWake() {
  const statements: string[] = []
  const sql = ((text: TemplateStringsArray) => {
    statements.push(text.join('?'))
    return Promise.resolve([])
  }) as unknown as Sql
  const end = new AbortController()
  return { wake: createWake(sql, createMetrics(), end.signal), statements, end }
}

/** Milliseconds that one rest lasts, given that nothing hints. */
async function restFor(wake: Wake, idle: Idle): Promise<number> {
  const began = Date.now()
  const rest = wake.rest(idle)
  await vi.runAllTimersAsync()
  await rest
  return Date.now() - began
}

async function fallAsleep(wake: Wake): Promise<void> {
  for (let looks = 0; looks < 20; looks += 1) await restFor(wake, 'empty')
}

const SLEEP = 'insert into relay_sleep default values'
const AWAKE = 'delete from relay_sleep'

describe('createWake()', () => {
  test('naps a little, says that it sleeps, looks once more, and sleeps longer and longer', async () => {
    const { wake, statements } = aWake()
    const rests: number[] = []
    for (let looks = 0; looks < 14; looks += 1) rests.push(await restFor(wake, 'empty'))
    expect(rests).toEqual([1, 2, 4, 8, 0, 5, 10, 20, 40, 80, 160, 250, 250, 250])
    expect(statements).toEqual([SLEEP])
  })

  test('a hint ends the nap, also one that comes before it', async () => {
    const { wake } = aWake()
    await fallAsleep(wake)
    const rest = wake.rest('empty')
    wake.hint()
    await rest
    wake.hint()
    await wake.rest('empty')
    expect(vi.getTimerCount()).toBe(0)
  })

  test('busy() takes its word back, once', async () => {
    const { wake, statements } = aWake()
    await fallAsleep(wake)
    await wake.busy()
    await wake.busy()
    expect(statements).toEqual([SLEEP, AWAKE])
    expect(await restFor(wake, 'empty')).toBe(1)
  })

  test('while something is held it stays awake and looks often: nobody notifies about the end of a transaction', async () => {
    const { wake, statements } = aWake()
    await fallAsleep(wake)
    expect(await restFor(wake, 'held')).toBe(20)
    expect(await restFor(wake, 'held')).toBe(20)
    expect(statements).toEqual([SLEEP, AWAKE])
  })

  test('while INFERENCE is full it looks for room ten times a second', async () => {
    const { wake } = aWake()
    for (let looks = 0; looks < 20; looks += 1) await restFor(wake, 'full')
    expect(await restFor(wake, 'full')).toBe(100)
  })

  test('the end of the session ends the nap', async () => {
    const { wake, end } = aWake()
    await fallAsleep(wake)
    const rest = wake.rest('empty')
    end.abort()
    await rest
    await wake.rest('empty')
    expect(vi.getTimerCount()).toBe(0)
  })
})
