import { describe, expect, test } from 'vitest'
import { FairQueue } from '../../../knative/relay/admission/fair-queue.ts'
import { oneAfterFlood, quietTenant, runningAlone, sharesByTier, SLOTS } from '../../simulation/scenarios.ts'

/** Who gets the next `count` slots, where each has jobs of 100 tokens without end. */
function turns(queue: FairQueue, count: number, slots: number, tenants: string): string {
  const heads = new Map(
    tenants.split('').map((name) => [name, Array.from({ length: count }, () => ({ tokens: 100, name }))]),
  )
  return queue
    .fill(count, slots, heads)
    .map(({ name }) => name)
    .join('')
}

describe('FairQueue in simulation', () => {
  test('shares tokens by weight within 5 % over 10,000 jobs, whatever their estimates', () => {
    const { shares, jain } = sharesByTier(10_000)
    expect(shares).toHaveLength(5)
    for (const { share, due } of shares) expect(Math.abs(share / due - 1)).toBeLessThan(0.05)
    expect(jain).toBeGreaterThan(0.999)
  })

  test('lets one call wait for at most one job of each slot after another tenant has queued 1,000', () => {
    for (const slots of [1, 2, 4, 8, 32, 64]) expect(oneAfterFlood(slots).before).toBeLessThanOrEqual(slots)
  })

  test('gives all slots at once to a tenant that waits alone', () => {
    expect(runningAlone()).toBe(SLOTS)
  })

  test('keeps the 99th percentile of a quiet tenant within 1.14 of what it is alone, with 32 slots', () => {
    expect(quietTenant(SLOTS, 500).ratio).toBeLessThanOrEqual(1.14)
  })
})

describe('FairQueue', () => {
  test('gives turns by weight, and the first to whoever waits longest', () => {
    const queue = new FairQueue()
    queue.wait('a', 1)
    queue.wait('b', 2)
    expect(turns(queue, 6, 100, 'ab')).toBe('abbabb')
  })

  test('settle() gives back what was estimated too high, and takes what was used beyond', () => {
    const queue = new FairQueue()
    queue.wait('a', 1)
    queue.wait('b', 1)
    expect(turns(queue, 2, 100, 'ab')).toBe('ab')
    queue.settle('a', 100, 350)
    queue.settle('b', 100, 50)
    expect(turns(queue, 4, 100, 'ab')).toBe('bbba')
  })

  test('keeps no claim for whoever has had nothing to do, and no debt for long', () => {
    const queue = new FairQueue()
    queue.wait('a', 1)
    expect(turns(queue, 5, 100, 'a')).toBe('aaaaa')
    queue.wait('b', 1)
    expect(turns(queue, 5, 100, 'ab')).toBe('bbaba')
    queue.leave('b')
    for (let n = 0; n < 3; n += 1) queue.settle('b', 100, 100)
    expect(turns(queue, 5, 100, 'a')).toBe('aaaaa')
    queue.wait('b', 1)
    expect(turns(queue, 3, 100, 'ab')).toBe('bba')
  })

  test('passes over a tenant that holds twice its share while another waits, and only then', () => {
    const queue = new FairQueue()
    queue.wait('a', 1)
    expect(turns(queue, 4, 4, 'a')).toBe('aaaa')
    queue.settle('a', 100, 100)
    queue.wait('b', 1)
    queue.wait('c', 1)
    // Three of weight 1 share four slots: at most three each.
    for (const name of 'aa') queue.settle(name, 100, -1000)
    expect(turns(queue, 3, 4, 'abc')).toBe('aab')
  })

  test('leaves a slot for the turn of a tenant that is served elsewhere', () => {
    const queue = new FairQueue()
    queue.wait('a', 1)
    queue.wait('far', 1)
    expect(turns(queue, 4, 100, 'a')).toBe('aaa')
  })

  test('goes on after a restart from the jobs that run: whoever holds most is last', () => {
    const queue = new FairQueue()
    for (let n = 0; n < 3; n += 1) queue.resume('a', 1, 100)
    queue.wait('a', 1)
    queue.wait('b', 1)
    expect(turns(queue, 4, 100, 'ab')).toBe('bbba')
  })
})
