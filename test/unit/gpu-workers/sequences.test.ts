/** Which part of the context a request gets, and whose time it is when several run. */
import { describe, expect, test } from 'vitest'
import { ComputeClock } from '../../../gpu-workers/engines/compute-clock.ts'
import { Sequences, type Cached } from '../../../gpu-workers/engines/sequences.ts'

/** A sequence that has read `tokens`. */
class Sequence implements Cached<number> {
  tokens: number[] = []

  get nextTokenIndex(): number {
    return this.tokens.length
  }

  compareContextTokens(tokens: number[]): { firstDifferentIndex: number } {
    const at = tokens.findIndex((token, index) => token !== this.tokens[index])
    return { firstDifferentIndex: at === -1 ? tokens.length : at }
  }

  async clearHistory(): Promise<void> {
    this.tokens = []
  }
}

const run = (length: number, value = 1) => Array.from({ length }, () => value)

async function read(
  pool: Sequences<number, Sequence>,
  owner: { tenant?: string; session?: string },
  tokens: number[],
) {
  const { sequence, give } = await pool.take(owner, tokens)
  const reused = sequence.compareContextTokens(tokens).firstDifferentIndex
  sequence.tokens = tokens
  give()
  return reused
}

describe('Sequences', () => {
  test('give a session what it has read before, though another of the tenant was there since', async () => {
    const pool = new Sequences<number, Sequence>([new Sequence(), new Sequence()])
    await read(pool, { tenant: 'acme', session: 'a' }, run(50))
    await read(pool, { tenant: 'acme', session: 'b' }, run(50, 2))
    expect(await read(pool, { tenant: 'acme', session: 'a' }, run(60))).toBe(50)
    expect(await read(pool, { tenant: 'acme', session: 'b' }, run(60, 2))).toBe(50)
  })

  test('give no tenant what another has read, though it is the same, and the session has the same id', async () => {
    const pool = new Sequences<number, Sequence>([new Sequence()])
    await read(pool, { tenant: 'acme', session: 'a' }, run(50))
    expect(await read(pool, { tenant: 'globex', session: 'a' }, run(50))).toBe(0)
    expect(await read(pool, { tenant: 'acme', session: 'a' }, run(50))).toBe(0)
    expect(await read(pool, {}, run(50))).toBe(0)
    expect(await read(pool, {}, run(50))).toBe(0)
  })

  test('give requests without a session the longest common beginning of the tenant', async () => {
    const pool = new Sequences<number, Sequence>([new Sequence(), new Sequence(), new Sequence()])
    await read(pool, { tenant: 'acme' }, run(40))
    await read(pool, { tenant: 'acme' }, run(40, 2))
    expect(await read(pool, { tenant: 'acme' }, [...run(40, 2), 3])).toBe(40)
    expect(await read(pool, { tenant: 'acme' }, [...run(40), 3])).toBe(40)
    expect(await read(pool, { tenant: 'acme' }, [...run(31), 9])).toBe(0)
  })

  test('give the one that was not used for longest where none is empty, and none twice', async () => {
    const [old, recent] = [new Sequence(), new Sequence()]
    const pool = new Sequences<number, Sequence>([recent, old])
    const first = await pool.take({ tenant: 'a' }, [])
    const second = await pool.take({ tenant: 'b' }, [])
    expect(first.sequence).not.toBe(second.sequence)
    await expect(pool.take({ tenant: 'c' }, [])).rejects.toThrow('more than 2 requests')
    first.sequence.tokens = second.sequence.tokens = run(5)
    second.give()
    first.give()
    expect((await pool.take({ tenant: 'c' }, [])).sequence).toBe(second.sequence)
  })
})

test('ComputeClock shares every moment among those that run', () => {
  let now = 1000
  const clock = new ComputeClock(() => now)
  const endFirst = clock.begin()
  now += 1000
  const endSecond = clock.begin()
  now += 1000
  expect(endFirst()).toBe(1.5)
  now += 1000
  expect(endSecond()).toBe(1.5)
  now += 5000
  expect([endFirst(), endSecond()]).toEqual([1.5, 1.5])
  const endThird = clock.begin()
  now += 1000
  expect(endThird()).toBe(1)
})
