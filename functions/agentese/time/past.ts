/**
 * `time.past`: how something was. Every change of a target's state was recorded as a whole, so the state at any moment
 * is that of the last change before it. What belongs to a person (`self.*`) is shown to that person alone.
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { parseNode } from '../../../shared/agentese/path.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { Instant } from '../../../shared/instant.ts'

const Target = z.string().max(200)
const State = z.record(z.string(), z.unknown())

export const timePast = defineNode('time.past', {
  summary: 'How things were at a moment, and what has changed since',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'How many changes of how many things are on record',
      effects: ['reads:snapshot'],
      input: NoInput,
      output: z.strictObject({ type: z.literal('past'), targets: z.int(), changes: z.int() }),
      examples: [{ summary: 'What is on record', input: {} }],
      async handle(_input, { db, identity }) {
        const [row] = await db<{ targets: number; changes: number }[]>`
          select count(distinct target)::int as targets, count(*)::int as changes from changes
          where target not like 'self.%' or user_id = ${identity.user}`
        return { type: 'past' as const, targets: row?.targets ?? 0, changes: row?.changes ?? 0 }
      },
    }),

    project: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'The state of something at a moment; null where it was not there',
      effects: ['reads:snapshot'],
      input: z.strictObject({ target: Target, timestamp: Instant }),
      output: z.strictObject({ target: z.string(), timestamp: z.string(), state: State.nullable() }),
      examples: [
        { summary: 'A house last year', input: { target: 'world.house', timestamp: '2026-01-01T00:00:00Z' } },
      ],
      async handle({ target, timestamp }, call) {
        return { target, timestamp, state: await stateAt(target, timestamp, call) }
      },
    }),

    compare: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'What is different between two moments, member by member',
      effects: ['reads:snapshot'],
      input: z.strictObject({ target: Target, t1: Instant, t2: Instant.optional() }),
      output: z.strictObject({
        target: z.string(),
        t1: z.string(),
        t2: z.string(),
        changes: z.strictObject({
          added: State,
          removed: State,
          modified: z.record(z.string(), z.strictObject({ old: z.unknown(), new: z.unknown() })),
        }),
      }),
      examples: [{ summary: 'Since then', input: { target: 'world.house', t1: '2026-01-01T00:00:00Z' } }],
      async handle({ target, t1, t2 = new Date().toISOString() }, call) {
        const [before, after] = [await stateAt(target, t1, call), await stateAt(target, t2, call)]
        return { target, t1, t2, changes: difference(before ?? {}, after ?? {}) }
      },
    }),
  },
})

async function stateAt(
  target: string,
  at: string,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<z.infer<typeof State> | null> {
  parseNode(target)
  const [change] = await db<{ state: z.infer<typeof State> | null }[]>`
    select state from changes
    where target = ${target} and at <= ${at} and (target not like 'self.%' or user_id = ${identity.user})
    order by at desc, id desc limit 1`
  return change?.state ?? null
}

function difference(before: z.infer<typeof State>, after: z.infer<typeof State>) {
  const pick = (from: z.infer<typeof State>, names: string[]) =>
    Object.fromEntries(names.map((name) => [name, from[name]]))
  const [old, now] = [Object.keys(before), Object.keys(after)]
  const kept = old.filter(
    (name) => Object.hasOwn(after, name) && !isDeepStrictEqual(before[name], after[name]),
  )
  return {
    added: pick(
      after,
      now.filter((name) => !Object.hasOwn(before, name)),
    ),
    removed: pick(
      before,
      old.filter((name) => !Object.hasOwn(after, name)),
    ),
    modified: Object.fromEntries(kept.map((name) => [name, { old: before[name], new: after[name] }])),
  }
}
