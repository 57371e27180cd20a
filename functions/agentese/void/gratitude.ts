/**
 * `void.gratitude`: thanks without a purpose, kept in a ledger that only grows. A tithe gives a little back to the pool of
 * chance; nothing else regrows it. Open to every archetype alike.
 */
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { newId } from '../../../shared/new-id.ts'
import { textOf } from '../earlier-result.ts'
import { regrow } from './entropy/pool.ts'
import { beginningOf } from '../../../shared/beginning.ts'

/** What a tithe regrows of the pool. */
const TITHE = 0.1
/** Characters of what is thanked. */
const TARGET = 200
/** Entries in an answer. */
const LATEST = 10

const Entry = z.strictObject({ who: z.uuid(), target: z.string(), amount: z.number(), ts: z.string() })
const Amount = z.number().min(0).max(1000).default(1)
const Target = z.string().trim().max(TARGET).optional()

const Acknowledgement = z.strictObject({
  acknowledgement: z.string(),
  entry: Entry,
})

interface EntryRow {
  user_id: string
  target: string
  amount: number
  at: Date
}

export const voidGratitude = defineNode('void.gratitude', {
  summary: 'Thanks, kept in a ledger that only grows',
  aspects: {
    manifest: aspect({
      category: 'P',
      archetypes: 'all',
      summary: 'How much gratitude there is, and the latest of it',
      effects: ['reads:gratitude'],
      input: NoInput,
      output: z.strictObject({
        type: z.literal('gratitude'),
        balance: z.number(),
        count: z.int(),
        latest: z.array(Entry),
      }),
      examples: [{ summary: 'What are we thankful for?', input: {} }],
      async handle(_input, { db }) {
        const [sum] = await db<{ balance: number; count: number }[]>`
          select coalesce(sum(amount), 0)::float8 as balance, count(*)::int as count from gratitude`
        const rows = await db<EntryRow[]>`
          select user_id, target, amount::float8, at from gratitude order by at desc, id desc limit ${LATEST}`
        const { balance, count } = sum ?? { balance: 0, count: 0 }
        return { type: 'gratitude' as const, balance, count, latest: rows.map(tell) }
      },
    }),

    tithe: aspect({
      category: 'E',
      archetypes: 'all',
      summary: 'Give a little of the pool of chance back',
      effects: ['earns:entropy', 'writes:gratitude'],
      input: NoInput,
      output: z.strictObject({ gratitude: z.string(), regenerated: z.number(), remaining: z.number() }),
      examples: [{ summary: 'A tithe', input: {} }],
      async handle(_input, call) {
        const { remaining, regrown } = await regrow(TITHE, call)
        await write('void.entropy', TITHE, call)
        return { gratitude: 'The void takes it and gives a little back', regenerated: regrown, remaining }
      },
    }),

    thank: aspect({
      category: 'E',
      archetypes: 'all',
      summary: 'Thank somebody or something',
      effects: ['writes:gratitude'],
      input: z.strictObject({ target: Target, amount: Amount, input: z.unknown().optional() }),
      output: Acknowledgement,
      examples: [{ summary: 'Thank a colleague', input: { target: 'Ada, for the review' } }],
      async handle({ target, amount, input }, call) {
        const entry = await write(targetOf(target, input), amount, call)
        return { acknowledgement: `Thanks go to ${entry.target}`, entry }
      },
    }),

    acknowledge: aspect({
      category: 'E',
      archetypes: 'all',
      summary: 'Acknowledge what went well',
      effects: ['writes:gratitude'],
      input: z.strictObject({ what: Target, amount: Amount, input: z.unknown().optional() }),
      output: Acknowledgement,
      examples: [{ summary: 'A good day', input: { what: 'The quiet morning' } }],
      async handle({ what, amount, input }, call) {
        const entry = await write(targetOf(what, input), amount, call)
        return { acknowledgement: `It is acknowledged: ${entry.target}`, entry }
      },
    }),
  },
})

/** Thanks always succeed: without a target they go to everything. */
function targetOf(target: string | undefined, input: unknown): string {
  const named = target === undefined || target === '' ? beginningOf(textOf(input), TARGET) : target
  return named.trim() === '' ? 'everything' : named
}

async function write(target: string, amount: number, { db, identity }: Pick<Call, 'db' | 'identity'>) {
  const [row] = await db<EntryRow[]>`
    insert into gratitude (id, tenant_id, user_id, target, amount)
    values (${newId()}, ${identity.tenant}, ${identity.user}, ${target}, ${amount})
    returning user_id, target, amount::float8, at`
  if (row === undefined) throw new TypeError('An insert answers its row')
  return tell(row)
}

function tell({ user_id, target, amount, at }: EntryRow): z.infer<typeof Entry> {
  return { who: user_id, target, amount, ts: at.toISOString() }
}
