/**
 * The tenant's pool of chance. It starts full, never holds less than nothing or more than at the start, and grows by
 * what is given back alone, never with time.
 */
import { randomInt } from 'node:crypto'
import type { Call } from '../../../../shared/contract/call.ts'
import { Failure } from '../../../../shared/failures.ts'

/** What a pool holds at the start, and at most. */
export const INITIAL = 100

interface Pool {
  initial: number
  remaining: number
  percentage: number
}

/** The pool as it is now. A pool that nobody has drawn from is full. */
export async function poolOf(db: Call['db']): Promise<Pool> {
  const [pool] = await db<Pool[]>`
    select initial::float8, remaining::float8, (100 * remaining / initial)::float8 as percentage from entropy_pools`
  return pool ?? { initial: INITIAL, remaining: INITIAL, percentage: 100 }
}

/** An even number from 0 up to 1. */
export function drawSeed(): number {
  return randomInt(2 ** 47) / 2 ** 47
}

/**
 * Takes `amount` out and charges it, in one statement, so that two draws never share the last drop.
 *
 * @throws Failure ENTROPY_EXHAUSTED where less than that is left
 */
export async function drawEntropy(
  amount: number,
  { db, identity, charge }: Pick<Call, 'db' | 'identity' | 'charge'>,
): Promise<void> {
  const drawn = await db`
    insert into entropy_pools (tenant_id, remaining) values (${identity.tenant}, ${INITIAL} - ${amount}::numeric)
    on conflict (tenant_id) do update set remaining = entropy_pools.remaining - ${amount}::numeric
      where entropy_pools.remaining >= ${amount}::numeric
    returning remaining`
  if (drawn.length === 0) throw exhausted(amount, await poolOf(db))
  charge('entropy', amount)
}

function exhausted(amount: number, { remaining }: Pool): Failure {
  return new Failure('ENTROPY_EXHAUSTED', `Cannot sip ${amount}: only ${remaining} is left`, {
    suggestion:
      'Sip less, pour an unused grant back with void.entropy.pour, or tithe with void.gratitude.tithe',
    details: { remaining },
  })
}

/**
 * Puts up to `amount` back, as far as the pool has room, and credits what went in. That has 12 decimals at most, so that
 * a number can represent it to the last digit.
 *
 * @returns what the pool holds then, and by how much it grew
 */
export async function regrow(
  amount: number,
  { db, charge }: Pick<Call, 'db' | 'charge'>,
): Promise<{ remaining: number; regrown: number }> {
  const [pool] = await db<{ remaining: number; regrown: number }[]>`
    update entropy_pools set remaining = remaining + trunc(least(${amount}::numeric, initial - remaining), 12)
    returning new.remaining::float8, (new.remaining - old.remaining)::float8 as regrown`
  const { remaining, regrown } = pool ?? { remaining: INITIAL, regrown: 0 }
  charge('entropy', -regrown)
  return { remaining, regrown }
}
