/** How many memories a person has, and how they are. */
import { z } from 'zod'
import { Memory } from '../../../../shared/agentese/manifest/payloads.ts'
import { aspect, NoInput } from '../../../../shared/contract/define-node.ts'
import { countEntries } from '../../../../shared/recall/entries.ts'
import { isConsolidating, lastConsolidation } from './dream.ts'
import { Lifecycle, MEMORIES, MAX_MEMORIES } from './rows.ts'

export const manifest = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'How much you remember',
  effects: ['reads:memory'],
  input: NoInput,
  output: Memory,
  examples: [{ summary: 'How full is my memory?', input: {} }],
  async handle(_input, call) {
    const { db, identity } = call
    const since = await lastConsolidation(call)
    const [counts] = await db<{ all: number; readable: number; consolidated: number }[]>`
      select count(*)::int as all,
        count(*) filter (where lifecycle <> 'composting')::int as readable,
        count(*) filter (where lifecycle <> 'composting' and captured_at <= ${since})::int as consolidated
      from memories where user_id = ${identity.user}`
    const checkpoints = await db<{ label: string }[]>`
      select label from memory_checkpoints where user_id = ${identity.user} order by at desc, id desc limit 20`
    const { all, readable, consolidated } = counts ?? { all: 0, readable: 0, consolidated: 0 }
    return {
      type: 'memory' as const,
      memory_count: readable,
      consolidated,
      temporary: readable - consolidated,
      checkpoints: checkpoints.map(({ label }) => label),
      last_consolidation: since.getTime() === 0 ? null : since.toISOString(),
      capacity_used: all / MAX_MEMORIES,
    }
  },
})

export const status = aspect({
  category: 'P',
  archetypes: 'all',
  summary: 'How your memories are, and how many can be found by meaning',
  effects: ['reads:memory'],
  input: NoInput,
  output: z.strictObject({
    lifecycle: z.record(Lifecycle, z.int().min(0)),
    cherished: z.int().min(0),
    average_resolution: z.number().min(0).max(1).nullable(),
    average_relevance: z.number().min(0).max(1).nullable(),
    embedded: z.int().min(0),
    waiting: z.int().min(0),
    /** In scripts that the model does not know: found by words alone. */
    words_only: z.int().min(0),
    is_consolidating: z.boolean(),
  }),
  examples: [{ summary: 'Are all of them embedded?', input: {} }],
  async handle(_input, call) {
    const { db, identity } = call
    const rows = await db<
      {
        lifecycle: z.infer<typeof Lifecycle>
        count: number
        cherished: number
        resolution: number
        relevance: number
      }[]
    >`
      select lifecycle, count(*)::int as count, count(*) filter (where cherished)::int as cherished,
        sum(resolution)::float8 as resolution, sum(relevance_now(m))::float8 as relevance
      from memories m where user_id = ${identity.user} group by lifecycle`
    const countOf = (wanted: string) => rows.find(({ lifecycle }) => lifecycle === wanted)?.count ?? 0
    const readable = rows.filter(({ lifecycle }) => lifecycle !== 'composting')
    const averageOf = (of: 'resolution' | 'relevance') => {
      const count = sum(readable.map((row) => row.count))
      return count === 0 ? null : Math.min(1, sum(readable.map((row) => row[of])) / count)
    }
    return {
      lifecycle: {
        active: countOf('active'),
        dormant: countOf('dormant'),
        dreaming: countOf('dreaming'),
        composting: countOf('composting'),
      },
      cherished: sum(rows.map((row) => row.cherished)),
      average_resolution: averageOf('resolution'),
      average_relevance: averageOf('relevance'),
      ...(await countEntries(db, MEMORIES, identity.user)),
      is_consolidating: await isConsolidating(call),
    }
  },
})

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
