/** Law 11: order, acknowledgement and isolation, for subscriptions and happenings of every kind. */
import fc from 'fast-check'
import { describe, expect } from 'vitest'
import { matchesPattern, parsePattern } from '../../../shared/agentese/pattern.ts'
import type { ReadEvent } from './hub-world.ts'
import { eventually } from '../../eventually.ts'
import { test, type SubscriptionWorld, type Tenant } from './subscription-world.ts'

const PATHS = [
  'void.entropy.sip',
  'void.entropy.pour',
  'self.soul.manifest',
  'self.soul.manifest',
  'world.house.manifest',
]
const PATTERNS = [
  '**',
  'void.**',
  '*.*.manifest',
  'self.soul.*',
  'self.**',
  '**.entropy.**',
  'world.house.manifest',
]

type Plan = number | 'never'

const happening = fc.record({ path: fc.constantFrom(...PATHS), mine: fc.boolean() })
const scenario = fc.record({
  patterns: fc.uniqueArray(fc.constantFrom(...PATTERNS), { minLength: 1, maxLength: 3 }),
  happenings: fc.array(happening, { minLength: 1, maxLength: 12 }),
  /** Which of them are acknowledged, and at which delivery. */
  acknowledged: fc.array(fc.constantFrom<Plan>(1, 2, 3, 'never'), { minLength: 12, maxLength: 12 }),
})

interface Happened {
  sequence: number
  path: string
}

/** Lets everything happen, and answers what the first tenant should be told of. */
async function letHappen(
  world: SubscriptionWorld,
  [acme, globex]: readonly [Tenant, Tenant],
  { patterns, happenings }: { patterns: string[]; happenings: { path: string; mine: boolean }[] },
): Promise<Happened[]> {
  const wanted: Happened[] = []
  const parsed = patterns.map(parsePattern)
  for (const { path, mine } of happenings) {
    const sequence = await world.happens(mine ? acme : globex, path)
    if (mine && parsed.some((pattern) => matchesPattern(pattern, path))) wanted.push({ sequence, path })
  }
  return wanted
}

const sequencesOf = (events: readonly ReadEvent[]) => events.map(({ id }) => id)

describe('subscriptions', () => {
  test('tell each path’s events in order, all of them, and nobody else’s', async ({ world }) => {
    const hub = await world.openHub()
    const tenants = [await world.tenant(), await world.tenant()] as const
    const [acme] = tenants
    await fc.assert(
      fc.asyncProperty(scenario, async (each) => {
        const pattern = each.patterns.join()
        const stream = await world.follow(hub, acme, `pattern=${pattern}`)
        const wanted = await letHappen(world, tenants, each)
        const told = await stream.take(wanted.length)
        expect(told.map(({ id, data }) => ({ sequence: id, path: data['path'] }))).toEqual(wanted)

        const from = wanted[0]?.sequence ?? 1
        const again = await world.follow(hub, acme, `pattern=${pattern}&from=${from}`)
        expect(sequencesOf(await again.take(wanted.length))).toEqual(sequencesOf(told))
        stream.leave()
        again.leave()
      }),
      { numRuns: 15 },
    )
  })

  test('deliver until acknowledged, at most three times, and lose nothing', async ({ world }) => {
    const hub = await world.openHub({ ackWaitMs: 2_000 })
    await fc.assert(
      fc.asyncProperty(scenario, async (each) => {
        const tenants = [await world.tenant(), await world.tenant()] as const
        const [acme] = tenants
        const stream = await world.follow(hub, acme, `pattern=${each.patterns.join()}&delivery=at-least-once`)
        const happened = await letHappen(world, tenants, each)
        const wanted = happened.map(({ sequence }, at) => ({
          sequence,
          acknowledged: each.acknowledged[at] ?? 'never',
        }))
        const expected = wanted.flatMap(({ sequence, acknowledged }) =>
          Array.from(
            { length: acknowledged === 'never' ? 3 : acknowledged },
            (_, at) => `${sequence}.${at + 1}`,
          ),
        )

        const told: ReadEvent[] = []
        // None is waited for: each has the whole wait of its delivery to arrive.
        const acknowledging: Promise<unknown>[] = []
        while (told.length < expected.length) {
          const [event] = await stream.take(1)
          if (event === undefined) continue
          told.push(event)
          const plan = wanted.find(({ sequence }) => sequence === event.id)
          if (plan?.acknowledged === event.data['attempt'])
            acknowledging.push(world.acknowledge(hub, acme, stream.id, [event]))
        }
        await Promise.all(acknowledging)
        const deliveries = told.map(({ id, data }) => `${id}.${String(data['attempt'])}`)
        expect(deliveries.toSorted()).toEqual(expected.toSorted())
        expect(sequencesOf(told.filter(({ data }) => data['attempt'] === 1))).toEqual(
          wanted.map(({ sequence }) => sequence),
        )

        const dead = wanted.flatMap(({ sequence, acknowledged }) =>
          acknowledged === 'never' ? [sequence] : [],
        )
        await eventually(async () => {
          const letters = await world.deadLetters(acme)
          const buried = letters.map(({ data }) => (data as Happened).sequence)
          expect(buried.toSorted((a, b) => a - b)).toEqual(dead)
        })
        stream.leave()
      }),
      { numRuns: 5 },
    )
  })
})
